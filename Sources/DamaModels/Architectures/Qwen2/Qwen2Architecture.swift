import DamaSupport

/// Qwen2 and Qwen2.5: Llama's decoder with biases in q, k and v alone.
struct Qwen2Architecture: LlamaFamily {
    static let modelTypes = [ModelType("qwen2", className: "Qwen2ForCausalLM")]

    let configuration: LlamaConfiguration

    static func read(_ source: ModelSource) throws(DamaError) -> any Architecture {
        Qwen2Architecture(configuration: try LlamaConfiguration(qwen2: source.config))
    }
}

extension LlamaConfiguration {
    /// Reads config.json of a `Qwen2ForCausalLM`.
    ///
    /// - Throws: ``DamaError/Code/unsupported`` if a layer attends within a sliding window; otherwise as `init(_:)`.
    init(qwen2 config: ConfigReader) throws(DamaError) {
        // Those of transformers' Qwen2Config that are not Llama's.
        let defaults: JSONObject = [
            "vocab_size": 151_936, "intermediate_size": 22016, "num_key_value_heads": 32,
            "max_position_embeddings": 32768,
        ]
        let given = config.json.object?.members ?? []
        try self.init(ConfigReader(.object(JSONObject(defaults.members + given)), place: config.place))
        // These are part of the architecture, not fields of its config.json.
        (queryKeyValueBias, outputBias, feedForwardBias) = (true, false, false)
        if let field = try Self.slidingWindow(config, layers: layers) {
            throw .unsupported(
                "\(config.place): \(field) asks for attention within a sliding window; supported is full attention")
        }
    }

    /// The field by which a layer attends within a sliding window, as Qwen2Config decides it; `nil` if none does.
    private static func slidingWindow(_ config: ConfigReader, layers: Int) throws(DamaError) -> String? {
        if let types = config.json["layer_types"] {
            guard let names = types.array else { throw config.wrong("layer_types", types, "a list of names") }
            return names.allSatisfy { $0.string == "full_attention" } ? nil : "layer_types"
        }
        guard try config.bool("use_sliding_window", default: false), config.json.object?["sliding_window"] != .null
        else {
            return nil
        }
        let first = try config.int("max_window_layers", default: 28, in: 0...Int(Int32.max))
        return first < layers ? "use_sliding_window" : nil
    }
}
