import DamaSupport
import Glibc

/// How the next token is chosen from its logits.
public struct SamplingOptions: Equatable, Sendable {
    /// Logits are divided by the temperature; 0 is greedy.
    public var temperature: Double
    /// Only the k largest logits take part; 0 means all.
    public var topK: Int
    /// Only the smallest set of tokens whose probabilities reach p takes part; 1 means all.
    public var topP: Double

    public static let greedy = SamplingOptions(temperature: 0, topK: 0, topP: 1)

    public init(temperature: Double = 1, topK: Int = 0, topP: Double = 1) {
        self.temperature = temperature
        self.topK = topK
        self.topP = topP
    }

    /// Checks the ranges of the fields.
    ///
    /// - Throws: ``DamaError/Code/invalidArgument`` naming the field out of range.
    public func validate() throws(DamaError) {
        guard temperature.isFinite, temperature >= 0 else {
            throw .invalidArgument("temperature is \(temperature); it must be 0 (greedy) or a positive number")
        }
        guard topK >= 0 else { throw .invalidArgument("top_k is \(topK); it must be 0 (all) or positive") }
        guard topP > 0, topP <= 1 else { throw .invalidArgument("top_p is \(topP); it must lie in (0, 1]") }
    }

    package static let noLogit = DamaError.model(
        "the model returned no finite logit; its weights or its input are damaged")

    /// Whether the choice is that of the largest logit.
    package var isGreedy: Bool { temperature == 0 }

    /// The chosen token.
    ///
    /// Filters in the usual order: temperature, top-k, top-p. The greedy choice takes the lowest id of equal logits.
    ///
    /// - Throws: ``DamaError/Code/model`` if every logit is NaN or −∞.
    package func choose(
        from logits: UnsafeBufferPointer<Float>, using generator: inout RandomGenerator
    ) throws(DamaError) -> Int {
        guard let best = Likeliest.place(in: logits) else { throw Self.noLogit }
        if temperature == 0 { return best }

        var candidates = logits.indices.filter { logits[$0] > -.infinity }
        let needsOrder = topP < 1 || (topK > 0 && topK < candidates.count)
        if needsOrder { candidates.sort { (logits[$0], $1) > (logits[$1], $0) } }
        if topK > 0, topK < candidates.count { candidates.removeSubrange(topK...) }
        let largest = Double(logits[best])
        var weights = candidates.map { exp((Double(logits[$0]) - largest) / temperature) }
        if topP < 1 {
            let total = weights.reduce(0, +)
            var sum = 0.0
            let kept = weights.firstIndex { weight in
                sum += weight
                return sum >= topP * total
            }
            if let kept { weights.removeSubrange((kept + 1)...) }
        }
        var threshold = generator.uniform() * weights.reduce(0, +)
        for (index, weight) in weights.enumerated() {
            threshold -= weight
            if threshold < 0 { return candidates[index] }
        }
        return candidates[weights.count - 1]
    }
}
