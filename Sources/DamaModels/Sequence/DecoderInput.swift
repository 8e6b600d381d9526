/// A sequence to score, with the image features of its placeholders.
package struct DecoderRow: Sendable {
    package var sequence: TokenSequence
    /// [placeholders, hidden]; empty without images.
    package var features: FeatureRows

    package init(_ sequence: TokenSequence, features: FeatureRows = FeatureRows()) {
        self.sequence = sequence
        self.features = features
    }
}

/// A prompt to continue.
package struct DecoderPrompt: Sendable {
    /// At least one token; ``TokenSequence/imagePlaceholder`` at the positions of image features.
    package var tokens: [Int32]
    /// [placeholders, hidden]
    package var features: FeatureRows
    /// The streams of the seed that the continuations draw from, one continuation for each; `nil` is one continuation,
    /// whose stream is the prompt's index in the batch.
    package var streams: [UInt64]?

    package init(_ tokens: [Int32], features: FeatureRows = FeatureRows(), streams: [UInt64]? = nil) {
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
