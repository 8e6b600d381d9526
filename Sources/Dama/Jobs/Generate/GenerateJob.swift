import DamaModels
import DamaRuntime
import DamaSupport

/// Generates a policy's responses to every question of a dataset.
///
/// ```swift
/// var options = GenerateOptions(data: "questions.jsonl", output: "responses.jsonl")
/// options.samples = 5
/// options.generation.sampling = SamplingOptions(temperature: 1)
/// let summary = try GenerateJob(options, policy: policy).run { print($0.rowsDone) }
/// ```
///
/// Streams, resumes and rejects rows as ``ScoreJob`` does. A line holds `id`, `response` and `finish`
/// (``FinishReason``); with several samples it holds the lists `responses` and `finish`. The summary counts a row as
/// cut if one of its responses ended by length.
public struct GenerateJob: Sendable {
    private let options: GenerateOptions
    private let policy: Policy

    public init(_ options: GenerateOptions, policy: Policy) {
        self.options = options
        self.policy = policy
    }

    /// Runs the job to completion. Parameters and errors are those of ``ScoreJob/run(run:observer:)``.
    @discardableResult
    public func run(
        run: RunOptions? = nil, observer: @escaping (JobProgress) throws(DamaError) -> Void = { _ in }
    ) throws(DamaError) -> LineJobSummary {
        try options.check()
        return try RowJob(options.rows, LineReport<GenerateTask>()).run(observer: observer) {
            (contents, root) throws(DamaError) in
            .settings(
                job: "generate", contents, ["model": try policy.identity()], GenerateOptions.table, options, root)
        } task: { (root, _, _) in
            GenerateTask(policy: policy, root: root, options: options, run: run)
        }
    }
}
