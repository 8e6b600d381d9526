import DamaGraph
import DamaImage
import DamaSupport

/// What a model computes, from its config.json alone: neither weights nor a tokenizer are opened.
package struct ModelNetworks: Sendable {
    package let decoder: LlamaConfiguration
    /// `nil` for a text-only model.
    package let vision: VisionNetwork?
    private let names: LlamaDecoder.Names

    /// - Parameters:
    ///   - names: the names of the decoder's weights if there are no files.
    ///   - store: the files, if there are any.
    init(
        _ decoder: LlamaConfiguration, names: LlamaDecoder.Names, _ store: WeightStore?, vision: VisionNetwork? = nil
    ) throws(DamaError) {
        var (decoder, names) = (decoder, names)
        if let store {
            names = LlamaDecoder.Names.known.first { store.contains("\($0.decoder)embed_tokens.weight") } ?? names
            decoder.tiesEmbeddings = try LlamaDecoder.isTied(decoder, store, names)
        }
        (self.decoder, self.names, self.vision) = (decoder, names, vision)
    }

    /// Reads the configuration of a directory. Weights may be missing; if they are there, only their names are read.
    ///
    /// - Parameter visionTower: the directory of a vision tower that the model's directory does not hold.
    /// - Throws: ``DamaError/Code/unsupported`` for another architecture, with a list of the supported ones;
    ///   ``DamaError/Code/model`` for a wrong configuration.
    package static func read(directory: String, visionTower: String? = nil) throws(DamaError) -> ModelNetworks {
        try ModelDirectory.checkLayout(directory)
        let source = ModelSource(
            directory: directory, config: try ConfigReader(path: "\(directory)/config.json"), imageMode: .checkpoint,
            visionTower: visionTower)
        let store = WeightStore.exists(in: directory) ? try WeightStore(directory: directory) : nil
        return try Architectures.family(of: source).networks(source, store)
    }

    // MARK: The decoder

    /// The graph that training differentiates: see ``TrainableDecoder``.
    ///
    /// - Parameters:
    ///   - scoresOnHost: whether its output is logits.
    ///   - kernels: those that it is written with.
    package func trainingGraph(scoresOnHost: Bool, kernels: GraphKernels) throws(DamaError) -> Graph {
        try LlamaGraph(decoder, kernels: kernels).scoring(
            scoresOnHost ? .logits : .logProbabilities, trainable: true)
    }

    /// The outputs of the graph that makes the decoder's inputs on a device.
    package var residentInputs: Set<String> { LlamaDecoder.residentInputs(LlamaGraph(decoder)) }
    package var layerScopes: [String] { LlamaDecoder.layerScopes(decoder) }
    package func trainingOutput(scoresOnHost: Bool) -> String { LlamaDecoder.trainingOutput(scoresOnHost) }
    package var embeddingInput: String { LlamaGraph.Port.embeddings }
    package var embeddingWeight: String { LlamaGraph.embeddings }
    package var adapterModules: [String] { LlamaArchitecture.adapterModules }
    package func fileName(_ graphName: String) -> String { names.fileName(graphName) }

    /// The length to which sequences of `count` tokens are padded.
    package static func paddedLength(_ count: Int, onHost: Bool) -> Int {
        LlamaDecoder.paddedLength(count, onHost: onHost)
    }
}

