import DamaSupport

/// Turns the outcomes in the journal of a job over rows into its results. ``RowJob`` does the rest.
protocol RowReport {
    associatedtype Task: RowTask
    associatedtype Summary

    /// Whether the job writes a file about the run that finished it.
    static var hasRunFile: Bool { get }

    /// Whether the job fails if no row is done.
    var needsRows: Bool { get }
    /// The page on the results that the user asked for.
    var page: ResultPage? { get }

    /// Settings that affect only the report, not the outcomes in the journal.
    var settings: [JSONObject.Member] { get }

    /// Writes the lines of the completed rows to `output`. At least one row is done if the report ``needsRows``.
    ///
    /// - Parameters:
    ///   - folder: A folder for temporary files.
    ///   - checkpoint: Must be called regularly; it throws if the job has to stop.
    func write(
        _ journal: borrowing RowJournal, to output: inout ResultFile, in folder: borrowing ResultFolder,
        checkpoint: () throws(DamaError) -> Void
    ) throws(DamaError) -> Summary

    /// The summary file. `output` and `rejects` describe those files.
    func json(_ summary: Summary, output: JSON, rejects: JSON, settings: JSON) -> JSON

    /// The summary of an earlier run that finished the job; `nil` if `json` is not such a summary.
    func summary(_ json: JSON) -> Summary?

    /// The contents of the page, which depend on nothing else that differs from run to run.
    func pageText(_ summary: Summary) -> String

    /// Values that differ from run to run, for the file about the run.
    func runFile(_ progress: JobProgress, _ task: Task) -> JSON
}

extension RowReport {
    static var hasRunFile: Bool { false }
    var needsRows: Bool { true }
    var page: ResultPage? { nil }
    func pageText(_ summary: Summary) -> String { "" }
    var settings: [JSONObject.Member] { [] }
    func runFile(_ progress: JobProgress, _ task: Task) -> JSON { .null }
}
