import DamaRuntime
import DamaSupport

/// What a policy needs of its language model: token log-probabilities, and a cache to generate with. May be used from
/// several threads.
public protocol CausalDecoder: Sendable {
    var configuration: LlamaConfiguration { get }
    var runtime: OnnxRuntime { get }
    /// Of everything that the files hold: another one is another model.
    var fingerprint: String { get throws(DamaError) }
    /// Whether a row may hold several responses behind one prefix.
    var packsResponses: Bool { get }

    /// log π of every response token of every row: for row r the tokens of its responses, one response after the other.
    func logProbabilities(_ rows: [LlamaDecoder.Row], options: RunOptions?) throws(DamaError) -> [[Float]]

    /// An empty cache for `batch` sequences of up to `length` tokens.
    func makeCache(batch: Int, length: Int) throws(DamaError) -> any KeyValueCache
}

/// The keys and values of a batch that is being generated.
public protocol KeyValueCache: AnyObject {
    /// Takes in the prompts, padded behind to the longest; gives the logits that follow each, [batch, vocabulary].
    func start(_ prompts: [LlamaDecoder.Prompt], run: RunOptions?) throws(DamaError) -> TensorValue

    /// From now on the batch is these rows of what it was, in this order; a row may come more than once.
    func keep(_ rows: [Int]) throws(DamaError)

    /// Takes in one token more for each sequence, at position `lengths[i]` of sequence i; gives what follows it.
    func step(_ tokens: [Int32], at lengths: [Int], run: RunOptions?) throws(DamaError) -> TensorValue
}
