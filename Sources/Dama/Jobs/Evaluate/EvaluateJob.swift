import DamaEvaluation
import DamaRuntime
import DamaSupport

/// Scores a model's answers to a benchmark, and computes the benchmark's metrics.
///
/// ```swift
/// let options = EvaluateOptions(
///     benchmark: "pope", responses: "responses.jsonl", data: "pope-data", output: "pope.jsonl")
/// let summary = try EvaluateJob(options).run { print($0.rowsDone) }
/// for metric in summary.values { print(metric.name, metric.value ?? .nan) }
/// ```
///
/// Streams, resumes and rejects rows as ``ScoreJob`` does. A line of the output holds a question's `id`, `pass` if the
/// benchmark has right and wrong answers, `counts`, which the metrics are made of, and what the score rests on.
public struct EvaluateJob: Sendable {
    private let options: EvaluateOptions
    private let judge: (any Judge)?

    /// - Parameters:
    ///   - options: The benchmark, its data, the answers and the output.
    ///   - judge: Asked by the benchmarks that need one; ignored by others.
    public init(_ options: EvaluateOptions, judge: (any Judge)? = nil) {
        self.options = options
        self.judge = judge
    }

    /// Runs the job to completion. Parameters and errors are those of ``ScoreJob/run(run:observer:)``, and:
    ///
    /// - Throws: ``DamaError/Code/invalidArgument`` for an unknown benchmark, data that is missing, changed or of
    ///   another version, and a benchmark whose judge is missing; ``DamaError/Code/model`` for a judge that is another
    ///   model than the one asked for, and for more questions without an answer than allowed.
    @discardableResult
    public func run(
        observer: @escaping (JobProgress) throws(DamaError) -> Void = { _ in }
    ) throws(DamaError) -> EvaluateSummary {
        try options.check()
        let open = try OpenBenchmark(options)
        let judge = try usedJudge(open)
        var rows = options.rows
        rows.converter = open.converter
        let report = EvaluateReport(
            benchmark: open.benchmark, data: options.data, runs: options.runs, maximumMissing: options.maximumMissing)
        return try RowJob(rows, report).run(observer: observer) { (contents, _) throws(DamaError) in
            .settings(
                job: "evaluate", contents,
                ["benchmark": open.identity, "judge": judge.map { .string($0.name) } ?? .null],
                EvaluateOptions.table, options, nil)
        } task: { (root, folder, state) throws(DamaError) in
            // A block's answers may cost money: those of a block that was not completed are not asked for again.
            let kept = try judge.map { judge throws(DamaError) in
                CachedJudge(judge, cache: try JudgeCache(path: folder.file("judge")))
            }
            return try EvaluateTask(open, judge: kept, runs: options.runs, root: root, stored: state)
        }
    }

    private func usedJudge(_ open: OpenBenchmark) throws(DamaError) -> (any Judge)? {
        if let maximum = open.benchmark.maximumRuns, options.runs > maximum {
            throw .invalidArgument(
                options.judgeAnswers == nil
                    ? "runs is \(options.runs); without a judge all runs would be the same"
                    : "runs is \(options.runs); the file of the judge's answers holds \(maximum)")
        }
        guard open.benchmark.needsJudge else { return nil }
        guard let judge else {
            throw .invalidArgument(
                "\(options.benchmark) needs a judge: an endpoint, a command, a local model, or a file of its answers")
        }
        return judge
    }
}
