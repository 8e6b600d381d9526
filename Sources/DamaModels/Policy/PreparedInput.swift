import DamaSupport

/// A preference pair as a model takes it: token ids and images.
public struct PreparedPair: Sendable {
    public var sequence: TokenSequence
    /// The images of the sequence's placeholders, in order; empty for a text-only model.
    public var images: [PolicyImage]
    /// Whether the chosen and the rejected response were cut to fit the maximum length.
    public var cuts: [Bool]

    /// Tokens of images, prompt and both responses.
    public var tokenCount: Int { sequence.count }

    var imageKeys: [ImageKey] { images.map(\.key) }

    /// Splits the token log-probabilities of the sequence into those of its two responses.
    package func split(_ values: [Float]) -> PairLogProbabilities {
        var start = 0
        let responses = zip(sequence.responses, cuts).map { response, cut in
            defer { start += response.range.count }
            return ResponseLogProbability(tokens: Array(values[start..<start + response.range.count]), wasCut: cut)
        }
        return PairLogProbabilities(chosen: responses[0], rejected: responses[1])
    }
}

/// A prompt as a model takes it: token ids and images.
public struct PreparedPrompt: Sendable {
    var tokens: [Int32]
    /// The images of the placeholders, in order; empty for a text-only model.
    var images: [PolicyImage]
    /// The streams of the seed that the continuations draw from, one continuation for each; `nil` is one continuation,
    /// whose stream is the prompt's index in the batch.
    public var streams: [UInt64]?
}
