import DamaGraph
import DamaImage
import DamaRuntime
import DamaSupport

/// LLaVA's vision part: vision tower, selection of rows, two-layer projector. May be used from several threads.
public final class LlavaVision: ImageFeatureEncoder {
    public let configuration: LlavaConfiguration
    package let weights: ModelWeights
    let runtime: OnnxRuntime
    let names: Names
    let kernels: GraphKernels
    private let processor: ImageProcessor
    let session: Session

    package enum Port {
        package static let pixels = "pixel_values"
        package static let features = "image_features"
    }

    /// The names of the weights in the files.
    package struct Names: Sendable {
        /// The prefix of the tower's weights.
        package var tower: String
        /// The prefix of the projector's weights.
        package var projector: String
        /// The projector's two layers, after its prefix.
        package var layers: (first: String, second: String)

        package init(
            tower: String, projector: String, layers: (first: String, second: String) = ("linear_1", "linear_2")
        ) {
            (self.tower, self.projector, self.layers) = (tower, projector, layers)
        }

        /// Those of the files on the hub.
        package static let published = Names(tower: "vision_tower.vision_model.", projector: "multi_modal_projector.")
    }

    /// Prefixes of the parts in files of different versions.
    private static let knownTowers = [
        "vision_tower.vision_model.", "vision_tower.", "model.vision_tower.vision_model.", "model.vision_tower.",
        "model.vision_tower.vision_tower.vision_model.",
    ]
    /// The last one is LLaVA's original layout.
    private static let knownProjectors = [
        ("multi_modal_projector.", ("linear_1", "linear_2")),
        ("model.multi_modal_projector.", ("linear_1", "linear_2")),
        ("model.mm_projector.", ("0", "2")),
    ]

    public init(
        _ configuration: LlavaConfiguration, _ weights: ModelWeights, _ runtime: OnnxRuntime, processor: ImageProcessor,
        device: Device = .cpu
    ) throws(DamaError) {
        let names = try Self.names(weights.store)
        var options = SessionOptions()
        options.device = device
        kernels = GraphKernels(on: device, weights.precision)
        session = try weights.session(
            Self.graph(configuration, names, kernels), named: "\(weights.store.path) (vision)", placement: .mappedFile,
            options: options, natural: device.residentFeatures(Port.features))
        self.configuration = configuration
        self.weights = weights
        self.names = names
        self.processor = processor
        self.runtime = runtime
    }

    package func prepare(_ image: RGBImage) throws(DamaError) -> PreparedImage { try processor.process(image) }
    package func expansion(of image: PreparedImage) -> [Int32] { TokenSequence.placeholders(configuration.imageTokens) }
    package var tokenCounts: ClosedRange<Int> { configuration.imageTokens...configuration.imageTokens }
    package var identity: JSON { configuration.identity }
    package var processing: JSON { processor.settings }

    /// The names of the tower's and of the projector's weights.
    package static func names(_ store: WeightStore) throws(DamaError) -> Names {
        func missing(_ known: [String]) -> DamaError {
            .model("\(store.path) has none of the tensors \(known.joined(separator: ", "))")
        }
        let towers = knownTowers.map { "\($0)embeddings.patch_embedding.weight" }
        guard let tower = zip(knownTowers, towers).first(where: { store.contains($0.1) })?.0 else {
            throw missing(towers)
        }
        let projectors = knownProjectors.map { "\($0.0)\($0.1.0).weight" }
        guard let projector = zip(knownProjectors, projectors).first(where: { store.contains($0.1) })?.0 else {
            throw missing(projectors)
        }
        return Names(tower: tower, projector: projector.0, layers: projector.1)
    }

    /// The graph: pixels [batch, 3, size, size] to features [batch, image tokens, hidden of the text model].
    package static func graph(
        _ c: LlavaConfiguration, _ names: Names, _ kernels: GraphKernels = .none
    ) throws(DamaError) -> Graph {
        let g = GraphBuilder("llava-vision", kernels: kernels)
        try g.output(Port.features, projected(g, c, names))
        return g.graph
    }

    /// The projected features of pixels, which become an input: [batch, image tokens, hidden of the text model].
    static func projected(
        _ g: GraphBuilder, _ c: LlavaConfiguration, _ names: Names
    ) throws(DamaError) -> Value {
        let source: CLIPGraph.WeightSource = { name, shape throws(DamaError) in try g.weight(name, .float32, shape) }
        let size = Dimension.fixed(c.vision.imageSize)
        let pixels = try g.input(Port.pixels, .float32, ["batch", .fixed(c.vision.channels), size, size])
        var hidden = try c.vision.hiddenStates(
            g, pixels, layers: c.visionLayers, prefix: names.tower, weight: source)
        if c.selection == .default { hidden = try g.slice(hidden, axis: 1, from: 1) }
        func linear(
            _ x: Value, _ name: String, _ from: Int, _ activation: Activation? = nil
        ) throws(DamaError) -> Value {
            try g.linear(
                x, source("\(names.projector)\(name).weight", [c.text.hiddenSize, from]),
                bias: c.projectorBias ? source("\(names.projector)\(name).bias", [c.text.hiddenSize]) : nil,
                activation: activation)
        }
        let inner = try linear(hidden, names.layers.first, c.vision.tower.hiddenSize, .gelu)
        return try linear(inner, names.layers.second, c.text.hiddenSize)
    }

    /// The features of images, [image tokens, hidden of the text model] each.
    ///
    /// - Throws: ``DamaError/Code/shapeMismatch`` for an image whose size is not the tower's.
    package func features(_ images: [PreparedImage], options: RunOptions? = nil) throws(DamaError) -> [FeatureRows] {
        try PreparedImage.require(images, size: configuration.vision.imageSize)
        var features: [FeatureRows] = []
        let batch = session.device.imageBatch
        for start in stride(from: 0, to: images.count, by: batch) {
            let pixels = try TensorValue.pixels(
                runtime, images[start..<min(start + batch, images.count)], for: session.device)
            let output = try session.features([Port.pixels: pixels], Port.features, options)
            for image in 0..<pixels.shape[0] { features.append(FeatureRows([try output.part(image..<image + 1)])) }
        }
        return features
    }
}

extension PreparedImage {
    /// - Throws: ``DamaError/Code/shapeMismatch`` for an image that is not a square of this size.
    static func require(_ images: [PreparedImage], size: Int) throws(DamaError) {
        for image in images where image.width != size || image.height != size {
            throw .shapeMismatch(
                "the image was prepared as \(image.width) × \(image.height); the vision tower takes \(size) × \(size); "
                    + "see preprocessor_config.json")
        }
    }
}

extension Device {
    /// The images, or tiles, of one run of a vision tower: larger batches are no faster and take more memory.
    package var imageBatch: Int { self == .cpu ? 4 : 8 }
}
