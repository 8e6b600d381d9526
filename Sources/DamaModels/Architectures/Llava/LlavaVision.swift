import DamaGraph
import DamaImage
import DamaRuntime
import DamaSupport

/// LLaVA's vision part: vision tower, selection of rows, two-layer projector. May be used from several threads.
public final class LlavaVision: ImageFeatureEncoder {
    public let configuration: LlavaConfiguration
    package let weights: ModelWeights
    let runtime: OnnxRuntime
    let prefixes: (tower: String, projector: String)
    private let processor: ImageProcessor
    private let session: Session

    package enum Port {
        package static let pixels = "pixel_values"
        package static let features = "image_features"
    }

    /// Prefixes of the parts in files of different versions.
    private static let knownTowers = [
        "vision_tower.vision_model.", "vision_tower.", "model.vision_tower.vision_model.", "model.vision_tower.",
    ]
    private static let knownProjectors = ["multi_modal_projector.", "model.multi_modal_projector."]

    public init(
        _ configuration: LlavaConfiguration, _ weights: ModelWeights, _ runtime: OnnxRuntime, processor: ImageProcessor,
        device: Device = .cpu
    ) throws(DamaError) {
        let prefixes = try Self.prefixes(weights.store)
        var options = SessionOptions()
        options.device = device
        let graph = try Self.graph(configuration, prefixes)
        session = try weights.session(
            graph, named: "\(weights.store.path) (vision)", placement: .mappedFile, options: options)
        self.configuration = configuration
        self.weights = weights
        self.prefixes = prefixes
        self.processor = processor
        self.runtime = runtime
    }

    package func prepare(_ image: RGBImage) throws(DamaError) -> PreparedImage { try processor.process(image) }
    package func expansion(of image: PreparedImage) -> [Int32] { TokenSequence.placeholders(configuration.imageTokens) }
    package var tokenCounts: ClosedRange<Int> { configuration.imageTokens...configuration.imageTokens }
    package var identity: JSON { configuration.identity }
    package var processing: JSON { processor.settings }

    /// The prefixes of the tower's and of the projector's weights.
    package static func prefixes(_ store: WeightStore) throws(DamaError) -> (tower: String, projector: String) {
        func prefix(_ known: [String], _ name: String) throws(DamaError) -> String {
            if let prefix = known.first(where: { store.contains($0 + name) }) { return prefix }
            throw .model("\(store.path) has none of the tensors \(known.map { $0 + name }.joined(separator: ", "))")
        }
        return (
            try prefix(knownTowers, "embeddings.class_embedding"), try prefix(knownProjectors, "linear_1.weight")
        )
    }

    /// The graph: pixels [batch, 3, size, size] to features [batch, image tokens, hidden of the text model].
    package static func graph(
        _ c: LlavaConfiguration, _ prefixes: (tower: String, projector: String)
    ) throws(DamaError) -> Graph {
        let g = GraphBuilder("llava-vision")
        try g.output(Port.features, projected(g, c, prefixes))
        return g.graph
    }

    /// The projected features of pixels, which become an input: [batch, image tokens, hidden of the text model].
    static func projected(
        _ g: GraphBuilder, _ c: LlavaConfiguration, _ prefixes: (tower: String, projector: String)
    ) throws(DamaError) -> Value {
        let source: CLIPGraph.WeightSource = { name, shape throws(DamaError) in try g.weight(name, .float32, shape) }
        let size = Dimension.fixed(c.vision.imageSize)
        let pixels = try g.input(Port.pixels, .float32, ["batch", .fixed(c.vision.channels), size, size])
        let stack = CLIPVisionStack(g, c.vision, prefix: prefixes.tower, weight: source)
        var hidden = try stack.hiddenStates(pixels, layers: c.visionLayers)
        if c.selection == .default { hidden = try g.slice(hidden, axis: 1, from: 1) }
        func linear(_ x: Value, _ name: String, _ from: Int) throws(DamaError) -> Value {
            try g.linear(
                x, source("\(prefixes.projector)\(name).weight", [c.text.hiddenSize, from]),
                bias: c.projectorBias ? source("\(prefixes.projector)\(name).bias", [c.text.hiddenSize]) : nil)
        }
        let inner = try g.gelu(linear(hidden, "linear_1", c.vision.tower.hiddenSize))
        return try linear(inner, "linear_2", c.text.hiddenSize)
    }

    /// The features of images, [image tokens, hidden of the text model] each.
    ///
    /// - Throws: ``DamaError/Code/shapeMismatch`` for an image whose size is not the tower's.
    package func features(_ images: [PreparedImage], options: RunOptions? = nil) throws(DamaError) -> [[Float]] {
        try PreparedImage.require(images, size: configuration.vision.imageSize)
        var features: [[Float]] = []
        let rowSize = configuration.imageTokens * configuration.text.hiddenSize
        // Larger batches are no faster and take more memory.
        for start in stride(from: 0, to: images.count, by: 4) {
            let pixels = try TensorValue.pixels(runtime, images[start..<min(start + 4, images.count)])
            let output = try session.run([Port.pixels: pixels], outputs: [Port.features], options: options)[0]
            try output.withElements(of: Float.self) { all in
                for first in stride(from: 0, to: all.count, by: rowSize) {
                    features.append(Array(all[first..<first + rowSize]))
                }
            }
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
