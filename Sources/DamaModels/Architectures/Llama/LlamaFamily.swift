import DamaSupport

/// An architecture of text alone that ``LlamaDecoder`` computes: it differs in how config.json is read.
protocol LlamaFamily: Architecture {
    var configuration: LlamaConfiguration { get }
}

extension LlamaFamily {
    static var adapterModules: [String] { LlamaArchitecture.adapterModules }

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
