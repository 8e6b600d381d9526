/// The chosen response's negative log-likelihood beside the preference loss, as TRL's `rpo_alpha` and its loss `sft`:
///
///     L = L_pref + w · L_sft,    L_sft = −Σ log π(y_w | I, x) / T
///
/// over the kept pairs, where T is the number of tokens of their chosen responses: the mean over tokens, not over pairs.
/// A pair that the filter leaves out takes no part in it, as in the preference loss.
struct SupervisedTerm {
    /// L_sft, in nats per token; NaN if no pair is kept.
    let loss: Double
    /// w · L_sft; 0 for w = 0, also if L_sft is not finite.
    let weighted: Double
    /// ∂(w · L_sft)/∂log π(y_w) of every kept pair: −w / T.
    private let gradient: Double
    private let mask: [Bool]

    /// - Parameters:
    ///   - weight: w ≥ 0.
    ///   - pairs: the whole batch.
    ///   - mask: which pairs are kept.
    init(weight: Double, _ pairs: [PairSums], mask: [Bool]) {
        var (sum, tokens) = (0.0, 0)
        for (pair, isKept) in zip(pairs, mask) where isKept {
            sum += pair.chosen
            tokens += pair.chosenCount
        }
        loss = tokens > 0 ? -sum / Double(tokens) : .nan
        weighted = weight == 0 ? 0 : weight * loss
        gradient = weight == 0 || tokens == 0 ? 0 : -weight / Double(tokens)
        self.mask = mask
    }

    /// The preference loss's ∂L/∂log π(y_w) with this term's.
    func added(to chosen: [Double]) -> [Double] {
        gradient == 0 ? chosen : zip(chosen, mask).map { $1 ? $0 + gradient : $0 }
    }
}
