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
        let choice = try DecoderChoice(
            decoder.trainingGraph(), trainable, modules: decoder.adapterModules,
            embeddings: (decoder.embeddingWeight, [decoder.vocabularySize, decoder.hiddenSize]),
            fileName: decoder.fileName)
        let (graph, store) = (choice.graph, decoder.weights.store)
        var generator = RandomGenerator(seed: seed, stream: 0x10A)
        func make(_ weight: TrainedWeight) throws(DamaError) -> Parameter {
            guard weight.origin != .files else { return try Parameter(weight, of: store, placement) }
            let parameter = try Parameter(
                name: weight.name, graphName: weight.graphName, shape: weight.shape, placement: placement)
            if weight.origin == .adapterA { try Self.start(parameter, &generator) }
            return parameter
        }
        try placement.reserve(choice.all)
        var found: [Parameter] = []
        for weight in choice.weights { found.append(try make(weight)) }
        let apart = try choice.table.map(make)
        self.graph = graph
        masks = choice.adapters.filter(\.hasDropout).compactMap { graph.value(named: $0.mask) }
        table = apart ?? found.first { $0.graphName == decoder.embeddingWeight }
        graphParameters = found
        parameters = found + [apart].compactMap(\.self)
        let byName = Dictionary(found.map { ($0.graphName, $0) }) { first, _ in first }
        adapters = choice.adapters.compactMap { adapter in
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
        let weights = trainable.weights(of: graph, isProjector: encoder.isProjector)
        try placement.reserve(weights)
        var parameters: [Parameter] = []
        for weight in weights {
            parameters.append(try Parameter(weight, of: encoder.weights.store, placement))
        }
        if parameters.isEmpty { return nil }
        (self.encoder, self.graph, self.parameters) = (encoder, graph, parameters)
    }
}
