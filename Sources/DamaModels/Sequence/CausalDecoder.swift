import DamaRuntime
import DamaSupport

/// A language model as a policy uses it: token log-probabilities, and a cache for generation. May be used from several
/// threads.
///
/// A decoder that can be trained is also a ``TrainableDecoder``.
package protocol CausalDecoder: Sendable {
    var runtime: OnnxRuntime { get }
    var vocabularySize: Int { get }
    /// The width of a token's embedding, and of a row of image features.
    var hiddenSize: Int { get }
    /// The most tokens of prompt and response together.
    var maximumPositions: Int { get }
    /// Tokens that end a text; may be empty.
    var endTokens: [Int32] { get }
    /// Whether a row may hold several responses after one prefix.
    var packsResponses: Bool { get }
    /// The settings that its results depend on, under keys that never change.
    var identity: JSON { get }
    /// A hash of the weights.
    var fingerprint: String { get throws(DamaError) }
    /// What it computes in; float32 if its files decide.
    var precision: Precision { get }

    /// log π of every response token of each row, one response after the other.
    func logProbabilities(_ rows: [DecoderRow], options: RunOptions?) throws(DamaError) -> [[Float]]

    /// Whether its caches can choose tokens (``StepOutput/likeliest``). By default they return logits only.
    var choosesTokens: Bool { get }

    /// An empty cache for `batch` sequences of up to `length` tokens.
    ///
    /// - Parameter output: ``StepOutput/likeliest`` only if ``choosesTokens``.
    func makeCache(batch: Int, length: Int, output: StepOutput) throws(DamaError) -> any KeyValueCache
}

extension CausalDecoder {
    package var precision: Precision { .float32 }
    package var choosesTokens: Bool { false }
}

/// What a step of a cache returns. A tensor of an earlier step may be overwritten by the next one.
package enum StepOutput: Sendable {
    /// [batch, vocabulary] float32
    case logits
    /// [batch] int64: the first token of the largest logit, where NaN counts as −∞; −1 if none is above −∞.
    case likeliest
}

/// The keys and values of a batch during generation.
package protocol KeyValueCache: AnyObject {
    /// Processes the prompts, padded at the end to the longest. Returns the output after each.
    func start(_ prompts: [DecoderPrompt], run: RunOptions?) throws(DamaError) -> TensorValue

    /// Replaces the batch with these of its rows, in this order; a row may occur more than once.
    func keep(_ rows: [Int]) throws(DamaError)

    /// Copies tokens between rows of sequences that are equal before these tokens, and of equal length.
    func copy(_ copies: [CacheCopy]) throws(DamaError)

    /// Processes one more token of each sequence, at position `lengths[i]` of sequence i. Returns the output after
    /// it.
    func step(_ tokens: [Int32], at lengths: [Int], run: RunOptions?) throws(DamaError) -> TensorValue
}

/// Tokens that a row of a cache takes from another row.
package struct CacheCopy: Equatable, Sendable {
    /// Copies read the rows as they were before all copies of the call.
    package var source: Int
    package var target: Int
    /// Positions of the sequence; they end where the sequence does.
    package var positions: Range<Int>
}
