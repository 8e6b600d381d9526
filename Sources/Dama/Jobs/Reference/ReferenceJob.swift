import DamaModels
import DamaRuntime
import DamaSupport

/// Computes a reference model's log-probabilities of both responses of every pair.
///
/// ```swift
/// let job = ReferenceJob(ReferenceOptions(data: "pairs.jsonl", output: "reference.jsonl"), policy: policy)
/// let summary = try job.run { print($0.rowsDone) }
/// ```
///
/// Streams, resumes and rejects rows as ``ScoreJob`` does. The summary holds everything that the numbers depend on, and
/// every line holds the hash of its pair: see ``ReferenceCache``.
public struct ReferenceJob: Sendable {
    private let options: ReferenceOptions
    private let policy: Policy

    public init(_ options: ReferenceOptions, policy: Policy) {
        self.options = options
        self.policy = policy
    }

    /// Runs the job to completion. Parameters and errors are those of ``ScoreJob/run(run:observer:)``.
    @discardableResult
    public func run(
        run: RunOptions? = nil, observer: @escaping (JobProgress) throws(DamaError) -> Void = { _ in }
    ) throws(DamaError) -> LineJobSummary {
        try policy.checkResponses()
        try options.check()
        let shard = options.shard
        // A share may have no rows, or only rejected ones.
        let report = LineReport<ReferenceTask>(isArray: options.format == .released, needsRows: shard == nil)
        let scores = try options.scores.map { path throws(DamaError) in try Files.digest(path).sha256 }
        let unit = options.rows.blockRows
        return try RowJob(options.rows, report, part: { shard?.rows(of: $0, unit: unit) ?? 0..<$0 }).run(
            observer: observer
        ) { (contents, root) throws(DamaError) in
            let settings = JSON.settings(
                job: "reference", contents,
                ["model": try policy.identity(), "scores": scores.map { .string($0) } ?? .null], ReferenceOptions.table,
                options, root)
            guard let shard else { return settings }
            return .object(
                JSONObject((settings.object?.members ?? []) + [("share", .string("\(shard.index)/\(shard.count)"))]))
        } task: { (root, _, _) throws(DamaError) in
            ReferenceTask(
                policy: policy, root: root, options: options,
                scores: try options.scores.map { path throws(DamaError) in
                    try SubSentenceProbabilities.table(path: path)
                }, run: run)
        }
    }
}
