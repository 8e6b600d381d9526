import DamaGraph
import DamaSupport

/// The Llama decoder as graphs. Weights have the names that `LlamaForCausalLM` gives them in its files.
public struct LlamaGraph: Sendable {
    public let configuration: LlamaConfiguration
    /// The kernels that the scoring graph is written with.
    public let kernels: GraphKernels

    public init(_ configuration: LlamaConfiguration, kernels: GraphKernels = .none) {
        (self.configuration, self.kernels) = (configuration, kernels)
    }

    /// The embedding table, which is also a tied LM head.
    static let embeddings = "model.embed_tokens.weight"
    static let head = "lm_head.weight"

    /// Names of inputs and outputs.
    public enum Port {
        /// [batch, sequence, hidden]
        public static let embeddings = "embeddings"
        /// int64 [batch, sequence]
        public static let positions = "positions"
        /// [positions, head size / 2]
        public static let cosine = "cosine"
        public static let sine = "sine"
        /// [batch, 1, sequence, sequence]; an input if a layer attends to all tokens
        public static let mask = "mask"
        /// [batch, 1, sequence, sequence]; an input if a layer attends within a window
        public static let windowMask = "window_mask"
        /// int64 [rows]: rows of the batch's flattened sequences
        public static let rows = "rows"
        /// int64 [batch · sequence, uses]: see `GraphBuilder.selectRows`
        public static let inverseRows = "inverse_rows"
        /// int64 [rows]
        public static let targets = "targets"
        /// [rows]
        public static let logProbabilities = "log_probabilities"
        /// [rows, vocabulary]
        public static let logits = "logits"
        /// int32 [batch]: tokens before the last one of each sequence
        public static let lastPositions = "last_positions"
        /// int32 []
        public static let totalLength = "total_length"
        public static func pastKey(_ layer: Int) -> String { "past_key.\(layer)" }
        public static func pastValue(_ layer: Int) -> String { "past_value.\(layer)" }
        public static func presentKey(_ layer: Int) -> String { "present_key.\(layer)" }
        public static func presentValue(_ layer: Int) -> String { "present_value.\(layer)" }
    }

    /// The output of a scoring graph.
    public enum Head: Sendable {
        /// log π(target) of each row.
        case logProbabilities
        /// The logits of each row.
        case logits
    }

    /// The masks that the scoring graph reads, and the window of each; `nil` for none.
    var masks: [(name: String, window: Int?)] {
        let window = configuration.window
        let isEverywhere = window?.layers.count == configuration.layers
        return (isEverywhere ? [] : [(Port.mask, nil)]) + (window.map { [(Port.windowMask, $0.size)] } ?? [])
    }

    func isWindowed(_ layer: Int) -> Bool { configuration.window?.layers.contains(layer) ?? false }

    /// The graph that scores given tokens. The masks define attention; only the requested rows reach the LM head.
    ///
    /// - Parameters:
    ///   - trainable: adds the input that differentiation needs (``Port/inverseRows``).
    ///   - blocked: what hides a key, for a graph that makes embeddings and masks itself, from the inputs of
    ///     ``InputPort``. `nil`: they are inputs.
    public func scoring(
        _ head: Head = .logProbabilities, trainable: Bool = false, blocked: Double? = nil
    ) throws(DamaError) -> Graph {
        let g = GraphBuilder("llama", kernels: kernels)
        let c = configuration
        let positions = try g.input(Port.positions, .int64, ["batch", "sequence"])
        let embeddings =
            blocked == nil
            ? try g.input(Port.embeddings, .float32, ["batch", "sequence", .fixed(c.hiddenSize)])
            : try embeddings(g, tableIsInput: false)
        let cosine = try g.input(Port.cosine, .float32, ["positions", .fixed(c.headSize / 2)])
        let sine = try g.input(Port.sine, .float32, ["positions", .fixed(c.headSize / 2)])
        var masks: [String: Value] = [:]
        if let blocked {
            for (name, mask) in try packedMasks(g, positions, blocked: blocked) { masks[name] = mask }
        } else {
            for (name, _) in self.masks {
                masks[name] = try g.input(name, .float32, ["batch", 1, "sequence", "sequence"])
            }
        }
        let rows = try g.input(Port.rows, .int64, ["rows"])

        let inverse = trainable ? try g.input(Port.inverseRows, .int64, ["tokens", "uses"]) : nil
        let selected = try decoder(
            g, embeddings,
            select: { x throws(DamaError) in
                if let inverse { return try g.selectRows(x, rows, inverse: inverse) }
                return try g.gather(x, rows)
            }
        ) { attention throws(DamaError) in
            func rotate(_ x: Value, _ heads: Int) throws(DamaError) -> Value {
                try g.rotaryHeads(x, positions: positions, cosine: cosine, sine: sine, heads: heads)
            }
            guard let mask = masks[isWindowed(attention.layer) ? Port.windowMask : Port.mask] else {
                throw .internal("layer \(attention.layer) has no mask")
            }
            return try g.causalAttention(
                rotate(attention.query, c.heads), rotate(attention.key, c.keyValueHeads),
                g.splitHeads(attention.value, c.keyValueHeads), mask: mask)
        }
        let logits = try lmHead(g, normalized(g, selected, "model.norm"))
        switch head {
        case .logits:
            try g.output(Port.logits, logits)
        case .logProbabilities:
            let targets = try g.input(Port.targets, .int64, ["rows"])
            try g.output(Port.logProbabilities, g.tokenLogProbabilities(logits, targets))
        }
        return g.graph
    }

