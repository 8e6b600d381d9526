import DamaSupport

/// Qwen2 and Qwen2.5: Llama's decoder with biases in q, k and v alone.
struct Qwen2Architecture: LlamaFamily {
    static let modelTypes = [ModelType("qwen2", className: "Qwen2ForCausalLM")]

    /// Those of transformers' Qwen2Config that are not Llama's.
    static let defaults: JSONObject = [
        "vocab_size": 151_936, "intermediate_size": 22016, "num_key_value_heads": 32, "max_position_embeddings": 32768,
    ]

    let configuration: LlamaConfiguration

    static func configuration(_ config: ConfigReader) throws(DamaError) -> LlamaConfiguration {
        var it = try LlamaConfiguration(config.filled(defaults))
        // These are part of the architecture, not fields of its config.json.
        (it.queryKeyValueBias, it.outputBias, it.feedForwardBias) = (true, false, false)
        it.window = try AttentionWindow.qwen(config, layers: it.layers)
        return it.withoutIdleWindow
    }
}
