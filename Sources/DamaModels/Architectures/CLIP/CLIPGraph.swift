import DamaGraph
import DamaSupport

/// CLIP's two towers as graphs. Weights have the names that `CLIPModel` gives them in its files.
///
/// The operators are plain and differentiable: on the CPU, ONNX Runtime's fused MultiHeadAttention and Gemm were no
/// faster, and SkipLayerNormalization was slower than its parts. Matrix products near the processor's peak take nine
/// tenths of the time.
///
/// Both towers return embeddings before scaling to unit norm. The last layer computes only the row that becomes the
/// embedding: no other row affects the result.
public struct CLIPGraph: Sendable {
    /// Declares a weight of this name and shape and returns it as fp32.
    public typealias WeightSource = (_ name: String, _ shape: [Int]) throws(DamaError) -> Value

    /// Names of inputs and outputs.
    public enum Port {
        /// [batch, channels, height, width]
        public static let pixels = "pixel_values"
        /// [batch, projection]
        public static let imageEmbeddings = "image_embeds"
        /// int64 [packs, length]
        public static let tokens = "tokens"
        /// int64 [packs, length]
        public static let positions = "positions"
        /// [packs, 1, length, length]
        public static let mask = "mask"
        /// int64 [packs, ends]: rows of the flattened packs
        public static let ends = "ends"
        /// [packs, 1, ends, length]
        public static let endMask = "end_mask"
        /// [packs, ends, projection]
        public static let textEmbeddings = "text_embeds"
    }

    public let configuration: CLIPConfiguration
    /// Makes a graph's source of weights under the names of `CLIPModel`.
    private let weights: @Sendable (GraphBuilder) -> WeightSource

    private let kernels: GraphKernels

    public init(_ configuration: CLIPConfiguration, kernels: GraphKernels = .none) {
        self.init(configuration, kernels: kernels) { g in
            { name, shape throws(DamaError) in try g.weight(name, .float32, shape) }
        }
    }

    /// - Parameter weights: makes a graph's source of weights, for files with other names and shapes.
    init(
        _ configuration: CLIPConfiguration, kernels: GraphKernels,
        weights: @escaping @Sendable (GraphBuilder) -> WeightSource
    ) {
        (self.configuration, self.kernels, self.weights) = (configuration, kernels, weights)
    }

    // MARK: Towers

    /// Images to embeddings.
    public func vision() throws(DamaError) -> Graph {
        let g = GraphBuilder("clip-vision", kernels: kernels)
        let source = weights(g)
        let vision = configuration.vision
        let size = Dimension.fixed(vision.imageSize)
        let pixels = try g.input(Port.pixels, .float32, ["batch", .fixed(vision.channels), size, size])
        let stack = CLIPVisionStack(g, vision, prefix: "vision_model.", weight: source)
        let hidden = try stack.hiddenStates(pixels, layers: vision.tower.layers - 1)
        let first = try stack.tower.layer(vision.tower.layers - 1, hidden, mask: nil) { x throws(DamaError) in
            try g.slice(x, axis: 1, from: 0, to: 1)
        }
        let width = vision.tower.hiddenSize
        let pooled = try stack.tower.norm(g.reshape(first, ["batch", .fixed(width)]), "post_layernorm")
        let projection = try source("visual_projection.weight", [configuration.projectionSize, width])
        try g.output(Port.imageEmbeddings, g.linear(pooled, projection))
        return g.graph
    }

    /// Texts to embeddings, with several texts in one sequence: see ``TokenPacks``.
    public func text() throws(DamaError) -> Graph {
        let g = GraphBuilder("clip-text", kernels: kernels)
        let source = weights(g)
        let text = configuration.text
        let width = text.tower.hiddenSize
        let tokens = try g.input(Port.tokens, .int64, ["packs", "length"])
        let positions = try g.input(Port.positions, .int64, ["packs", "length"])
        let mask = try g.input(Port.mask, .float32, ["packs", 1, "length", "length"])
        let ends = try g.input(Port.ends, .int64, ["packs", "ends"])
        let endMask = try g.input(Port.endMask, .float32, ["packs", 1, "ends", "length"])

        let tokenTable = try source("text_model.embeddings.token_embedding.weight", [text.vocabularySize, width])
        let positionTable = try source("text_model.embeddings.position_embedding.weight", [text.maximumLength, width])
        var hidden = try g.add(g.gather(tokenTable, tokens), g.gather(positionTable, positions))
        let tower = CLIPTower(g, text.tower, prefix: "text_model.", weight: source)
        let last = text.tower.layers - 1
        for layer in 0..<last { hidden = try tower.layer(layer, hidden, mask: mask) }
        let rows = try tower.layer(last, hidden, mask: endMask) { x throws(DamaError) in
            try g.gather(g.reshape(x, ["tokens", .fixed(width)]), ends)
        }
        let projection = try source("text_projection.weight", [configuration.projectionSize, width])
        try g.output(Port.textEmbeddings, g.linear(tower.norm(rows, "final_layer_norm"), projection))
        return g.graph
    }
}

