import DamaModels
import DamaSupport

/// Computes a reference model's log-probabilities of both responses of every pair, once and for all.
///
/// ```swift
/// let job = ReferenceJob(ReferenceOptions(data: "pairs.jsonl", output: "reference.jsonl"), policy: policy)
/// let summary = try job.run { print($0.rowsDone) }
/// ```
///
/// Streams, resumes and rejects as ``ScoreJob`` does. The summary holds what the numbers depend on, and every line the
/// hash of its pair: see ``ReferenceCache``.
public struct ReferenceJob: Sendable {
    private let options: ReferenceOptions
    private let policy: Policy

    public init(_ options: ReferenceOptions, policy: Policy) {
        self.options = options
        self.policy = policy
    }

    /// How a job ended.
    public struct Summary: Equatable, Sendable {
        public var rows: Int
        public var rowsRejected: Int
        /// Rows of which a response was cut to fit.
        public var rowsCut: Int
        /// Whether an earlier run had finished the job already.
        public var wasComplete = false
    }

    private static let partialFiles = ["journal", "output", "rejects", "summary"]

    /// Runs the job to its end. Errors as ``ScoreJob/run(observer:)``.
    @discardableResult
    public func run(
        observer: @escaping (JobProgress) throws(DamaError) -> Void = { _ in }
    ) throws(DamaError) -> Summary {
        try options.rows.check()
        let paths = JobPaths(output: options.rows.output)
        try paths.refuseUnsuitable(data: options.rows.data)
        let root = try ImageRoot(path: options.imageFolder, byteLimit: options.imageByteLimit)
        var progress = ProgressReporter(observer: observer)
        let contents = try RowJob.scan(options.rows, &progress)
        guard contents.rowCount > 0 else { throw .invalidArgument("\(options.rows.data) holds no rows") }
        let settings = options.settings(contents: contents, identity: try policy.identity(), imageRoot: root.path)

        let folder = try JobFolder(path: paths.partial)
        if options.rows.restart { folder.remove(Self.partialFiles, andFolder: false) }
        if !Files.exists(folder.file("journal")), !options.rows.restart {
            do throws(DamaError) {
                if let json = try paths.finishedSummary(settings) {
                    folder.remove(Self.partialFiles, andFolder: true)
                    return try Self.summary(json, paths)
                }
            } catch {
                folder.remove(Self.partialFiles, andFolder: true)
                throw error
            }
        }
        var journal = try RowJournal(path: folder.file("journal"), settings: settings)
        var task = ReferenceTask(policy: policy, root: root, options: options)
        try RowJob.run(&task, options.rows, contents: contents, journal: &journal, &progress)
        try progress.beginWriting()
        let summary = try write(journal, settings, in: folder, paths)
        folder.remove(Self.partialFiles, andFolder: true)
        return summary
    }

    private func write(
        _ journal: borrowing RowJournal, _ settings: JSON, in folder: borrowing JobFolder, _ paths: JobPaths
    ) throws(DamaError) -> Summary {
        var output = try ResultFile("output", in: folder, for: paths.output)
        var rejects = try ResultFile("rejects", in: folder, for: paths.rejects)
        var summary = Summary(rows: journal.rowCount, rowsRejected: journal.rejectedCount, rowsCut: 0)
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

    private static func summary(_ json: JSON, _ paths: JobPaths) throws(DamaError) -> Summary {
        guard let rows = json["rows"]?.int, let rejected = json["rows_rejected"]?.int, let cut = json["rows_cut"]?.int
        else { throw paths.changed }
        return Summary(rows: rows, rowsRejected: rejected, rowsCut: cut, wasComplete: true)
    }
}
