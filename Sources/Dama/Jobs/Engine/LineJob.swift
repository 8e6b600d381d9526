import DamaSupport

/// How a job that makes a line of each row ended.
public struct LineJobSummary: Equatable, Sendable {
    public var rows: Int
    public var rowsRejected: Int
    /// Rows of which a response was cut, or ended, for want of room.
    public var rowsCut: Int
    /// Whether an earlier run had finished the job already.
    public var wasComplete = false
}

extension RowOutcome {
    /// A row's line of output, for a ``LineJob``.
    static func line(_ line: [UInt8], isCut: Bool) -> RowOutcome { .done([isCut ? 1 : 0] + line) }
}

/// A job that makes a line of each row, and a summary of how many there were.
struct LineJob {
    private let rows: RowJobOptions
    private let paths: JobPaths

    private static let partialFiles = ["journal", "output", "rejects", "summary"]

    init(_ rows: RowJobOptions) throws(DamaError) {
        try rows.check()
        self.rows = rows
        paths = JobPaths(output: rows.output)
        try paths.refuseUnsuitable(data: rows.data)
    }

    /// Runs the job to its end. Errors as ``ScoreJob/run(observer:)``.
    ///
    /// - Parameters:
    ///   - task: its outcomes are ``RowOutcome/line(_:isCut:)`` and rejected rows.
    ///   - settings: all that the lines depend on, for a dataset of these contents.
    func run(
        _ task: inout some RowTask, observer: @escaping (JobProgress) throws(DamaError) -> Void,
        settings: (DatasetContents) throws(DamaError) -> JSON
    ) throws(DamaError) -> LineJobSummary {
        var progress = ProgressReporter(observer: observer)
        let contents = try RowJob.scan(rows, &progress)
        guard contents.rowCount > 0 else { throw .invalidArgument("\(rows.data) holds no rows") }
        let settings = try settings(contents)

        let folder = try JobFolder(path: paths.partial)
        if rows.restart { folder.remove(Self.partialFiles, andFolder: false) }
        if !Files.exists(folder.file("journal")), !rows.restart {
            do throws(DamaError) {
                if let json = try paths.finishedSummary(settings) {
                    folder.remove(Self.partialFiles, andFolder: true)
                    return try summary(json)
                }
            } catch {
                folder.remove(Self.partialFiles, andFolder: true)
                throw error
            }
        }
        var journal = try RowJournal(path: folder.file("journal"), settings: settings)
        try RowJob.run(&task, rows, contents: contents, journal: &journal, &progress)
        try progress.beginWriting()
        let summary = try write(journal, settings, in: folder)
        folder.remove(Self.partialFiles, andFolder: true)
        return summary
    }

    private func write(
        _ journal: borrowing RowJournal, _ settings: JSON, in folder: borrowing JobFolder
    ) throws(DamaError) -> LineJobSummary {
        var output = try ResultFile("output", in: folder, for: paths.output)
        var rejects = try ResultFile("rejects", in: folder, for: paths.rejects)
        var summary = LineJobSummary(rows: journal.rowCount, rowsRejected: journal.rejectedCount, rowsCut: 0)
        try journal.forEachRow { outcome throws(DamaError) in
            switch outcome {
            case .rejected(let line): try rejects.append(line + [UInt8(ascii: "\n")])
            case .done(let stored):
                summary.rowsCut += stored.first == 1 ? 1 : 0
                try output.append(Array(stored.dropFirst()))
            }
        }
        guard summary.rows > summary.rowsRejected else {
            _ = try rejects.finish()
            throw .model("all \(summary.rows) rows were rejected; see \(paths.rejects)")
        }
        let outputDescription = try output.finish()
        let rejectsDescription = try rejects.finish()
        let json: JSON = [
            "rows": .int(Int64(summary.rows)), "rows_rejected": .int(Int64(summary.rowsRejected)),
            "rows_cut": .int(Int64(summary.rowsCut)), "output": outputDescription, "rejects": rejectsDescription,
            "settings": settings,
        ]
        var file = try ResultFile("summary", in: folder, for: paths.summary)
        try file.append(Array(json.text.utf8) + [UInt8(ascii: "\n")])
        _ = try file.finish()
        return summary
    }

    private func summary(_ json: JSON) throws(DamaError) -> LineJobSummary {
        guard let rows = json["rows"]?.int, let rejected = json["rows_rejected"]?.int, let cut = json["rows_cut"]?.int,
            min(rows, rejected, cut) >= 0
        else { throw paths.changed }
        return LineJobSummary(rows: rows, rowsRejected: rejected, rowsCut: cut, wasComplete: true)
    }
}