extension CLIPTowerConfiguration.Activation {
    fileprivate var kind: Activation {
        switch self {
        case .quickGelu: .quickGelu
        case .gelu: .gelu
        case .tanhGelu: .tanhGelu
        }
    }
}

/// The vision tower's embeddings and layers, for CLIP and for models that use its hidden states.
public struct CLIPVisionStack {
    let g: GraphBuilder
    let configuration: CLIPVisionConfiguration
    let tower: CLIPTower

    /// - Parameter prefix: The prefix of the weights' names: "vision_model." in CLIP's files.
    public init(
        _ g: GraphBuilder, _ configuration: CLIPVisionConfiguration, prefix: String,
        weight: @escaping CLIPGraph.WeightSource
    ) {
        self.g = g
        self.configuration = configuration
        tower = CLIPTower(g, configuration.tower, prefix: prefix, weight: weight)
    }

    /// The states after `layers` layers: [batch, 1 + patches, hidden], the class token first.
    ///
    /// - Parameter pixels: [batch, channels, image size, image size].
    public func hiddenStates(_ pixels: Value, layers: Int) throws(DamaError) -> Value {
        let (width, patch) = (configuration.tower.hiddenSize, configuration.patchSize)
        let place = tower.prefix + "embeddings."
        var hidden = try g.scope("embeddings") { () throws(DamaError) in
            let kernel = try tower.weight(
                place + "patch_embedding.weight", [width, configuration.channels, patch, patch])
            let patches = try g.patchEmbedding(pixels, kernel)
            let label = try g.reshape(tower.weight(place + "class_embedding", [width]), [1, 1, .fixed(width)])
            let labels = try g.expand(label, [pixels.shape[0], 1, .fixed(width)])
            let positions = try tower.weight(
                place + "position_embedding.weight", [configuration.patches + 1, width])
            return try g.add(g.concat([labels, patches], axis: 1), positions)
        }
        // The files have this misspelling.
        hidden = try tower.norm(hidden, "pre_layrnorm")
        for layer in 0..<layers { hidden = try tower.layer(layer, hidden, mask: nil) }
        return hidden
    }
}

/// A stack of pre-norm transformer layers: x + attention(norm(x)), then x + mlp(norm(x)).
struct CLIPTower {
    let g: GraphBuilder
    let configuration: CLIPTowerConfiguration
    let prefix: String
    let weight: CLIPGraph.WeightSource

    init(
        _ g: GraphBuilder, _ configuration: CLIPTowerConfiguration, prefix: String,
        weight: @escaping CLIPGraph.WeightSource
    ) {
        self.g = g
        self.configuration = configuration
        self.prefix = prefix
        self.weight = weight
    }

    func norm(_ x: Value, _ name: String) throws(DamaError) -> Value {
        let size = [configuration.hiddenSize]
        return try g.layerNorm(
            x, scale: weight("\(prefix)\(name).weight", size), bias: weight("\(prefix)\(name).bias", size),
            epsilon: configuration.epsilon)
    }

    /// One layer.
    ///
    /// - Parameters:
    ///   - x: [batch, sequence, hidden].
    ///   - mask: Added to the attention scores: [batch, 1, queries, sequence].
    ///   - select: Returns the rows that the layer outputs, [batch, queries, hidden]; all rows by default. The other
    ///     rows serve only as keys and values.
    func layer(
        _ number: Int, _ x: Value, mask: Value?, select: ((Value) throws(DamaError) -> Value)? = nil
    ) throws(DamaError) -> Value {
        let (width, inner, heads) = (configuration.hiddenSize, configuration.intermediateSize, configuration.heads)
        let name = "encoder.layers.\(number)"
        return try g.scope(name) { () throws(DamaError) in
            let states = try norm(x, "\(name).layer_norm1")
            let asking = try select?(states) ?? states
            func project(_ rows: Value, _ kind: String) throws(DamaError) -> Value {
                try linear(rows, "\(name).self_attn.\(kind)", width, width)
            }
            let attended = try g.attention(
                project(asking, "q_proj"), project(states, "k_proj"), project(states, "v_proj"), heads: heads,
                mask: mask)
            let hidden = try linear(
                attended, "\(name).self_attn.out_proj", width, width, residual: select?(x) ?? x)
            return try feedForward(
                norm(hidden, "\(name).layer_norm2"), "\(name).mlp", width, inner, residual: hidden)
        }
    }

    /// residual + fc2(activation(fc1(x)))
    func feedForward(
        _ x: Value, _ name: String, _ width: Int, _ inner: Int, residual: Value
    ) throws(DamaError) -> Value {
        let expanded = try linear(x, "\(name).fc1", width, inner, activation: configuration.activation.kind)
        return try linear(expanded, "\(name).fc2", inner, width, residual: residual)
    }

    func linear(
        _ x: Value, _ name: String, _ input: Int, _ output: Int, activation: Activation? = nil, residual: Value? = nil
    ) throws(DamaError) -> Value {
        try g.linear(
            x, weight("\(prefix)\(name).weight", [output, input]), bias: weight("\(prefix)\(name).bias", [output]),
            activation: activation, residual: residual)
    }
}
