import DamaSupport

/// The fields of the config.json of a `LlavaForConditionalGeneration`.
public struct LlavaConfiguration: Equatable, Sendable {
    /// The rows of the vision tower that become image tokens.
    public enum Selection: String, CaseIterable, Sendable {
        /// The patches, without the class token.
        case `default`
        /// The class token and the patches.
        case full
    }

    public var vision: CLIPVisionConfiguration
    public var text: LlamaConfiguration
    /// The token that marks the image's place.
    public var imageToken: Int32
    /// The number of layers of the vision tower that run. The states after them are the features.
    public var visionLayers: Int
    public var selection: Selection
    public var projectorBias: Bool

    /// Image tokens of one image.
    public var imageTokens: Int { vision.patches + (selection == .full ? 1 : 0) }

    package init(_ config: ConfigReader) throws(DamaError) {
        let visionConfig = try config.nested("vision_config")
        let visionType = try visionConfig.string("model_type", default: "clip_vision_model")
        guard visionType == "clip_vision_model" else {
            throw .unsupported(
                "\(visionConfig.place): model_type is \"\(visionType)\"; it must be \"clip_vision_model\"")
        }
        vision = try CLIPVisionConfiguration(visionConfig)
        text = try LlamaFamilies.configuration(partOf: config)
        let key = config.has("image_token_id") ? "image_token_id" : "image_token_index"
        imageToken = Int32(try config.int(key, default: 32000, in: 0...(text.vocabularySize - 1)))

        let layers = vision.tower.layers
        // transformers counts the states: those before the first layer, then those after each.
        let feature = try config.int("vision_feature_layer", default: -2, in: -(layers + 1)...layers)
        visionLayers = feature < 0 ? layers + 1 + feature : feature
        selection = try config.choice("vision_feature_select_strategy", default: .default)
        let activation = try config.string("projector_hidden_act", default: "gelu")
        guard activation == "gelu" else {
            throw .unsupported("\(config.place): projector_hidden_act is \"\(activation)\"; it must be \"gelu\"")
        }
        projectorBias = try config.bool("multimodal_projector_bias", default: true)
    }
}
