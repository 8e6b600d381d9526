/// Which evaluations to compare, and how.
public struct ComparisonOptions: Sendable {
    /// The summaries of finished evaluations, `NAME.summary.json` beside `NAME.jsonl`; at least two. Differences are to
    /// the first.
    public var summaries: [String]
    /// The folder of the benchmark's prepared data, which the metrics' formulas may depend on; `nil` for the folder that
    /// the first evaluation used.
    public var data: String?
    /// Resamples of the questions, 1 to 1,000,000.
    public var resamples = 10_000
    public var seed: UInt64 = 0
    /// The probability mass of an interval, between 0 and 1.
    public var confidence = 0.95
    /// Whether results of other data, variants, parts, prompts or judges are compared too; the comparison names them.
    public var allowsDifferent = false

    public init(summaries: [String]) { self.summaries = summaries }
}
