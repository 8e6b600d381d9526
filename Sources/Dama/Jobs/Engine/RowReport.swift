import DamaSupport

/// The end of a job over rows: what becomes of the outcomes in the journal. ``RowJob`` does the rest.
protocol RowReport {
    associatedtype Task: RowTask
    associatedtype Summary

    /// Whether a file beside the output tells how the run went that finished the job.
    static var hasRunFile: Bool { get }

    /// Settings on which only the report depends, not the outcomes in the journal.
    var settings: [JSONObject.Member] { get }

    /// Writes the lines of the rows that are done to `output`. At least one row is done.
    ///
    /// - Parameters:
    ///   - folder: for other files that the report needs meanwhile.
    ///   - checkpoint: to be called now and then; it throws where the job has to stop.
    func write(
        _ journal: borrowing RowJournal, to output: inout ResultFile, in folder: borrowing ResultFolder,
        checkpoint: () throws(DamaError) -> Void
    ) throws(DamaError) -> Summary

    /// The summary file. `output` and `rejects` describe those files.
    func json(_ summary: Summary, output: JSON, rejects: JSON, settings: JSON) -> JSON

    /// What the summary file of an earlier run that finished the job says; `nil` where it says something else.
    func summary(_ json: JSON) -> Summary?

    /// What differs from run to run, for the file on the run.
    func runFile(_ progress: JobProgress, _ task: Task) -> JSON
}

extension RowReport {
    static var hasRunFile: Bool { false }
    var settings: [JSONObject.Member] { [] }
    func runFile(_ progress: JobProgress, _ task: Task) -> JSON { .null }
}
