import DamaGraph
import DamaSupport

/// SigLIP's two towers as graphs. Weights have the names that `SiglipModel` gives them in its files. Both towers return
/// embeddings before scaling to unit norm.
struct SiglipGraph: Sendable {
    /// Names of inputs and outputs.
    enum Port {
        /// [batch, channels, height, width]
        static let pixels = "pixel_values"
        /// [batch, width]
        static let imageEmbeddings = "image_embeds"
        /// int64 [batch, length]
        static let tokens = "tokens"
        /// [batch, width]
        static let textEmbeddings = "text_embeds"
    }

    let configuration: SiglipConfiguration

    private let kernels: GraphKernels

    init(_ configuration: SiglipConfiguration, kernels: GraphKernels = .none) {
        (self.configuration, self.kernels) = (configuration, kernels)
    }

    /// Images to embeddings.
    func vision() throws(DamaError) -> Graph {
        let g = GraphBuilder("siglip-vision", kernels: kernels)
        let vision = configuration.vision
        let size = Dimension.fixed(vision.imageSize)
        let pixels = try g.input(Port.pixels, .float32, ["batch", .fixed(vision.channels), size, size])
        let stack = SiglipVisionStack(g, vision, prefix: "vision_model.") { name, shape throws(DamaError) in
            try g.weight(name, .float32, shape)
        }
        let hidden = try stack.hiddenStates(pixels, layers: vision.tower.layers)
        try g.output(Port.imageEmbeddings, stack.pooled(stack.tower.norm(hidden, "post_layernorm")))
        return g.graph
    }

    /// Texts to embeddings. Every token attends to every other, padding included, as in training; the last one's row
    /// becomes the embedding, and the last layer computes only that row.
    func text() throws(DamaError) -> Graph {
        let g = GraphBuilder("siglip-text", kernels: kernels)
        let text = configuration.text
        let (width, last) = (text.tower.hiddenSize, text.tower.layers - 1)
        func weight(_ name: String, _ shape: [Int]) throws(DamaError) -> Value { try g.weight(name, .float32, shape) }
        let tower = CLIPTower(g, text.tower, prefix: "text_model.", weight: weight)
        let tokens = try g.input(Port.tokens, .int64, ["batch", .fixed(text.length)])
        let table = try weight("text_model.embeddings.token_embedding.weight", [text.vocabularySize, width])
        let positions = try weight("text_model.embeddings.position_embedding.weight", [text.length, width])
        var hidden = try g.add(g.gather(table, tokens), positions)
        for layer in 0..<last { hidden = try tower.layer(layer, hidden, mask: nil) }
        let row = try tower.layer(last, hidden, mask: nil) { x throws(DamaError) in
            try g.slice(x, axis: 1, from: text.length - 1)
        }
        let pooled = try tower.norm(g.reshape(row, ["batch", .fixed(width)]), "final_layer_norm")
        try g.output(Port.textEmbeddings, tower.linear(pooled, "head", width, text.projectionSize))
        return g.graph
    }
}

/// The vision tower's embeddings and layers, for SigLIP and for models that use its hidden states.
struct SiglipVisionStack {
    let g: GraphBuilder
    let configuration: SiglipVisionConfiguration
    let tower: CLIPTower

    /// - Parameter prefix: The prefix of the weights' names: "vision_model." in SigLIP's files.
    init(
        _ g: GraphBuilder, _ configuration: SiglipVisionConfiguration, prefix: String,
        weight: @escaping CLIPGraph.WeightSource
    ) {
        self.g = g
        self.configuration = configuration
        tower = CLIPTower(g, configuration.tower, prefix: prefix, weight: weight)
    }

    /// The states after `layers` layers: [batch, patches, hidden].
    ///
    /// - Parameter pixels: [batch, channels, image size, image size].
    func hiddenStates(_ pixels: Value, layers: Int) throws(DamaError) -> Value {
        let (width, patch) = (configuration.tower.hiddenSize, configuration.patchSize)
        let place = tower.prefix + "embeddings."
        var hidden = try g.scope("embeddings") { () throws(DamaError) in
            var whole = pixels
            let used = configuration.side * patch
            if used < configuration.imageSize {
                for axis in [2, 3] { whole = try g.slice(whole, axis: axis, to: used) }
            }
            let patches = try g.patchEmbedding(
                whole, tower.weight(place + "patch_embedding.weight", [width, configuration.channels, patch, patch]),
                bias: tower.weight(place + "patch_embedding.bias", [width]))
            return try g.add(
                patches, tower.weight(place + "position_embedding.weight", [configuration.patches, width]))
        }
        for layer in 0..<layers { hidden = try tower.layer(layer, hidden, mask: nil) }
        return hidden
    }

    /// The pooling head: a learned query attends to all rows, and a feed-forward layer follows.
    ///
    /// - Parameter states: [batch, patches, hidden].
    /// - Returns: [batch, hidden]
    func pooled(_ states: Value) throws(DamaError) -> Value {
        let (width, inner, heads) = (
            configuration.tower.hiddenSize, configuration.tower.intermediateSize, configuration.tower.heads
        )
        let place = tower.prefix + "head."
        return try g.scope("head") { () throws(DamaError) in
            let matrix = try tower.weight(place + "attention.in_proj_weight", [3 * width, width])
            let bias = try tower.weight(place + "attention.in_proj_bias", [3 * width])
            func project(_ x: Value, _ part: Int) throws(DamaError) -> Value {
                let (from, to) = (part * width, (part + 1) * width)
                return try g.splitHeads(
                    g.linear(
                        x, g.slice(matrix, axis: 0, from: from, to: to),
                        bias: g.slice(bias, axis: 0, from: from, to: to)),
                    heads)
            }
            let probe = try g.expand(
                tower.weight(place + "probe", [1, 1, width]), [states.shape[0], 1, .fixed(width)])
            let attended = try g.attention(project(probe, 0), project(states, 1), project(states, 2), mask: nil)
            let row = try g.reshape(g.mergeHeads(attended), [states.shape[0], .fixed(width)])
            let mixed = try tower.linear(row, "head.attention.out_proj", width, width)
            return try tower.feedForward(
                tower.norm(mixed, "head.layernorm"), "head.mlp", width, inner, residual: mixed)
        }
    }
}
