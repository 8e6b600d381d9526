import DamaSupport

/// The fields of the config.json of a `LlavaForConditionalGeneration`.
public struct LlavaConfiguration: Equatable, Sendable {
    /// The rows of the vision tower that become image tokens.
    public enum Selection: String, CaseIterable, Sendable {
        /// All but the first, which is CLIP's class token.
        case `default`
        /// All.
        case full
    }

    public var vision: VisionTower
    public var text: LlamaConfiguration
    /// The token that marks the image's place.
    public var imageToken: Int32
    /// The number of layers of the vision tower that run. The states after them are the features.
    public var visionLayers: Int
    public var selection: Selection
    public var projectorBias: Bool

    /// Image tokens of one image.
    public var imageTokens: Int { vision.rows - (selection == .default ? 1 : 0) }

    package init(_ config: ConfigReader) throws(DamaError) {
        vision = try VisionTower(config.nested("vision_config"))
        text = try LlamaFamilies.configuration(partOf: config)
        let key = config.has("image_token_id") ? "image_token_id" : "image_token_index"
        imageToken = Int32(try config.int(key, default: 32000, in: 0...(text.vocabularySize - 1)))

        visionLayers = try Self.visionLayers(config, "vision_feature_layer", of: vision.tower.layers)
        selection = try config.choice("vision_feature_select_strategy", default: .default)
        let activation = try config.string("projector_hidden_act", default: "gelu")
        guard activation == "gelu" else {
            throw .unsupported("\(config.place): projector_hidden_act is \"\(activation)\"; it must be \"gelu\"")
        }
        projectorBias = try config.bool("multimodal_projector_bias", default: true)
    }

    init(
        vision: VisionTower, text: LlamaConfiguration, imageToken: Int32, visionLayers: Int,
        selection: Selection, projectorBias: Bool
    ) {
        (self.vision, self.text, self.imageToken) = (vision, text, imageToken)
        (self.visionLayers, self.selection, self.projectorBias) = (visionLayers, selection, projectorBias)
    }

    /// The number of layers before the states that the field `key` selects. The field counts the states: those before
    /// the first layer, then those after each; a negative number counts from the last.
    static func visionLayers(_ config: ConfigReader, _ key: String, of layers: Int) throws(DamaError) -> Int {
        let feature = try config.int(key, default: -2, in: -(layers + 1)...layers)
        return feature < 0 ? layers + 1 + feature : feature
    }
}
