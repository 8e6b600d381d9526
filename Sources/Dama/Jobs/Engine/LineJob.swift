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
    init(_ rows: RowJobOptions) throws(DamaError) {
        try rows.check()
        self.rows = rows
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
        let folder = try ResultFolder(JobPaths(output: rows.output), data: rows.data, restart: rows.restart)
        var progress = ProgressReporter(observer: observer)
        let contents = try RowJob.scan(rows, &progress)
        guard contents.rowCount > 0 else { throw .invalidArgument("\(rows.data) holds no rows") }
        let settings = try settings(contents)
        if !folder.isBegun, !rows.restart, let json = try folder.paths.finishedSummary(settings) {
            try folder.clear()
            return try summary(json, folder.paths)
        }
        var journal = try RowJournal(path: folder.file("journal"), settings: settings)
        try RowJob.run(&task, rows, contents: contents, journal: &journal, &progress)
        try progress.beginWriting()
        let summary = try write(journal, settings, in: folder)
        try folder.clear()
        return summary
    }

    private func write(
        _ journal: borrowing RowJournal, _ settings: JSON, in folder: borrowing ResultFolder
    ) throws(DamaError) -> LineJobSummary {
        var output = try ResultFile("output", in: folder)
        var rejects = try ResultFile("rejects", in: folder)
        var summary = LineJobSummary(rows: journal.rowCount, rowsRejected: journal.rejectedCount, rowsCut: 0)
        try journal.forEachRow { outcome throws(DamaError) in
            switch outcome {
            case .rejected(let line): try rejects.append(line + [UInt8(ascii: "\n")])
            case .done(let stored):
                summary.rowsCut += stored.first == 1 ? 1 : 0
                try output.append(Array(stored.dropFirst()))
            }
        }
        let paths = folder.paths
        guard summary.rows > summary.rowsRejected else {
            try folder.place([("rejects", paths.rejects, try rejects.seal())])
            throw .model("all \(summary.rows) rows were rejected; see \(paths.rejects)")
        }
        let outputDescription = try output.seal()
        let rejectsDescription = try rejects.seal()
        let json: JSON = [
            "rows": .int(Int64(summary.rows)), "rows_rejected": .int(Int64(summary.rowsRejected)),
            "rows_cut": .int(Int64(summary.rowsCut)), "output": outputDescription, "rejects": rejectsDescription,
            "settings": settings,
        ]
        var file = try ResultFile("summary", in: folder)
        try file.append(Array(json.text.utf8) + [UInt8(ascii: "\n")])
        try folder.place([
            ("rejects", paths.rejects, rejectsDescription), ("output", paths.output, outputDescription),
            ("summary", paths.summary, try file.seal()),
        ])
        return summary
    }

    private func summary(_ json: JSON, _ paths: JobPaths) throws(DamaError) -> LineJobSummary {
        guard let rows = json["rows"]?.int, let rejected = json["rows_rejected"]?.int, let cut = json["rows_cut"]?.int,
            min(rows, rejected, cut) >= 0
        else { throw paths.changed }
        return LineJobSummary(rows: rows, rowsRejected: rejected, rowsCut: cut, wasComplete: true)
    }
}
