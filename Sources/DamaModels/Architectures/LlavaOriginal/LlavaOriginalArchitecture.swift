import DamaImage
import DamaSupport

/// LLaVA-1.5 in the layout of its authors (`liuhaotian/llava-v1.5-7b`): a Llama whose config.json also has the fields
/// `mm_…`, with the projector among its weights and the vision tower in a directory of its own.
///
/// The tokenizer has no token for an image. Its place in a text is `<image>`, and the parts of the text around it are
/// tokenised each by itself, as `tokenizer_image_token` does.
struct LlavaOriginalArchitecture: Architecture {
    static let modelTypes = [ModelType("llava_llama", className: "LlavaLlamaForCausalLM")]
    static var adapterModules: [String] { LlamaArchitecture.adapterModules }

    /// What comes before the names of a tower that is saved with the rest.
    static let towerPrefix = "model.vision_tower.vision_tower."

    /// The id that LLaVA's code gives to the place of an image.
    private static let imageIndex: Int32 = -200

    let configuration: LlavaConfiguration
    let processor: ImageProcessor
    /// The directory of the vision tower.
    let tower: String

    /// Whether a config.json has the layout; older checkpoints have the `model_type` of transformers' LLaVA.
    static func reads(_ config: ConfigReader) -> Bool {
        config.has("mm_vision_tower") || config.has("mm_projector_type")
    }

    static func read(_ source: ModelSource) throws(DamaError) -> any Architecture {
        let tower = try towerDirectory(source)
        let vision = try LlavaConfiguration.towerConfiguration(directory: tower)
        var processor = try ImageProcessor(directory: tower)
        processor.padsToSquare = try source.imageMode.padsToSquare { () throws(DamaError) in
            try padsToSquare(source.config)
        }
        return LlavaOriginalArchitecture(
            configuration: try LlavaConfiguration(original: source.config, vision: vision), processor: processor,
            tower: tower)
    }

    var vocabularySize: Int { configuration.text.vocabularySize }
    var endTokens: [Int] { configuration.text.endTokens }
    var imageToken: Int32? { Self.imageIndex }
    var imageMark: String? { "<image>" }
    var defaultTemplate: String? { "vicuna_v1" }

    func open(_ opening: ModelOpening) throws(DamaError) -> ModelParts {
        var configuration = configuration
        configuration.text.endTokens = opening.endTokens
        // Training saves the tower with the rest if it was not frozen.
        let prefix = Self.towerPrefix
        let own = try WeightStore(directory: opening.directory)
        let store = own.adding(try WeightStore(directory: tower)) { name in
            name.hasPrefix("vision_model.") ? prefix + name : nil
        }
        let weights = try opening.weights(store)
        return ModelParts(
            decoder: try LlamaDecoder(configuration.text, weights, opening.runtime, device: opening.device),
            vision: try LlavaVision(
                configuration, weights, opening.runtime, processor: processor, device: opening.device))
    }

    // MARK: The vision tower

    /// The directory that the options name, or else `mm_vision_tower`, if it is one.
    static func towerDirectory(_ source: ModelSource) throws(DamaError) -> String {
        let config = source.config
        let named = try config.string("mm_vision_tower", default: "")
        if let given = source.visionTower {
            guard Files.isDirectory(given) else {
                throw .io("vision_tower is \(quoted(given)), which is not a directory")
            }
            return given
        }
        let path = named.hasPrefix("/") ? named : "\(source.directory)/\(named)"
        if !named.isEmpty, Files.isDirectory(path) { return path }
        throw .invalidArgument(
            "\(config.place) names the vision tower \(quoted(named)), which is not a directory there; give its "
                + "directory (vision_tower, --vision-tower)")
    }

    private static func padsToSquare(_ config: ConfigReader) throws(DamaError) -> Bool {
        let ratio = try config.string("image_aspect_ratio", default: "square")
        switch ratio {
        case "square": return false
        case "pad": return true
        default:
            throw .unsupported(
                "\(config.place): image_aspect_ratio is \(quoted(ratio)); in LLaVA's original layout supported are "
                    + "\"square\" and \"pad\"")
        }
    }
}
