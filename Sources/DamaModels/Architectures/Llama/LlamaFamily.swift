import DamaSupport

/// An architecture of text alone that ``LlamaDecoder`` computes: it differs in how config.json is read.
protocol LlamaFamily: Architecture {
    var configuration: LlamaConfiguration { get }

    init(configuration: LlamaConfiguration)

    /// Reads config.json of a text model, or the part `text_config` of another model.
    static func configuration(_ config: ConfigReader) throws(DamaError) -> LlamaConfiguration
}

extension LlamaFamily {
    static var adapterModules: [String] { LlamaArchitecture.adapterModules }

    static func read(_ source: ModelSource) throws(DamaError) -> any Architecture {
        Self(configuration: try configuration(source.config))
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
        let weights = try opening.weights(WeightStore(directory: opening.directory))
        return ModelParts(
            decoder: try LlamaDecoder(configuration, weights, opening.runtime, device: opening.device), vision: nil)
    }
}

/// The families that ``LlamaDecoder`` computes, by themselves or behind a vision part.
enum LlamaFamilies {
    static let all: [any LlamaFamily.Type] = [
        LlamaArchitecture.self, MistralArchitecture.self, Qwen2Architecture.self, Qwen3Architecture.self,
    ]

    /// Reads the decoder's part of a model with images, `text_config`; without a `model_type` it is a Llama, as in
    /// transformers.
    ///
    /// - Throws: ``DamaError/Code/unsupported`` for any other `model_type`, with a list of the supported ones.
    static func configuration(partOf config: ConfigReader) throws(DamaError) -> LlamaConfiguration {
        var text = try configuration(ofPart: config.nested("text_config"))
        // As in transformers: the end tokens of the whole model take precedence over those of its language model, and
        // either part may tie the head.
        let ends = try config.ints("eos_token_id", in: 0...(text.vocabularySize - 1))
        if !ends.isEmpty { text.endTokens = ends }
        if try config.bool("tie_word_embeddings", default: false) { text.tiesEmbeddings = true }
        return text
    }

    private static func configuration(ofPart config: ConfigReader) throws(DamaError) -> LlamaConfiguration {
        let type = try config.string("model_type", default: "llama")
        for family in all where family.modelTypes.contains(where: { $0.name == type }) {
            return try family.configuration(config)
        }
        let known = all.flatMap { $0.modelTypes }.map { "\"\($0.name)\"" }.joined(separator: ", ")
        throw .unsupported("\(config.place): model_type is \"\(type)\"; supported are \(known)")
    }
}

extension ConfigReader {
    /// The same fields, with values for those that are missing: a family whose defaults are not Llama's.
    func filled(_ defaults: JSONObject) throws(DamaError) -> ConfigReader {
        try ConfigReader(.object(JSONObject(defaults.members + (json.object?.members ?? []))), place: place)
    }
}
