import DamaSupport
import Glibc

/// Data hardness: how far apart the CLIP scores of a pair's responses are (DAMA, section 3.2 of the paper).
public enum Hardness {
    /// The probabilities of Eq. (5) and the difference of Eq. (6).
    public struct Result: Equatable, Sendable {
        /// P_w, one for each score of the chosen response.
        public var chosen: [Double]
        /// P_l, one for each score of the rejected response.
        public var rejected: [Double]
        /// δ = ΣP_w − ΣP_l, in [−1, 1].
        public var delta: Double
    }

    /// What δ is computed from.
    public enum DeltaSource: String, CaseIterable, Sendable {
        /// One softmax over all scores, Eqs. (5) and (6).
        case probabilities
        /// The ratio of the sums of scores, an ablation of the paper's Table 2.
        case scores
    }

    /// δ from probabilities, Eqs. (5) and (6): one softmax over all scores of the pair, then split and subtracted.
    ///
    /// Exact for finite logits of any size: the largest is subtracted before the exponential.
    ///
    /// - Parameters:
    ///   - chosen: C_w, CLIP logits (scale · cosine) of the chosen response's sub-sentences, [p], p ≥ 1.
    ///   - rejected: C_l, the same for the rejected response, [q], q ≥ 1.
    /// - Throws: ``DamaError/Code/invalidArgument`` for an empty list or a score that is not finite.
    public static func fromProbabilities(chosen: [Float], rejected: [Float]) throws(DamaError) -> Result {
        try check(chosen, "chosen")
        try check(rejected, "rejected")
        let largest = Double(max(chosen.max()!, rejected.max()!))
        var chosenWeights = chosen.map { exp(Double($0) - largest) }
        var rejectedWeights = rejected.map { exp(Double($0) - largest) }
        let chosenSum = chosenWeights.reduce(0, +)
        let rejectedSum = rejectedWeights.reduce(0, +)
        let total = chosenSum + rejectedSum
        for index in chosenWeights.indices { chosenWeights[index] /= total }
        for index in rejectedWeights.indices { rejectedWeights[index] /= total }
        let delta = ((chosenSum - rejectedSum) / total).clamped(to: -1...1)
        return Result(chosen: chosenWeights, rejected: rejectedWeights, delta: delta)
    }

    /// δ from scores, the ablation of Table 2: ΣC_w / ΣC_l.
    ///
    /// - Throws: ``DamaError/Code/invalidArgument`` as ``fromProbabilities(chosen:rejected:)``, and if the scores of
    ///   the rejected response add up to zero.
    public static func fromScores(chosen: [Float], rejected: [Float]) throws(DamaError) -> Double {
        try check(chosen, "chosen")
        try check(rejected, "rejected")
        let denominator = rejected.reduce(0) { $0 + Double($1) }
        guard denominator != 0 else {
            throw .invalidArgument(
                "scores of the rejected response add up to 0, so their ratio has no value; use probabilities")
        }
        return chosen.reduce(0) { $0 + Double($1) } / denominator
    }

    /// α_D = σ(δ) / σ(δ̄), Eq. (7).
    ///
    /// - Parameters:
    ///   - delta: δ of the pair.
    ///   - meanDelta: δ̄, the mean of δ over the dataset.
    public static func alphaData(delta: Double, meanDelta: Double) -> Double {
        sigmoid(delta) / sigmoid(meanDelta)
    }

    private static func check(_ scores: [Float], _ name: String) throws(DamaError) {
        guard !scores.isEmpty else {
            throw .invalidArgument("\(name) scores are empty; a response has at least one sub-sentence")
        }
        guard let bad = scores.firstIndex(where: { !$0.isFinite }) else { return }
        throw .invalidArgument("\(name) score \(bad) is \(scores[bad]); scores must be finite")
    }
}

extension Comparable {
    @inlinable
    public func clamped(to range: ClosedRange<Self>) -> Self { min(max(self, range.lowerBound), range.upperBound) }
}
