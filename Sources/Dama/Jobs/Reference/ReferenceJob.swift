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

    /// Runs the job to its end. Errors as ``ScoreJob/run(observer:)``.
    @discardableResult
    public func run(
        observer: @escaping (JobProgress) throws(DamaError) -> Void = { _ in }
    ) throws(DamaError) -> LineJobSummary {
        let job = try LineJob(options.rows)
        let root = try ImageRoot(
            path: options.imageFolder, byteLimit: options.imageByteLimit, followsLinks: options.followsLinks)
        var task = ReferenceTask(policy: policy, root: root, options: options)
        return try job.run(&task, observer: observer) { contents throws(DamaError) in
            options.settings(contents: contents, identity: try policy.identity(), imageRoot: root.path)
        }
    }
}
