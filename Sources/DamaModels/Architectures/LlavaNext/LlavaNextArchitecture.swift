import DamaImage
import DamaSupport

/// LLaVA-1.6: LLaVA's networks over the tiles of an image, with a learnt vector behind each row of patches.
struct LlavaNextArchitecture: Architecture {
    static let modelTypes = [ModelType("llava_next", className: "LlavaNextForConditionalGeneration")]
    static var adapterModules: [String] { LlamaArchitecture.adapterModules }

    let configuration: LlavaNextConfiguration
    let processor: GridImageProcessor

    static func read(_ source: ModelSource) throws(DamaError) -> any Architecture {
        let configuration = try LlavaNextConfiguration(source.config)
        let processor = try GridImageProcessor(directory: source.directory)
        guard source.imageMode != .pad else {
            throw .unsupported("the image mode is \"pad\"; a llava_next cuts images into tiles instead of padding them")
        }
        let side = configuration.llava.vision.imageSize
        guard processor.tile == side, processor.side == side else {
            throw .model(
                "\(source.directory): the image processor makes tiles of \(processor.side) × \(processor.side) pixels "
                    + "(crop_size \(processor.tile)); the vision tower takes \(side) × \(side) (image_size)")
        }
        guard processor.grids == configuration.grids else {
            throw .model(
                "\(source.directory): image_grid_pinpoints of config.json and of the image processor differ; they must "
                    + "be equal")
        }
        guard configuration.featureCounts.upperBound <= 1 << 20 else {
            throw .unsupported(
                "\(source.directory): an image would have up to \(configuration.featureCounts.upperBound) tokens "
                    + "(image_grid_pinpoints, patch_size); supported are \(1 << 20)")
        }
        return LlavaNextArchitecture(configuration: configuration, processor: processor)
    }

    var vocabularySize: Int { configuration.llava.text.vocabularySize }
    var endTokens: [Int] { configuration.llava.text.endTokens }
    var imageToken: Int32? { configuration.llava.imageToken }

    func open(_ opening: ModelOpening) throws(DamaError) -> ModelParts {
        var configuration = configuration
        configuration.llava.text.endTokens = opening.endTokens
        let weights = try opening.weights(WeightStore(directory: opening.directory))
        return ModelParts(
            decoder: try LlamaDecoder(
                configuration.llava.text, weights, opening.runtime, device: opening.device,
                modulePrefix: "model.language_model."),
            vision: try LlavaNextVision(
                configuration, weights, opening.runtime, processor: processor, device: opening.device))
    }
}
