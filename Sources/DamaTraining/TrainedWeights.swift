import DamaGraph
import DamaModels
import DamaSupport

/// A weight that is trained, before it has memory.
struct TrainedWeight {
    enum Origin {
        /// The files of the model.
        case files
        /// A and B of a low-rank adapter.
        case adapterA, adapterB
    }

    /// Its name in the model's files.
    var name: String
    var graphName: String
    var shape: [Int]
    var origin = Origin.files
}

/// Which weights of a decoder are trained.
struct DecoderChoice {
    /// The training graph, adapters included.
    let graph: Graph
    let adapters: [Adapter]
    /// The trained weights of the graph in their order.
    let weights: [TrainedWeight]
    /// The embedding table, if it is trained and the graph does not use it.
    let table: TrainedWeight?
    /// All of them, in the order in which they are made.
    var all: [TrainedWeight] { weights + [table].compactMap(\.self) }

    /// - Parameters:
    ///   - graph: the decoder's training graph.
    ///   - modules: the modules that take adapters.
    ///   - embeddings: the name in the graph, and the shape, of the embedding table.
    ///   - fileName: the name in the files of a weight of the graph.
    init(
        _ graph: Graph, _ trainable: Trainable, modules: [String], embeddings: (name: String, shape: [Int]),
        fileName: (String) -> String
    ) throws(DamaError) {
        var graph = graph
        var adapters: [Adapter] = []
        if case .lora(let lora) = trainable {
            adapters = try lora.adapters(in: graph, modules: modules)
            graph = try graph.adding(adapters)
        }
        let (first, second) = (Set(adapters.map(\.nameA)), Set(adapters.map(\.nameB)))
        var found: [TrainedWeight] = []
        for weight in graph.weights {
            let name = graph.name(of: weight)
            let shape = weight.shape.compactMap(\.fixed)
            if first.contains(name) || second.contains(name) {
                let origin: TrainedWeight.Origin = first.contains(name) ? .adapterA : .adapterB
                found.append(TrainedWeight(name: name, graphName: name, shape: shape, origin: origin))
            } else if trainable.selects(fileName(name), isVision: false, isProjector: false) {
                found.append(TrainedWeight(name: fileName(name), graphName: name, shape: shape))
            }
        }
        let tableName = fileName(embeddings.name)
        let isSelected = trainable.selects(tableName, isVision: false, isProjector: false)
        let isInGraph = found.contains { $0.graphName == embeddings.name }
        (self.graph, self.adapters, weights) = (graph, adapters, found)
        table =
            isSelected && !isInGraph
            ? TrainedWeight(name: tableName, graphName: embeddings.name, shape: embeddings.shape) : nil
    }
}

extension Trainable {
    /// The weights of a vision part's graph that are trained.
    func weights(of graph: Graph, isProjector: (String) -> Bool) -> [TrainedWeight] {
        // Only the decoder's projections have adapters.
        if case .lora = self { return [] }
        return graph.weights.compactMap { weight in
            let name = graph.name(of: weight)
            guard selects(name, isVision: true, isProjector: isProjector(name)) else { return nil }
            return TrainedWeight(name: name, graphName: name, shape: weight.shape.compactMap(\.fixed))
        }
    }
}
