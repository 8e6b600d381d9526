import DamaGraph
import DamaModels
import DamaSupport

/// The matrices of a low-rank adapter, and the name of its module in the graph.
struct AdapterParameters {
    var module: String
    var a: Parameter
    var b: Parameter
}

/// The trained weights of a decoder.
struct DecoderSelection {
    /// The training graph, adapters included.
    let graph: Graph
    /// The weights of the graph in their order, then the embedding table if the graph does not use it.
    let parameters: [Parameter]
    /// The ``parameters`` that are weights of the graph.
    let graphParameters: [Parameter]
    /// The embedding table, if it is trained. Lookup happens on the host.
    let table: Parameter?
    let adapters: [AdapterParameters]
    /// The masks of dropout, which the graph takes.
    let masks: [Value]

    /// Whether the table is also a weight of the graph. The graph then computes a part of its gradient.
    var isTableInGraph: Bool { graphParameters.contains { $0 === table } }

    /// - Parameter seed: the seed of the adapters' initial values.
    init(
        _ decoder: any TrainableDecoder, _ trainable: Trainable, seed: UInt64, placement: ParameterPlacement
    ) throws(DamaError) {
        var graph = try decoder.trainingGraph()
        var adapters: [Adapter] = []
        if case .lora(let lora) = trainable {
            adapters = try lora.adapters(in: graph, modules: decoder.adapterModules)
            graph = try graph.adding(adapters)
        }
        let store = decoder.weights.store
        let (first, second) = (Set(adapters.map(\.nameA)), Set(adapters.map(\.nameB)))
        var generator = RandomGenerator(seed: seed, stream: 0x10A)
        var found: [Parameter] = []
        for weight in graph.weights {
            let name = graph.name(of: weight)
            let shape = weight.shape.compactMap(\.fixed)
            if first.contains(name) || second.contains(name) {
                let parameter = try Parameter(name: name, graphName: name, shape: shape, placement: placement)
                if first.contains(name) { try Self.start(parameter, &generator) }
                found.append(parameter)
            } else if trainable.selects(decoder.fileName(name), isVision: false, isProjector: false) {
                found.append(
                    try Parameter(
                        decoder.fileName(name), graphName: name, shape: shape, of: store, placement: placement))
            }
        }
        var table = found.first { $0.graphName == decoder.embeddingWeight }
        let tableName = decoder.fileName(decoder.embeddingWeight)
        let isInGraph = table != nil
        if !isInGraph, trainable.selects(tableName, isVision: false, isProjector: false) {
            table = try Parameter(
                tableName, graphName: decoder.embeddingWeight, shape: [decoder.vocabularySize, decoder.hiddenSize],
                of: store, placement: placement)
        }
        self.graph = graph
        masks = adapters.filter(\.hasDropout).compactMap { graph.value(named: $0.mask) }
        self.table = table
        graphParameters = found
        parameters = found + (isInGraph ? [] : [table].compactMap(\.self))
        let byName = Dictionary(found.map { ($0.graphName, $0) }) { first, _ in first }
        self.adapters = adapters.compactMap { adapter in
            guard let a = byName[adapter.nameA], let b = byName[adapter.nameB] else { return nil }
            return AdapterParameters(module: adapter.module, a: a, b: b)
        }
    }

    /// Initialises A as PEFT does, uniform within ±1/√in. B starts at zero, so that training starts at the base model.
    private static func start(_ a: Parameter, _ generator: inout RandomGenerator) throws(DamaError) {
        let bound = 1 / Double(a.shape[1]).squareRoot()
        try a.set { elements in
            for index in elements.indices { elements[index] = Float((2 * generator.uniform() - 1) * bound) }
        }
    }
}

/// The trained weights of a vision part.
struct VisionSelection {
    let encoder: any TrainableImageEncoder
    let graph: Graph
    let parameters: [Parameter]

    /// `nil` if nothing is selected.
    init?(
        _ encoder: any TrainableImageEncoder, _ trainable: Trainable, _ placement: ParameterPlacement
    ) throws(DamaError) {
        let graph = try encoder.trainingGraph()
        var parameters: [Parameter] = []
        for weight in graph.weights {
            let name = graph.name(of: weight)
            guard trainable.selects(name, isVision: true, isProjector: encoder.isProjector(name)) else { continue }
            parameters.append(
                try Parameter(
                    name, graphName: name, shape: weight.shape.compactMap(\.fixed), of: encoder.weights.store,
                    placement: placement))
        }
        if parameters.isEmpty { return nil }
        (self.encoder, self.graph, self.parameters) = (encoder, graph, parameters)
    }
}
