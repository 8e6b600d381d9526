/// log π(y | I, x) of one response.
public struct ResponseLogProbability: Equatable, Sendable {
    /// log π of each response token, including the end token; empty if only ``sum`` and ``count`` are known.
    public var tokens: [Float]
    /// Whether the response's end was cut off to fit the maximum length.
    public var wasCut: Bool
    private var totals: Totals?

    private struct Totals: Equatable, Sendable {
        var sum: Double
        var count: Int
    }

    public init(tokens: [Float], wasCut: Bool = false) {
        self.tokens = tokens
        self.wasCut = wasCut
    }

    /// A response of which only sum and count are known.
    public init(sum: Double, count: Int) {
        tokens = []
        wasCut = false
        totals = Totals(sum: sum, count: count)
    }

    /// The number of response tokens.
    public var count: Int { totals?.count ?? tokens.count }
    /// log π of the whole response, which DPO compares.
    public var sum: Double { totals?.sum ?? tokens.reduce(0) { $0 + Double($1) } }
    /// log π per token; 0 for a response without tokens.
    public var mean: Double { count == 0 ? 0 : sum / Double(count) }
}

/// Both responses' log-probabilities of a pair.
public struct PairLogProbabilities: Equatable, Sendable {
    public var chosen: ResponseLogProbability
    public var rejected: ResponseLogProbability

    public init(chosen: ResponseLogProbability, rejected: ResponseLogProbability) {
        self.chosen = chosen
        self.rejected = rejected
    }
}
