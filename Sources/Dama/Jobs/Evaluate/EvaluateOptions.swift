import DamaEvaluation
import DamaSupport

/// Options of a job that scores a model's answers to a benchmark.
public struct EvaluateOptions: RowJobSettings {
    /// The answers, the output and the options of every job over rows.
    public var rows: RowJobOptions
    /// The benchmark's name.
    public var benchmark: String
    /// The folder of the benchmark's prepared data.
    public var data: String
    /// The way to score, by the benchmark's own name for it; `nil` for its default.
    public var variant: String?
    /// The part of the benchmark to evaluate; `nil` for all.
    public var part: String?
    /// The judge's prompts: `own`, or `official` for those cut from the official script; `nil` for `own`.
    public var prompts: String?
    /// A file with a judge's answers in the official form, instead of a judge.
    public var judgeAnswers: String?
    /// How often the judge is asked; metrics then have a mean and a standard deviation.
    public var runs = 1
    /// The job fails if more questions than this have no answer; `nil` for no limit.
    public var maximumMissing: Int?

    /// - Parameters:
    ///   - benchmark: Its name, one of ``EvaluationData/benchmarks``.
    ///   - responses: The answers: JSON Lines or one JSON array, or the benchmark's official form.
    ///   - data: The folder that `dama evaluate prepare` made.
    ///   - output: The file that gets a line for each question.
    public init(benchmark: String, responses: String, data: String, output: String) {
        rows = RowJobOptions(data: responses, output: output)
        rows.blockRows = 256
        self.benchmark = benchmark
        self.data = data
    }

    /// All settings, under the names of the C ABI. Those that choose a benchmark are part of a job's identity as
    /// ``OpenBenchmark`` understood them.
    package static let table = SettingsTable<Self>(
        [
            .text("benchmark", \.benchmark, missing: "the benchmark is missing"),
            .text("data", \.data, missing: "the benchmark's data is missing"),
            .optionalText("variant", \.variant),
            .optionalText("part", \.part),
            .optionalText("prompts", \.prompts),
            .optionalText("judge_answers", \.judgeAnswers),
            .int("runs", \.runs, in: 1...1000),
            .optionalInt("max_missing", \.maximumMissing, in: 0...(.max), effect: .none),
        ]
            + RowJobOptions.table.part([
                "data": "responses", "output": "output", "block_rows": "block_rows", "row_limit": "row_limit",
                "workers": "workers", "max_rejected": "max_rejected", "restart": "restart",
            ]).lifted(\.rows))

    func check() throws(DamaError) { try Self.table.check(self) }
}
