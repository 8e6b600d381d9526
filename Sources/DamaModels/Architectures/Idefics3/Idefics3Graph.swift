import DamaGraph
import DamaSupport

/// The vision part of Idefics3 and SmolVLM as a graph.
enum Idefics3Graph {
    enum Port {
        /// [batch, 3, tile, tile]
        static let pixels = "pixel_values"
        /// [batch, tokens of a tile, hidden of the text model]
        static let features = "image_features"
    }

    static let tower = "model.vision_model."
    static let connector = "model.connector.modality_projection.proj.weight"

    /// The graph: the pixels of tiles to their features.
    static func graph(_ c: Idefics3Configuration, _ kernels: GraphKernels = .none) throws(DamaError) -> Graph {
        let g = GraphBuilder("idefics3-vision", kernels: kernels)
        let side = Dimension.fixed(c.tile)
        let pixels = try g.input(Port.pixels, .float32, ["batch", .fixed(c.channels), side, side])
        let tower = CLIPTower(g, c.tower, prefix: tower) { name, shape throws(DamaError) in
            try g.weight(name, .float32, shape)
        }
        var hidden = try g.scope("embeddings") { () throws(DamaError) in try embeddings(g, tower, pixels, c) }
        for layer in 0..<c.tower.layers { hidden = try tower.layer(layer, hidden, mask: nil) }
        hidden = try tower.norm(hidden, "post_layernorm")
        let joined = try join(g, hidden, c)
        let weight = try g.weight(
            connector, .float32, [c.text.hiddenSize, c.tower.hiddenSize * c.scale * c.scale])
        try g.output(Port.features, g.linear(joined, weight))
        return g.graph
    }

    /// Patches with their positions: [batch, patches, hidden].
    private static func embeddings(
        _ g: GraphBuilder, _ tower: CLIPTower, _ pixels: Value, _ c: Idefics3Configuration
    ) throws(DamaError) -> Value {
        let (width, place) = (c.tower.hiddenSize, "\(tower.prefix)embeddings.")
        let patches = try g.patchEmbedding(
            pixels, tower.weight(place + "patch_embedding.weight", [width, c.channels, c.patchSize, c.patchSize]),
            bias: tower.weight(place + "patch_embedding.bias", [width]))
        let table = try tower.weight(
            place + "position_embedding.weight", [c.positionsPerSide * c.positionsPerSide, width])
        let along = Idefics3Configuration.positions(of: c.patchesPerSide, in: c.positionsPerSide)
        if along == Array(0..<c.positionsPerSide) { return try g.add(patches, table) }
        let positions = along.flatMap { row in along.map { row * c.positionsPerSide + $0 } }
        return try g.add(patches, g.gather(table, g.constant(positions)))
    }

    /// `scale` × `scale` neighbouring patches become one row: [batch, tokens, hidden · scale²].
    private static func join(
        _ g: GraphBuilder, _ x: Value, _ c: Idefics3Configuration
    ) throws(DamaError) -> Value {
        let (side, scale, width) = (c.patchesPerSide, c.scale, c.tower.hiddenSize)
        let (tokens, batch) = (side / scale, x.shape[0])
        let split = try g.reshape(
            x, [batch, .fixed(tokens), .fixed(scale), .fixed(tokens), .fixed(scale * width)])
        return try g.reshape(
            g.transpose(split, [0, 1, 3, 2, 4]), [batch, .fixed(tokens * tokens), .fixed(scale * scale * width)])
    }
}
