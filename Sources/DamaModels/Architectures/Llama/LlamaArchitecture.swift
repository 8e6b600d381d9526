import DamaSupport

/// Llama 2 and 3, Vicuna, TinyLlama, SmolLM2.
struct LlamaArchitecture: Architecture {
    static let modelTypes = [ModelType("llama", className: "LlamaForCausalLM")]

    static let adapterModules = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]

    let configuration: LlamaConfiguration

    static func read(_ source: ModelSource) throws(DamaError) -> any Architecture {
        LlamaArchitecture(configuration: try LlamaConfiguration(source.config))
    }

    var vocabularySize: Int { configuration.vocabularySize }
    var endTokens: [Int] { configuration.endTokens }
    var imageToken: Int32? { nil }

    func open(_ opening: ModelOpening) throws(DamaError) -> ModelParts {
        var configuration = configuration
        configuration.endTokens = opening.endTokens
        if let parts = try HubOnnx.open(opening, decoder: OnnxDecoderConfiguration(configuration), vision: nil) {
            return parts
        }
        let weights = ModelWeights.shared(try WeightStore(directory: opening.directory), opening.runtime)
        return ModelParts(
            decoder: try LlamaDecoder(configuration, weights, opening.runtime, device: opening.device), vision: nil)
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
