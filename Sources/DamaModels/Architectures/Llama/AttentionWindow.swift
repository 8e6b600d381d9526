import DamaSupport

/// Attention within a window of the last tokens (Beltagy et al., 2020), in some layers of a decoder.
public struct AttentionWindow: Equatable, Sendable {
    /// A token attends to itself and to the `size` − 1 tokens before it.
    public var size: Int
    /// The layers with the window, in their order; at least one.
    public var layers: [Int]

    public init(size: Int, layers: [Int]) { (self.size, self.layers) = (size, layers) }

    /// The window of layers as Qwen's configurations give it: the layers that `layer_types` names, or those from
    /// `max_window_layers` on if `use_sliding_window` is set.
    ///
    /// - Returns: `nil` if every layer attends to all tokens.
    /// - Throws: ``DamaError/Code/model`` for a list of another length, an unknown type, or a layer without a size.
    static func qwen(_ config: ConfigReader, layers count: Int) throws(DamaError) -> AttentionWindow? {
        let isOn = try config.bool("use_sliding_window", default: false)
        let size = isOn ? try size(config) : nil
        var layers: [Int] = []
        if let types = config.json["layer_types"] {
            layers = try sliding(types, config, count)
        } else if size != nil {
            let first = try config.int("max_window_layers", default: 28, in: 0...Int(Int32.max))
            layers = Array(min(first, count)..<count)
        }
        guard !layers.isEmpty else { return nil }
        guard let size else {
            throw .model(
                "\(config.place): layer_types has \"sliding_attention\", which needs use_sliding_window and a "
                    + "sliding_window")
        }
        return AttentionWindow(size: size, layers: layers)
    }

    /// `sliding_window`; `nil` for null. A missing one is that of transformers' configurations.
    static func size(_ config: ConfigReader) throws(DamaError) -> Int? {
        if config.json.object?["sliding_window"] == .null { return nil }
        return try config.int("sliding_window", default: 4096, in: 1...Int(Int32.max))
    }

    private static func sliding(_ types: JSON, _ config: ConfigReader, _ count: Int) throws(DamaError) -> [Int] {
        guard let names = types.array, names.count == count else {
            throw config.wrong("layer_types", types, "a list of \(count) names, one for each layer")
        }
        for name in names where !["full_attention", "sliding_attention"].contains(name.string) {
            throw config.wrong("layer_types", name, "\"full_attention\" or \"sliding_attention\"")
        }
        return names.indices.filter { names[$0].string == "sliding_attention" }
    }
}

extension LlamaConfiguration {
    /// The same without a window that no sequence can exceed.
    var withoutIdleWindow: LlamaConfiguration {
        var it = self
        if let window, window.size >= maximumPositions { it.window = nil }
        return it
    }
}
