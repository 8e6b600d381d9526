import DamaGraph
import DamaRuntime
import DamaSupport

/// A decoder with the half that training needs: the scoring graph, what its inputs and outputs mean, and how its weights
/// are called.
///
/// The outermost axis of what belongs to a pair is called ``TrainingAxis/pairs`` in the graph, of what belongs to a
/// predicted token ``TrainingAxis/rows``; a part of a batch is cut out along them.
package protocol TrainableDecoder: CausalDecoder {
    var device: Device { get }
    var weights: RuntimeWeights { get }

    /// Whether the graph gives logits, from which log-probabilities are taken on the host (``TokenLogits``); otherwise it
    /// gives log-probabilities. Training does as scoring does, so that a policy and the reference that it began as give
    /// the same bits.
    var scoresOnHost: Bool { get }

    /// The scoring graph with what differentiation needs beside it. Its output is ``trainingOutput``.
    func trainingGraph() throws(DamaError) -> Graph
    /// The graph's output: [rows, vocabulary] logits or [rows] log-probabilities.
    var trainingOutput: String { get }
    /// The graph's input of embeddings, [batch, length, hidden], whose gradient goes to the table and to the images.
    var embeddingInput: String { get }
    /// Scopes of the graph that can be computed again in the backward run instead of being kept, the layers.
    var layerScopes: [String] { get }

    /// All inputs of the graph for these rows.
    ///
    /// - Parameter table: trained embeddings in place of the files', [vocabulary, hidden].
    func trainingInputs(_ rows: [DecoderRow], table: FloatMemory?) throws(DamaError) -> [String: TensorValue]
    /// Those of the graph's inputs that number the rows of a batch of these sequences, for a part of a batch that was
    /// padded to `length`.
    func rowInputs(_ sequences: [TokenSequence], length: Int) throws(DamaError) -> [String: TensorValue]

    /// What the files call a weight of the graph.
    func fileName(_ graphName: String) -> String
    /// The embedding table as the graph calls it, whether the graph uses it (a tied head) or not.
    var embeddingWeight: String { get }
    /// Tensors that the files may hold beside the weight that they are: a tied head and the table, by their file names.
    var tensorAliases: [String: String] { get }

    /// The last parts of the names of modules that low-rank adapters can stand beside, in the order of a layer.
    var adapterModules: [String] { get }
    /// The module as PEFT finds it in the model that transformers makes of the directory.
    func peftModule(_ graphModule: String) -> String
    /// The field `target_modules` of adapter_config.json.
    func peftTargets(_ modules: [String]) -> JSON
}

/// Names of axes in graphs that are trained.
package enum TrainingAxis {
    package static let pairs = "batch"
    package static let rows = "rows"
}