    // MARK: Parts

    /// The inputs of an attention layer before rotary embedding, each [batch, sequence, heads · head size].
    struct Attention {
        var layer: Int
        var query: Value
        var key: Value
        var value: Value
    }

    /// All layers, without the last normalisation: [rows, hidden].
    ///
    /// - Parameter select: selects the requested rows of [tokens, width]. After the last layer's attention no row
    ///   depends on another, so the others are dropped there.
    func decoder(
        _ g: GraphBuilder, _ embeddings: Value, select: (Value) throws(DamaError) -> Value,
        attention: (Attention) throws(DamaError) -> Value
    ) throws(DamaError) -> Value {
        let c = configuration
        let (queries, keys) = (c.heads * c.headSize, c.keyValueHeads * c.headSize)
        var hidden = embeddings
        for layer in 0..<c.layers {
            hidden = try g.scope("layers.\(layer)") { () throws(DamaError) in
                let name = "model.layers.\(layer)"
                /// `x`, or in the last layer its requested rows.
                func wanted(_ x: Value, _ width: Int) throws(DamaError) -> Value {
                    layer == c.layers - 1 ? try select(g.reshape(x, ["tokens", .fixed(width)])) : x
                }
                let before = try normalized(g, hidden, "\(name).input_layernorm")
                let mixed = try g.scope("attention") { () throws(DamaError) in
                    func project(_ part: String, _ size: Int) throws(DamaError) -> Value {
                        try linear(g, before, "\(name).self_attn.\(part)", c.hiddenSize, size, c.queryKeyValueBias)
                    }
                    var (query, key) = (try project("q_proj", queries), try project("k_proj", keys))
                    if c.queryKeyNorm {
                        query = try normalizedHeads(g, query, "\(name).self_attn.q_norm")
                        key = try normalizedHeads(g, key, "\(name).self_attn.k_norm")
                    }
                    let result = try attention(
                        Attention(layer: layer, query: query, key: key, value: project("v_proj", keys)))
                    return try linear(
                        g, wanted(result, queries), "\(name).self_attn.o_proj", queries, c.hiddenSize, c.outputBias)
                }
                let middle = try g.add(wanted(hidden, c.hiddenSize), mixed)
                let after = try normalized(g, middle, "\(name).post_attention_layernorm")
                let fed = try g.scope("mlp") { () throws(DamaError) in
                    func widen(_ part: String) throws(DamaError) -> Value {
                        try linear(g, after, "\(name).mlp.\(part)", c.hiddenSize, c.intermediateSize, c.feedForwardBias)
                    }
                    let gated = try g.swiglu(widen("gate_proj"), widen("up_proj"))
                    return try linear(
                        g, gated, "\(name).mlp.down_proj", c.intermediateSize, c.hiddenSize, c.feedForwardBias)
                }
                return try g.add(middle, fed)
            }
        }
        return hidden
    }

    private func linear(
        _ g: GraphBuilder, _ x: Value, _ name: String, _ from: Int, _ to: Int, _ hasBias: Bool
    ) throws(DamaError) -> Value {
        try g.linear(
            x, g.weight("\(name).weight", .float32, [to, from]),
            bias: hasBias ? g.weight("\(name).bias", .float32, [to]) : nil)
    }

    func normalized(_ g: GraphBuilder, _ x: Value, _ name: String) throws(DamaError) -> Value {
        let width = x.shape.last?.fixed ?? configuration.hiddenSize
        return try g.rmsNorm(
            x, scale: g.weight("\(name).weight", .float32, [width]), epsilon: Float(configuration.rmsNormEpsilon))
    }

    /// [batch, sequence, heads · head size], each head normalised by itself with the same scale.
    private func normalizedHeads(_ g: GraphBuilder, _ x: Value, _ name: String) throws(DamaError) -> Value {
        let size = configuration.headSize
        let heads = (x.shape[2].fixed ?? 0) / size
        let split = try g.reshape(x, [x.shape[0], x.shape[1], .fixed(heads), .fixed(size)])
        return try g.reshape(normalized(g, split, name), x.shape)
    }

    func lmHead(_ g: GraphBuilder, _ x: Value) throws(DamaError) -> Value {
        let name = configuration.tiesEmbeddings ? Self.embeddings : Self.head
        return try g.linear(x, g.weight(name, .float32, [configuration.vocabularySize, configuration.hiddenSize]))
    }
}
