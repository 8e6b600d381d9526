import DamaGraph
import DamaRuntime
import DamaSupport

/// A decoder with what training needs: the scoring graph, the meaning of its inputs and outputs, and the names of its
/// weights.
///
/// In the graph, the outermost axis is ``TrainingAxis/pairs`` for values of a pair and ``TrainingAxis/rows`` for values
/// of a predicted token. A part of a batch is a range of these axes.
package protocol TrainableDecoder: CausalDecoder {
    var device: Device { get }
    var weights: ModelWeights { get }

    /// Whether the graph's output is logits, from which the host computes log-probabilities (``TokenLogits``);
    /// otherwise the output is log-probabilities. Training and scoring use the same method, so that an untrained policy
    /// and its base give the same bits.
    var scoresOnHost: Bool { get }

    /// The scoring graph with the extra inputs of differentiation. Its output is ``trainingOutput``.
    func trainingGraph() throws(DamaError) -> Graph
    /// The graph's output: [rows, vocabulary] logits or [rows] log-probabilities.
    var trainingOutput: String { get }
    /// The graph's input of embeddings, [batch, length, hidden]. Its gradient flows to the table and to the images.
    var embeddingInput: String { get }
    /// The scopes of the layers, which the backward run can recompute.
    var layerScopes: [String] { get }

    /// Inputs that come from other graphs of the decoder, on its device and in its precision.
    var residentInputs: Set<String> { get }
    /// All inputs of the graph for these rows.
    ///
    /// - Parameter table: trained embeddings that replace those of the files, [vocabulary, hidden].
    func trainingInputs(_ rows: [DecoderRow], table: EmbeddingTable?) throws(DamaError) -> [String: TensorValue]
    /// The inputs of the graph that hold row numbers, for a part of a batch that was padded to `length`.
    func rowInputs(_ sequences: [TokenSequence], length: Int) throws(DamaError) -> [String: TensorValue]

    /// The name in the files of a weight of the graph.
    func fileName(_ graphName: String) -> String
    /// The name of the embedding table in the graph, which uses it only as a tied head.
    var embeddingWeight: String { get }
    /// Names in the files of tensors that duplicate another: a tied head duplicates the table.
    var tensorAliases: [String: String] { get }

    /// The last parts of the names of modules that take low-rank adapters, in the order of a layer.
    var adapterModules: [String] { get }
    /// The name of a module in transformers' model of the directory, which PEFT uses.
    func peftModule(_ graphModule: String) -> String
    /// The field `target_modules` of adapter_config.json.
    func peftTargets(_ modules: [String]) -> JSON
}

/// A trained embedding table, [vocabulary, hidden].
package enum EmbeddingTable {
    case host(FloatMemory)
    /// In the precision of the decoder's graphs, on its device.
    case device(TensorValue)
}

/// Names of axes in graphs that are trained.
package enum TrainingAxis {
    package static let pairs = "batch"
    package static let rows = "rows"
}
