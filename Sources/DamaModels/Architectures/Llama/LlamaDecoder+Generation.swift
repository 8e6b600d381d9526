import DamaRuntime
import DamaSupport

extension LlamaDecoder {
    /// A prompt to be continued.
    public struct Prompt: Sendable {
        /// At least one; ``TokenSequence/imagePlaceholder`` where image features stand.
        public var tokens: [Int32]
        /// [placeholders, hidden]
        public var features: [Float]
        /// The stream of the seed that each continuation draws from, one continuation for each; `nil` is one, whose stream
        /// is the prompt's place in the batch.
        public var streams: [UInt64]?

        public init(_ tokens: [Int32], features: [Float] = [], streams: [UInt64]? = nil) {
            self.tokens = tokens
            self.features = features
            self.streams = streams
        }
    }

    /// The tokens that continue a prompt.
    public struct Continuation: Equatable, Sendable {
        public var tokens: [Int32]
        public var finish: FinishReason
    }

    public func makeCache(batch: Int, length: Int) throws(DamaError) -> any KeyValueCache {
        try LlamaKeyValueCache(self, batch: batch, length: length)
    }
}
