import DamaRuntime
import DamaSupport

/// What a policy needs of its language model: token log-probabilities, and a cache to generate with. May be used from
/// several threads.
///
/// A decoder that can be trained is a ``TrainableDecoder`` as well.
package protocol CausalDecoder: Sendable {
    var runtime: OnnxRuntime { get }
    var vocabularySize: Int { get }
    /// The width of a token's embedding, and of a row of image features.
    var hiddenSize: Int { get }
    /// The most tokens of prompt and response together.
    var maximumPositions: Int { get }
    /// Tokens that end a text; may be empty.
    var endTokens: [Int32] { get }
    /// Whether a row may hold several responses behind one prefix.
    var packsResponses: Bool { get }
    /// The sizes and switches that its numbers depend on, by keys that stay when the code changes.
    var identity: JSON { get }
    /// A hash of the files: other weights are another model.
    var fingerprint: String { get throws(DamaError) }

    /// log π of every response token of every row: for row r the tokens of its responses, one response after the other.
    func logProbabilities(_ rows: [DecoderRow], options: RunOptions?) throws(DamaError) -> [[Float]]

    /// An empty cache for `batch` sequences of up to `length` tokens.
    func makeCache(batch: Int, length: Int) throws(DamaError) -> any KeyValueCache
}

/// The keys and values of a batch that is being generated.
package protocol KeyValueCache: AnyObject {
    /// Takes in the prompts, padded behind to the longest; gives the logits that follow each, [batch, vocabulary].
    func start(_ prompts: [DecoderPrompt], run: RunOptions?) throws(DamaError) -> TensorValue

    /// From now on the batch is these rows of what it was, in this order; a row may come more than once.
    func keep(_ rows: [Int]) throws(DamaError)

    /// Takes in one token more for each sequence, at position `lengths[i]` of sequence i; gives what follows it.
    func step(_ tokens: [Int32], at lengths: [Int], run: RunOptions?) throws(DamaError) -> TensorValue
}
