import DamaImage
import DamaModels
import DamaPreference
import DamaRuntime
import DamaSupport
import DamaText

extension Scorer {
    /// δ of a pair whose responses were split by a ``ResponseSplitter``.
    public struct SplitHardness: Equatable, Sendable {
        public var hardness: PairHardness
        /// ``SplitResponse/flags`` of the chosen response.
        public var chosenFlags: [String]
        /// ``SplitResponse/flags`` of the rejected response.
        public var rejectedFlags: [String]
    }

    /// δ of a preference pair, with a splitter that may call another program.
    ///
    /// - Parameters:
    ///   - image: The image that both responses are about.
    ///   - chosen: The chosen response.
    ///   - rejected: The rejected response.
    ///   - deltaSource: How δ is computed from the scores.
    ///   - splitter: Cuts responses into sub-sentences of at most ``DualEncoder/tokenLimit`` tokens.
    ///   - stop: Checked by the splitter while it waits.
    ///   - run: Stops a run of this model.
    /// - Throws: ``DamaError/Code/invalidArgument`` for a response without words, or if δ is undefined;
    ///   ``DamaError/cancelled`` once `stop` or `run` requests it; errors of the splitter and of the image decoder.
    public func hardness(
        image: Image, chosen: String, rejected: String, deltaSource: Hardness.DeltaSource = .probabilities,
        splitter: any ResponseSplitter, stop: StopSignal = StopSignal(), run: RunOptions? = nil
    ) throws(DamaError) -> SplitHardness {
        let chosen = try split(chosen, "chosen", splitter, stop)
        let rejected = try split(rejected, "rejected", splitter, stop)
        let hardness = try hardness(
            image: image, chosen: chosen.subSentences, rejected: rejected.subSentences, deltaSource: deltaSource,
            run: run)
        return SplitHardness(hardness: hardness, chosenFlags: chosen.flags, rejectedFlags: rejected.flags)
    }

    func split(
        _ response: String, _ name: String, _ splitter: any ResponseSplitter, _ stop: StopSignal
    ) throws(DamaError) -> SplitResponse {
        let limit = TokenLimit(maximum: encoder.tokenLimit, count: encoder.tokenCount).heeding(stop)
        let result: SplitResponse
        do {
            result = try splitter.split(response, limit: limit, stop: stop)
        } catch {
            guard error.code != .cancelled else { throw error }
            throw DamaError(error.code, "the \(name) response cannot be split: \(error.message)")
        }
        guard !result.subSentences.isEmpty else { throw .invalidArgument("the \(name) response has no words") }
        return result
    }
}
