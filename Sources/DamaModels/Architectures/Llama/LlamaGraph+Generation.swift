import DamaGraph
import DamaSupport

extension LlamaGraph {
    /// The graph of one generation step: the given tokens are appended to the key-value cache, and the last row of each
    /// sequence reaches the LM head.
    ///
    /// The cache has its full length from the start, [batch, key heads, length, head size] for each layer. If each
    /// `present` is bound to the memory of its `past`, nothing is copied.
    ///
    /// - Parameters:
    ///   - window: the kernel's attribute in layers with a window (``KernelWindow``); without one they attend to all
    ///     tokens.
    ///   - choosesTokens: whether the graph returns the token that greedy decoding takes instead of the logits. A fused
    ///     kernel chooses it.
    public func generation(window: Int? = nil, choosesTokens: Bool = false) throws(DamaError) -> Graph {
        let g = GraphBuilder("llama-generation")
        let c = configuration
        let embeddings = try g.input(Port.embeddings, .float32, ["batch", "sequence", .fixed(c.hiddenSize)])
        let cosine = try g.input(Port.cosine, .float32, ["positions", .fixed(c.headSize / 2)])
        let sine = try g.input(Port.sine, .float32, ["positions", .fixed(c.headSize / 2)])
        let lastPositions = try g.input(Port.lastPositions, .int32, ["batch"])
        let totalLength = try g.input(Port.totalLength, .int32, [])
        let rows = try g.input(Port.rows, .int64, ["rows"])
        let positions = rotatesInAttention ? nil : try g.input(Port.positions, .int64, ["batch", "sequence"])
        let cache: Shape = ["batch", .fixed(c.keyValueHeads), "length", .fixed(cachedHeadSize)]

        let selected = try decoder(
            g, embeddings, select: { x throws(DamaError) in try g.gather(x, rows) }
        ) { attention throws(DamaError) in
            let pastKey = try g.input(Port.pastKey(attention.layer), .float32, cache)
            let pastValue = try g.input(Port.pastValue(attention.layer), .float32, cache)
            var (query, key, value) = (attention.query, attention.key, attention.value)
            if let positions {
                query = try g.rotary(query, positions: positions, cosine: cosine, sine: sine, heads: c.heads)
                key = try g.rotary(key, positions: positions, cosine: cosine, sine: sine, heads: c.keyValueHeads)
                query = try padHeads(g, query, c.heads)
                key = try padHeads(g, key, c.keyValueHeads)
                value = try padHeads(g, value, c.keyValueHeads)
            }
            let outputs = g.node(
                "GroupQueryAttention", domain: "com.microsoft",
                [query, key, value, pastKey, pastValue, lastPositions, totalLength]
                    + (rotatesInAttention ? [cosine, sine] : []),
                outputs: [
                    (.float32, ["batch", "sequence", .fixed(c.heads * cachedHeadSize)]), (.float32, cache),
                    (.float32, cache),
                ],
                attributes: [
                    ("num_heads", .int(c.heads)), ("kv_num_heads", .int(c.keyValueHeads)),
                    ("do_rotary", .int(rotatesInAttention ? 1 : 0)),
                    ("scale", .float(1 / Float(c.headSize).squareRoot())),
                ] + (isWindowed(attention.layer) ? window.map { [("local_window_size", .int($0))] } ?? [] : []))
            try g.output(Port.presentKey(attention.layer), outputs[1])
            try g.output(Port.presentValue(attention.layer), outputs[2])
            return try unpadHeads(g, outputs[0])
        }
        let logits = try lmHead(g, normalized(g, selected, "model.norm"))
        if choosesTokens {
            try g.output(
                Port.likeliest,
                g.node("Likeliest", domain: FusedOperators.domain, [logits], outputs: [(.int64, ["rows"])])[0])
        } else {
            try g.output(Port.logits, logits)
        }
        return g.graph
    }

    /// The names of the key-value cache's inputs and outputs.
    var cachePorts: Set<String> {
        let layers = 0..<configuration.layers
        return Set(
            layers.flatMap {
                [Port.pastKey($0), Port.pastValue($0), Port.presentKey($0), Port.presentValue($0)]
            })
    }

    /// Whether the attention kernel rotates the heads. It can if their size is a multiple of 16; otherwise the graph
    /// rotates them first.
    var rotatesInAttention: Bool { configuration.headSize.isMultiple(of: 16) }

    /// The size of a head in the cache. The attention kernel needs a multiple of 8; padding zeros change no product.
    var cachedHeadSize: Int { (configuration.headSize + 7) / 8 * 8 }

    private func padHeads(_ g: GraphBuilder, _ x: Value, _ heads: Int) throws(DamaError) -> Value {
        let size = configuration.headSize
        guard cachedHeadSize > size else { return x }
        let split = try g.reshape(x, [x.shape[0], x.shape[1], .fixed(heads), .fixed(size)])
        let shape: Shape = [x.shape[0], x.shape[1], .fixed(heads), .fixed(cachedHeadSize)]
        let padded = g.node(
            "Pad", [split, g.constant([0, 0, 0, 0, 0, 0, 0, cachedHeadSize - size])], outputs: [(.float32, shape)])[0]
        return try g.reshape(padded, [x.shape[0], x.shape[1], .fixed(heads * cachedHeadSize)])
    }

    private func unpadHeads(_ g: GraphBuilder, _ x: Value) throws(DamaError) -> Value {
        let (size, heads) = (configuration.headSize, configuration.heads)
        guard cachedHeadSize > size else { return x }
        let split = try g.reshape(x, [x.shape[0], x.shape[1], .fixed(heads), .fixed(cachedHeadSize)])
        return try g.reshape(g.slice(split, axis: 3, to: size), [x.shape[0], x.shape[1], .fixed(heads * size)])
    }
}

extension LlamaGraph.Port {
    /// int64 [rows]: the token that greedy decoding takes (``StepOutput/likeliest``)
    public static let likeliest = "likeliest"
}
