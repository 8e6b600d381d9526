import DamaSupport

extension LlavaConfiguration {
    /// Reads config.json of LLaVA's original layout: a Llama's fields, and `mm_…` for the vision part.
    ///
    /// Source: `llava/model/llava_arch.py`, `multimodal_encoder/clip_encoder.py` and `multimodal_projector/builder.py`
    /// of haotian-liu/LLaVA.
    ///
    /// - Throws: ``DamaError/Code/unsupported`` for a projector, an image token or a merging of tiles that LLaVA-1.5
    ///   does not have; otherwise as ``LlamaConfiguration/init(_:)``.
    init(original config: ConfigReader, vision: CLIPVisionConfiguration) throws(DamaError) {
        try Self.requireValue(config, "mm_projector_type", ["mlp2x_gelu"], default: "linear")
        try Self.requireValue(config, "mm_patch_merge_type", ["flat"], default: "flat")
        try Self.requireValue(config, "mm_vision_select_feature", ["patch", "cls_patch"], default: "patch")
        if try config.bool("mm_use_im_start_end", default: false) {
            throw .unsupported(
                "\(config.place): mm_use_im_start_end is true; LLaVA-1.5 marks an image by its features alone")
        }
        let width = try config.size("mm_hidden_size", default: vision.tower.hiddenSize)
        guard width == vision.tower.hiddenSize else {
            throw .model(
                "\(config.place): mm_hidden_size is \(width), but the vision tower's hidden_size is "
                    + "\(vision.tower.hiddenSize); is it another tower?")
        }
        self.init(
            vision: .clip(vision), text: try LlamaConfiguration(config), imageToken: 0,
            visionLayers: try Self.visionLayers(config, "mm_vision_select_layer", of: vision.tower.layers),
            selection: try config.string("mm_vision_select_feature", default: "patch") == "cls_patch"
                ? .full : .default,
            projectorBias: true)
    }

    /// Reads the configuration of a directory with CLIP or its vision model alone.
    static func towerConfiguration(directory: String) throws(DamaError) -> CLIPVisionConfiguration {
        let config = try ConfigReader(path: "\(directory)/config.json")
        switch try config.string("model_type", default: "") {
        case "clip": return try CLIPVisionConfiguration(config.nested("vision_config"))
        case "clip_vision_model": return try CLIPVisionConfiguration(config)
        case let type:
            throw .unsupported(
                "\(config.place): model_type is \(quoted(type)); LLaVA's vision tower must be \"clip\" or "
                    + "\"clip_vision_model\"")
        }
    }

    private static func requireValue(
        _ config: ConfigReader, _ key: String, _ known: [String], default value: String
    ) throws(DamaError) {
        let found = try config.string(key, default: value)
        guard known.contains(found) else {
            throw .unsupported(
                "\(config.place): \(key) is \(quoted(found)); supported is "
                    + known.map { quoted($0) }.joined(separator: " or "))
        }
    }
}