/// A vision part without its weights.
package struct VisionNetwork: Sendable {
    /// The graph from prepared images to features: for training, or for features alone.
    package let graph: @Sendable (_ isTrained: Bool, GraphKernels) throws(DamaError) -> Graph
    package let output: String
    package let isProjector: @Sendable (String) -> Bool
    /// The most tokens of an image, apart from those of the vocabulary.
    package let tokens: Int
    /// The lengths of the graph's axes for a number of such images.
    package let axes: @Sendable (_ images: Int) -> [String: Int]

    /// LLaVA-1.5's.
    init(_ configuration: LlavaConfiguration, _ names: LlavaVision.Names) {
        graph = { _, kernels throws(DamaError) in try LlavaVision.graph(configuration, names, kernels) }
        output = LlavaVision.Port.features
        isProjector = { $0.hasPrefix(names.projector) }
        tokens = configuration.imageTokens
        axes = { [TrainingAxis.pairs: $0] }
    }

    /// LLaVA-1.6's, for images that take the largest grid.
    init(_ configuration: LlavaNextConfiguration, _ names: LlavaNextGraph.Names) {
        graph = { isTrained, kernels throws(DamaError) in
            try LlavaNextGraph.graph(configuration, names, kernels, trainable: isTrained)
        }
        output = LlavaVision.Port.features
        isProjector = { $0.hasPrefix(names.llava.projector) || $0 == names.newline }
        let side = configuration.llava.vision.imageSize
        let tiles = 1 + (configuration.grids.map { ($0.height / side) * ($0.width / side) }.max() ?? 0)
        let (most, patches) = (configuration.featureCounts.upperBound, tiles * configuration.llava.imageTokens)
        tokens = most
        axes = {
            [
                TrainingAxis.pairs: $0 * tiles, LlavaNextGraph.patchAxis: $0 * patches, TrainingAxis.rows: $0 * most,
                "uses": 1,
            ]
        }
    }

    /// Idefics3's, for images of `tiles` tiles.
    init(_ configuration: Idefics3Configuration, tiles: Int) {
        graph = { _, kernels throws(DamaError) in try Idefics3Graph.graph(configuration, kernels) }
        output = Idefics3Graph.Port.features
        isProjector = { $0 == Idefics3Graph.connector }
        tokens = tiles * configuration.tokensPerTile
        axes = { [TrainingAxis.pairs: $0 * tiles] }
    }
}

// MARK: - Architectures

extension LlamaFamily {
    static func networks(_ source: ModelSource, _ store: WeightStore?) throws(DamaError) -> ModelNetworks {
        try ModelNetworks(configuration(source.config), names: LlamaDecoder.Names.known[0], store)
    }
}

extension LlavaArchitecture {
    static func networks(_ source: ModelSource, _ store: WeightStore?) throws(DamaError) -> ModelNetworks {
        let configuration = try LlavaConfiguration(source.config)
        let names = try store.map { store throws(DamaError) in try LlavaVision.names(store) } ?? .published
        return try ModelNetworks(
            configuration.text, names: LlamaDecoder.Names.known[1], store, vision: VisionNetwork(configuration, names))
    }
}

extension LlavaNextArchitecture {
    static func networks(_ source: ModelSource, _ store: WeightStore?) throws(DamaError) -> ModelNetworks {
        let configuration = try LlavaNextConfiguration(source.config)
        let names =
            try store.map { store throws(DamaError) in try LlavaNextGraph.names(store) }
            ?? LlavaNextGraph.Names(llava: .published, newline: "image_newline")
        return try ModelNetworks(
            configuration.llava.text, names: LlamaDecoder.Names.known[1], store,
            vision: VisionNetwork(configuration, names))
    }
}

extension LlavaOriginalArchitecture {
    static func networks(_ source: ModelSource, _ store: WeightStore?) throws(DamaError) -> ModelNetworks {
        let vision = try LlavaConfiguration.towerConfiguration(directory: towerDirectory(source))
        let configuration = try LlavaConfiguration(original: source.config, vision: vision)
        // The tower's weights may lie in its own directory, whose names do not matter here.
        let names = LlavaVision.Names(
            tower: "\(towerPrefix)vision_model.", projector: "model.mm_projector.", layers: ("0", "2"))
        return try ModelNetworks(
            configuration.text, names: LlamaDecoder.Names.known[0], store, vision: VisionNetwork(configuration, names))
    }
}

extension Idefics3Architecture {
    static func networks(_ source: ModelSource, _ store: WeightStore?) throws(DamaError) -> ModelNetworks {
        // The processor has the size of the tiles.
        let processor = try SplitImageProcessor(directory: source.directory)
        let configuration = try Idefics3Configuration(source.config, tile: processor.tile)
        let tiles = processor.mostTilesPerSide.map { $0 * $0 + 1 } ?? PreparedImage.mostTiles
        return try ModelNetworks(
            configuration.text, names: LlamaDecoder.Names.known[3], store,
            vision: VisionNetwork(configuration, tiles: tiles))
    }
}
