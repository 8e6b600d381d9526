import DamaGraph
import DamaSupport

/// A vision tower whose hidden states become the image tokens of a language model.
public enum VisionTower: Equatable, Sendable {
    case clip(CLIPVisionConfiguration)
    case siglip(SiglipVisionConfiguration)

    /// Reads `vision_config`; without a `model_type` it is CLIP's, as in transformers.
    ///
    /// - Throws: ``DamaError/Code/unsupported`` for any other `model_type`, with a list of the supported ones.
    package init(_ config: ConfigReader) throws(DamaError) {
        let type = try config.string("model_type", default: "clip_vision_model")
        switch type {
        case "clip_vision_model": self = .clip(try CLIPVisionConfiguration(config))
        case "siglip_vision_model": self = .siglip(try SiglipVisionConfiguration(config))
        default:
            throw .unsupported(
                "\(config.place): model_type is \"\(type)\"; supported are \"clip_vision_model\", "
                    + "\"siglip_vision_model\"")
        }
    }

    /// The sizes of its layers.
    public var tower: CLIPTowerConfiguration {
        switch self {
        case .clip(let it): it.tower
        case .siglip(let it): it.tower
        }
    }

    public var channels: Int {
        switch self {
        case .clip(let it): it.channels
        case .siglip(let it): it.channels
        }
    }

    /// Width and height of the image in pixels.
    public var imageSize: Int {
        switch self {
        case .clip(let it): it.imageSize
        case .siglip(let it): it.imageSize
        }
    }

    public var patchSize: Int {
        switch self {
        case .clip(let it): it.patchSize
        case .siglip(let it): it.patchSize
        }
    }

    public var patches: Int {
        switch self {
        case .clip(let it): it.patches
        case .siglip(let it): it.patches
        }
    }

    /// The rows of the hidden states: the patches, behind CLIP's class token.
    public var rows: Int {
        switch self {
        case .clip(let it): it.patches + 1
        case .siglip(let it): it.patches
        }
    }

    /// The states after `layers` layers: [batch, rows, hidden].
    ///
    /// - Parameters:
    ///   - pixels: [batch, channels, image size, image size].
    ///   - prefix: The prefix of the weights' names.
    func hiddenStates(
        _ g: GraphBuilder, _ pixels: Value, layers: Int, prefix: String, weight: @escaping CLIPGraph.WeightSource
    ) throws(DamaError) -> Value {
        switch self {
        case .clip(let it):
            try CLIPVisionStack(g, it, prefix: prefix, weight: weight).hiddenStates(pixels, layers: layers)
        case .siglip(let it):
            try SiglipVisionStack(g, it, prefix: prefix, weight: weight).hiddenStates(pixels, layers: layers)
        }
    }

    /// The settings under the keys of `vision_config`.
    package var identity: JSON {
        let fields: JSONObject = [
            "hidden_size": .int(Int64(tower.hiddenSize)), "intermediate_size": .int(Int64(tower.intermediateSize)),
            "num_hidden_layers": .int(Int64(tower.layers)), "num_attention_heads": .int(Int64(tower.heads)),
            "hidden_act": .string(tower.activation.rawValue), "layer_norm_eps": .double(Double(tower.epsilon)),
            "num_channels": .int(Int64(channels)), "image_size": .int(Int64(imageSize)),
            "patch_size": .int(Int64(patchSize)),
        ]
        // CLIP's identity stays what it was.
        guard case .siglip = self else { return .object(fields) }
        return .object(JSONObject([(key: "model_type", value: "siglip_vision_model")] + fields.members))
    }
}
