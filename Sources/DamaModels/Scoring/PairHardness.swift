import DamaPreference
import DamaSupport

/// δ of a preference pair and the scores behind it, Eqs. (4) to (6).
public struct PairHardness: Equatable, Sendable {
    /// A part of a response, scored by itself.
    public struct SubSentence: Equatable, Sendable {
        public var text: String
        /// Γ of Eq. (4): the logit scale times the cosine of image and text.
        public var score: Float
        /// P of Eq. (5): the softmax of the scores over both responses.
        public var probability: Double

        public init(text: String, score: Float, probability: Double) {
            self.text = text
            self.score = score
            self.probability = probability
        }
    }

    /// δ of Eq. (6), in [−1, 1]; or the ratio of the sums of scores, see ``Hardness/DeltaSource``.
    public var delta: Double
    /// The sub-sentences of the chosen response, in order; at least one.
    public var chosen: [SubSentence]
    /// The sub-sentences of the rejected response, in order; at least one.
    public var rejected: [SubSentence]

    public init(delta: Double, chosen: [SubSentence], rejected: [SubSentence]) {
        self.delta = delta
        self.chosen = chosen
        self.rejected = rejected
    }

    /// A sub-sentence and its embedding of unit norm.
    package typealias Embedded = (text: String, embedding: [Float])

    /// - Parameters:
    ///   - image: The image's embedding, of unit norm.
    ///   - scale: exp(logit_scale) of the model.
    /// - Throws: ``DamaError/Code/invalidArgument`` if δ has no value, as in ``Hardness``.
    package init(
        image: [Float], chosen: [Embedded], rejected: [Embedded], scale: Float, deltaSource: Hardness.DeltaSource
    ) throws(DamaError) {
        func scores(_ sentences: [Embedded]) throws(DamaError) -> [Float] {
            try Scorer.scores(images: [image], texts: sentences.map(\.embedding), scale: scale)
        }
        let (chosenScores, rejectedScores) = (try scores(chosen), try scores(rejected))
        let result = try Hardness.fromProbabilities(chosen: chosenScores, rejected: rejectedScores)
        delta =
            switch deltaSource {
            case .probabilities: result.delta
            case .scores: try Hardness.fromScores(chosen: chosenScores, rejected: rejectedScores)
            }
        self.chosen = zip(chosen, zip(chosenScores, result.chosen)).map {
            SubSentence(text: $0.text, score: $1.0, probability: $1.1)
        }
        self.rejected = zip(rejected, zip(rejectedScores, result.rejected)).map {
            SubSentence(text: $0.text, score: $1.0, probability: $1.1)
        }
    }
}
