import DamaImage
import DamaPreference
import DamaRuntime
import DamaSupport
import DamaText

extension Scorer {
    /// δ of a preference pair (Eqs. (4) to (6)): splits both responses, encodes the image once and all sub-sentences
    /// together.
    ///
    /// ```swift
    /// let hardness = try scorer.hardness(
    ///     image: .path("cat.jpg"), chosen: "A cat sleeps. It is grey.", rejected: "A dog sleeps.")
    /// print(hardness.delta, hardness.chosen.map(\.score))
    /// ```
    ///
    /// A job returns the same for the same row, up to the last bits: if it embeds sentences of other rows in the same
    /// run, the runtime adds in another order.
    ///
    /// - Parameters:
    ///   - deltaSource: computes δ from the softmax of Eq. (5), or from the ratio of scores.
    ///   - splitter: splits responses into sub-sentences of at most ``DualEncoder/tokenLimit`` tokens.
    ///   - run: options by which another thread can stop the call; see ``makeRunOptions()``.
    /// - Throws: ``DamaError/Code/invalidArgument`` for a response without words, or if δ has no value;
    ///   ``DamaError/cancelled`` if `run` was stopped; the errors of the splitter and the image decoder.
    public func hardness(
        image: Image, chosen: String, rejected: String, deltaSource: Hardness.DeltaSource = .probabilities,
        splitter: any SubSentenceSplitter = BuiltInSplitter(), run: RunOptions? = nil
    ) throws(DamaError) -> PairHardness {
        try run?.check()
        return try hardness(
            image: image, chosen: split(chosen, "chosen", splitter), rejected: split(rejected, "rejected", splitter),
            deltaSource: deltaSource, run: run)
    }

    /// The same for responses that are already split.
    ///
    /// - Parameters:
    ///   - chosen: sub-sentences of the chosen response, at least one.
    ///   - rejected: sub-sentences of the rejected response, at least one.
    public func hardness(
        image: Image, chosen: [String], rejected: [String], deltaSource: Hardness.DeltaSource = .probabilities,
        run: RunOptions? = nil
    ) throws(DamaError) -> PairHardness {
        for (name, sentences) in [("chosen", chosen), ("rejected", rejected)] where sentences.isEmpty {
            throw .invalidArgument("the \(name) response has no sub-sentences; expected at least one")
        }
        guard let embedding = try embedImages([image], run: run).first else { throw .internal("no embedding") }
        let texts = chosen + rejected
        let embedded = Array(zip(texts, try embedTexts(texts, run: run)))
        return try PairHardness(
            image: embedding, chosen: embedded.prefix(chosen.count).map { ($0, $1) },
            rejected: embedded.dropFirst(chosen.count).map { ($0, $1) }, scale: logitScale, deltaSource: deltaSource)
    }

    private func split(
        _ response: String, _ name: String, _ splitter: any SubSentenceSplitter
    ) throws(DamaError) -> [String] {
        let encoder = encoder
        let sentences: [String]
        do {
            sentences = try splitter.split(
                response, limit: TokenLimit(maximum: encoder.tokenLimit, count: encoder.tokenCount))
        } catch {
            throw DamaError(error.code, "the \(name) response cannot be split: \(error.message)")
        }
        guard !sentences.isEmpty else { throw .invalidArgument("the \(name) response has no words") }
        return sentences
    }
}
