import DamaImage
import DamaSupport

/// Idefics3 and SmolVLM: a SigLIP-like vision tower over the tiles of an image, a connector that joins neighbouring
/// patches, and a Llama.
struct Idefics3Architecture: Architecture {
    static let modelTypes = [
        ModelType("idefics3", className: "Idefics3ForConditionalGeneration"),
        ModelType("smolvlm", className: "SmolVLMForConditionalGeneration"),
    ]
    static var adapterModules: [String] { LlamaArchitecture.adapterModules }

    let configuration: Idefics3Configuration
    let processor: SplitImageProcessor

    static func read(_ source: ModelSource) throws(DamaError) -> any Architecture {
        let processor = try SplitImageProcessor(directory: source.directory)
        let configuration = try Idefics3Configuration(source.config, tile: processor.tile)
        guard source.imageMode != .pad else {
            throw .unsupported("the image mode is \"pad\"; this model cuts images into tiles instead of padding them")
        }
        let path = "\(source.directory)/processor_config.json"
        if Files.exists(path) {
            let tokens = configuration.tokensPerTile
            let found = try ConfigReader(path: path).int("image_seq_len", default: tokens, in: 1...(1 << 24))
            guard found == tokens else {
                throw .model("\(path): image_seq_len is \(found); a tile of this model has \(tokens) image tokens")
            }
        }
        return Idefics3Architecture(configuration: configuration, processor: processor)
    }

    var vocabularySize: Int { configuration.text.vocabularySize }
    var endTokens: [Int] { configuration.text.endTokens }
    var imageToken: Int32? { configuration.imageToken }

    func open(_ opening: ModelOpening) throws(DamaError) -> ModelParts {
        var configuration = configuration
        configuration.text.endTokens = opening.endTokens
        let weights = try opening.weights(WeightStore(directory: opening.directory))
        let expansion = try ImageTokenText(
            opening.tokenizer, image: configuration.imageToken, perTile: configuration.tokensPerTile,
            place: opening.directory)
        return ModelParts(
            decoder: try LlamaDecoder(
                configuration.text, weights, opening.runtime, device: opening.device,
                modulePrefix: "model.text_model."),
            vision: try Idefics3Vision(
                configuration, weights, opening.runtime, processor: processor, text: expansion, device: opening.device))
    }
}
