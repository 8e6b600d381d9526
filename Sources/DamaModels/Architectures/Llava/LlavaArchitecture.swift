import DamaImage
import DamaSupport

/// LLaVA-1.5: CLIP's vision tower, a projector, and a Llama.
struct LlavaArchitecture: Architecture {
    static let modelTypes = [ModelType("llava", className: "LlavaForConditionalGeneration")]
    static var adapterModules: [String] { LlamaArchitecture.adapterModules }

    let configuration: LlavaConfiguration
    let processor: ImageProcessor

    static func read(_ source: ModelSource) throws(DamaError) -> any Architecture {
        let configuration = try LlavaConfiguration(source.config)
        var processor = try ImageProcessor(directory: source.directory)
        let isPadded = processor.padsToSquare
        processor.padsToSquare = try source.imageMode.padsToSquare { isPadded }
        return LlavaArchitecture(configuration: configuration, processor: processor)
    }

    var vocabularySize: Int { configuration.text.vocabularySize }
    var endTokens: [Int] { configuration.text.endTokens }
    var imageToken: Int32? { configuration.imageToken }

    func open(_ opening: ModelOpening) throws(DamaError) -> ModelParts {
        var configuration = configuration
        configuration.text.endTokens = opening.endTokens
        let vision = OnnxVisionConfiguration(
            imageTokens: configuration.imageTokens, hiddenSize: configuration.text.hiddenSize,
            imageSize: configuration.vision.imageSize, processor: processor, identity: configuration.identity)
        let decoder = OnnxDecoderConfiguration(configuration.text)
        if let parts = try HubOnnx.open(opening, decoder: decoder, vision: vision) { return parts }
        let weights = try opening.weights(WeightStore(directory: opening.directory))
        return ModelParts(
            decoder: try LlamaDecoder(
                configuration.text, weights, opening.runtime, device: opening.device,
                modulePrefix: "model.language_model."),
            vision: try LlavaVision(
                configuration, weights, opening.runtime, processor: processor, device: opening.device))
    }
}
