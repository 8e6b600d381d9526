import DamaSupport

/// Llama 2 and 3, Vicuna, TinyLlama, SmolLM2.
struct LlamaArchitecture: LlamaFamily {
    static let modelTypes = [ModelType("llama", className: "LlamaForCausalLM")]
    static let adapterModules = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]

    let configuration: LlamaConfiguration

    static func configuration(_ config: ConfigReader) throws(DamaError) -> LlamaConfiguration {
        try LlamaConfiguration(config)
    }
}

extension OnnxDecoderConfiguration {
    /// The same sizes for a Llama in ONNX files.
    init(_ llama: LlamaConfiguration) {
        self.init(
            vocabularySize: llama.vocabularySize, hiddenSize: llama.hiddenSize, layers: llama.layers,
            keyValueHeads: llama.keyValueHeads, headSize: llama.headSize, maximumPositions: llama.maximumPositions,
            endTokens: llama.endTokens.map { Int32(clamping: $0) }, identity: llama.identity)
    }
}
