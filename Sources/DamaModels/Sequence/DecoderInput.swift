/// A sequence to score, with the image features that its placeholders stand for.
package struct DecoderRow: Sendable {
    package var sequence: TokenSequence
    /// [placeholders, hidden]; empty for text alone.
    package var features: [Float]

    package init(_ sequence: TokenSequence, features: [Float] = []) {
        self.sequence = sequence
        self.features = features
    }
}

/// A prompt to be continued.
package struct DecoderPrompt: Sendable {
    /// At least one; ``TokenSequence/imagePlaceholder`` where image features stand.
    package var tokens: [Int32]
    /// [placeholders, hidden]
    package var features: [Float]
    /// The stream of the seed that each continuation draws from, one continuation for each; `nil` is one, whose stream
    /// is the prompt's place in the batch.
    package var streams: [UInt64]?

    package init(_ tokens: [Int32], features: [Float] = [], streams: [UInt64]? = nil) {
        self.tokens = tokens
        self.features = features
        self.streams = streams
    }
}

/// The tokens that continue a prompt.
package struct Continuation: Equatable, Sendable {
    package var tokens: [Int32]
    package var finish: FinishReason

    package init(tokens: [Int32], finish: FinishReason) {
        self.tokens = tokens
        self.finish = finish
    }
}
