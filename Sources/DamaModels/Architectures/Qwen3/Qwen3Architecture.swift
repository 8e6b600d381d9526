import DamaSupport

/// Qwen3: Llama's decoder with RMSNorm of each head of queries and keys.
struct Qwen3Architecture: LlamaFamily {
    static let modelTypes = [ModelType("qwen3", className: "Qwen3ForCausalLM")]

    let configuration: LlamaConfiguration

    static func configuration(_ config: ConfigReader) throws(DamaError) -> LlamaConfiguration {
        var it = try LlamaConfiguration(config.filled(Qwen2Architecture.defaults).filled(["head_dim": 128]))
        it.feedForwardBias = false
        it.queryKeyNorm = true
        it.window = try AttentionWindow.qwen(config, layers: it.layers)
        return it.withoutIdleWindow
    }
}
