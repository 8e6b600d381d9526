import DamaGraph
import DamaSupport

extension LlamaGraph {
    /// Names of the inputs from which a graph makes embeddings and masks.
    enum InputPort {
        /// int64 [batch, sequence]: ids; any negative number where a row of image features stands
        static let tokens = "tokens"
        /// [feature rows, hidden], at least one row
        static let features = "features"
        /// int64 [batch, sequence]: the row of a placeholder; 0 elsewhere
        static let featureRows = "feature_rows"
        /// int64 [batch, sequence]: 0 in the prefix, 1 and 2 in the responses, −1 in the padding
        static let segments = "segments"
        /// int64 [sequence]: 0, 1, 2, …
        static let places = "places"
        /// [vocabulary, hidden]: trained embeddings
        static let table = "table"
    }

    /// The graph that makes embeddings and masks on a device from a few integers for each token, so that they need not
    /// be copied there: for 4 pairs of 824 tokens at the width of a 7B model they are 65 MB.
    ///
    /// Its outputs are inputs of the scoring graph.
    ///
    /// - Parameters:
    ///   - tableIsInput: whether each run receives the embedding table, because it is trained.
    ///   - blocked: what hides a key.
    func inputs(tableIsInput: Bool, blocked: Double) throws(DamaError) -> Graph {
        let g = GraphBuilder("llama-inputs", kernels: kernels)
        try g.output(Port.embeddings, embeddings(g, tableIsInput: tableIsInput))
        let positions = try g.input(Port.positions, .int64, ["batch", "sequence"])
        for (name, mask) in try packedMasks(g, positions, blocked: blocked) { try g.output(name, mask) }
        return g.graph
    }

    /// The embeddings alone.
    func embeddings() throws(DamaError) -> Graph {
        let g = GraphBuilder("llama-embeddings", kernels: kernels)
        try g.output(Port.embeddings, embeddings(g, tableIsInput: false))
        return g.graph
    }

    /// [batch, sequence, hidden]
    func embeddings(_ g: GraphBuilder, tableIsInput: Bool) throws(DamaError) -> Value {
        let c = configuration
        let tokens = try g.input(InputPort.tokens, .int64, ["batch", "sequence"])
        let featureRows = try g.input(InputPort.featureRows, .int64, ["batch", "sequence"])
        let features = try g.input(InputPort.features, .float32, ["features", .fixed(c.hiddenSize)])
        let shape = [c.vocabularySize, c.hiddenSize]
        let table =
            tableIsInput
            ? try g.input(InputPort.table, .float32, shape.map(Dimension.fixed))
            : try g.weight(Self.embeddings, .float32, shape)
        if kernels.fused { return try g.tokenEmbeddings(table, tokens, features, featureRows) }

        // 1 and 0 as factors leave a number as it is, and need no kernel that selects.
        let zero = try g.scalar(0, .int64)
        let column: Shape = ["batch", "sequence", 1]
        let isImage = try g.cast(
            g.reshape(binary(g, "Less", tokens, zero, .bool), column), to: .float32)
        let ids = binary(g, "Max", tokens, zero, .int64)
        let words = try g.multiply(g.gather(table, ids), g.subtract(1, isImage))
        let pictures = try g.multiply(g.gather(features, featureRows), isImage)
        return try g.add(words, pictures)
    }

    /// The masks that the scoring graph reads, by their names.
    func packedMasks(
        _ g: GraphBuilder, _ positions: Value, blocked: Double
    ) throws(DamaError) -> [(name: String, mask: Value)] {
        let segments = try g.input(InputPort.segments, .int64, ["batch", "sequence"])
        guard kernels.fused else { return try plainMasks(g, segments, positions, blocked) }
        var result: [(String, Value)] = []
        for (name, window) in masks {
            result.append((name, try g.packedMask(segments, positions, window: window, hidden: blocked)))
        }
        return result
    }

    private func plainMasks(
        _ g: GraphBuilder, _ segments: Value, _ positions: Value, _ blocked: Double
    ) throws(DamaError) -> [(name: String, mask: Value)] {
        let zero = try g.scalar(0, .int64)
        let column: Shape = ["batch", "sequence", 1]
        let places = try g.input(InputPort.places, .int64, ["sequence"])
        // A key is visible if it is not later, and in the prefix or in the query's own response.
        let keys: Shape = ["batch", 1, "sequence"]
        let (rows, columns) = (try g.reshape(places, ["sequence", 1]), try g.reshape(places, [1, "sequence"]))
        let all: Shape = ["batch", "sequence", "sequence"]
        let (own, others) = (try g.reshape(segments, column), try g.reshape(segments, keys))
        let earlier = node(g, "LessOrEqual", columns, rows, .bool, ["sequence", "sequence"])
        let same = node(
            g, "Or", node(g, "Equal", others, zero, .bool, keys), node(g, "Equal", others, own, .bool, all), .bool, all)
        let visible = node(g, "And", same, earlier, .bool, all)
        var result: [(String, Value)] = []
        for (name, window) in masks {
            var seen = visible
            if let window {
                let (query, key) = (try g.reshape(positions, column), try g.reshape(positions, keys))
                let reach = node(g, "Add", key, try g.scalar(Double(window), .int64), .int64, keys)
                seen = node(g, "And", seen, node(g, "Less", query, reach, .bool, all), .bool, all)
            }
            let mask = try g.multiply(g.subtract(1, g.cast(seen, to: .float32)), blocked)
            result.append((name, try g.reshape(mask, ["batch", 1, "sequence", "sequence"])))
        }
        return result
    }

    private func binary(_ g: GraphBuilder, _ op: String, _ a: Value, _ b: Value, _ type: ElementType) -> Value {
        node(g, op, a, b, type, a.shape)
    }

    private func node(
        _ g: GraphBuilder, _ op: String, _ a: Value, _ b: Value, _ type: ElementType, _ shape: Shape
    ) -> Value {
        g.node(op, [a, b], outputs: [(type, shape)])[0]
    }
}
