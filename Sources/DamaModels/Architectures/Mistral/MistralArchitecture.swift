import DamaSupport

/// Mistral: Llama's decoder without biases, in some versions with attention within a window.
struct MistralArchitecture: LlamaFamily {
    static let modelTypes = [ModelType("mistral", className: "MistralForCausalLM")]

    let configuration: LlamaConfiguration

    static func configuration(_ config: ConfigReader) throws(DamaError) -> LlamaConfiguration {
        // Those of transformers' MistralConfig that are not Llama's.
        var it = try LlamaConfiguration(
            config.filled([
                "intermediate_size": 14336, "num_key_value_heads": 8, "max_position_embeddings": 131_072,
            ]))
        // The architecture has none, whatever config.json says.
        (it.queryKeyValueBias, it.outputBias, it.feedForwardBias) = (false, false, false)
        it.window = try AttentionWindow.size(config).map { AttentionWindow(size: $0, layers: Array(0..<it.layers)) }
        return it.withoutIdleWindow
    }
}
