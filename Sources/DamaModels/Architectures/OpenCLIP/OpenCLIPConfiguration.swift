import DamaImage
import DamaSupport

extension CLIPConfiguration {
    /// Reads open_clip_config.json, with OpenCLIP's defaults for missing fields.
    ///
    /// - Throws: ``DamaError/Code/unsupported`` for towers other than CLIP's, by the field that asks for them;
    ///   ``DamaError/Code/model`` for a field that is missing, out of range or does not fit the others.
    init(openCLIP config: ConfigReader) throws(DamaError) {
        let model = try config.nested("model_cfg")
        let (vision, text) = (try model.nested("vision_cfg"), try model.nested("text_cfg"))
        try model.requireDefaults(
            besides: [
                "embed_dim", "vision_cfg", "text_cfg", "quick_gelu", "custom_text", "init_logit_scale",
                "init_logit_bias",
                "nonscalar_logit_scale", "cast_dtype",
            ])
        // Towers of other kinds first: their configurations have further fields.
        for (part, key) in [(vision, "timm_model_name"), (text, "hf_model_name")] where part.has(key) {
            throw .unsupported(
                "\(part.place): \(key) is \(part.json[key]?.text ?? ""); supported are OpenCLIP's own transformers")
        }
        try vision.requireDefaults(
            besides: [
                "image_size", "layers", "width", "head_width", "patch_size", "mlp_ratio",
                // Of training, or without effect on a pooled class token.
                "patch_dropout", "output_tokens", "final_ln_after_pool", "pos_embed_type", "attn_pooler_queries",
                "attn_pooler_heads",
            ], ["pool_type": "tok", "block_type": "default"], ignoring: "timm_")
        try text.requireDefaults(
            besides: [
                "context_length", "vocab_size", "width", "heads", "layers", "mlp_ratio", "hf_tokenizer_name",
                "tokenizer_mode", "pool_type", "eos_id",
                // The embedding's row sees no padding, which follows it.
                "pad_id", "output_tokens", "final_ln_after_pool",
            ], ["proj_type": "linear", "block_type": "default"], ignoring: "hf_")

        let activation: CLIPTowerConfiguration.Activation =
            try model.bool("quick_gelu", default: false) ? .quickGelu : .gelu
        let (visionWidth, headWidth) = (
            try vision.size("width", default: 768), try vision.size("head_width", default: 64)
        )
        let visionTower = try CLIPTowerConfiguration(
            openCLIP: vision, width: visionWidth, heads: max(1, visionWidth / headWidth), activation: activation)
        let textTower = try CLIPTowerConfiguration(
            openCLIP: text, width: text.size("width", default: 512),
            heads: text.int("heads", default: 8, in: 1...4096), activation: activation)
        let pooling = try text.string("pool_type", default: "argmax")
        guard pooling == "argmax" || pooling == "eos" else {
            throw .unsupported("\(text.place): pool_type is \"\(pooling)\"; supported are \"argmax\", \"eos\"")
        }
        let end = try text.int("eos_id", default: 2, in: 0...(1 << 24))
        let (imageSize, patchSize) = (
            try vision.int("image_size", default: 224, in: 1...65536),
            try vision.int("patch_size", default: 16, in: 1...65536)
        )
        guard patchSize <= imageSize, imageSize.isMultiple(of: patchSize) else {
            throw .unsupported(
                "\(vision.place): image_size \(imageSize) is not a multiple of patch_size \(patchSize)")
        }
        self.init(
            text: CLIPTextConfiguration(
                tower: textTower, vocabularySize: try text.size("vocab_size", default: 49408),
                maximumLength: try text.size("context_length", default: 77),
                endRule: pooling == "argmax" ? .largestToken : .first(end)),
            vision: CLIPVisionConfiguration(
                tower: visionTower, channels: 3, imageSize: imageSize, patchSize: patchSize),
            projectionSize: try model.size("embed_dim"))
    }
}

extension CLIPTowerConfiguration {
    fileprivate init(
        openCLIP config: ConfigReader, width: Int, heads: Int, activation: Activation
    ) throws(DamaError) {
        guard width.isMultiple(of: heads) else {
            throw .model("\(config.place): width \(width) is not a multiple of the number of heads, \(heads)")
        }
        let ratio = try config.double("mlp_ratio", default: 4, in: 0.01...1000)
        guard let inner = Int(exactly: (Double(width) * ratio).rounded(.towardZero)), inner > 0 else {
            throw .model("\(config.place): mlp_ratio \(ratio) of width \(width) is no size")
        }
        self.init(
            hiddenSize: width, intermediateSize: inner,
            layers: try config.int("layers", default: 12, in: 1...1024), heads: heads, activation: activation,
            epsilon: 1e-5)
    }
}

extension ConfigReader {
    /// Checks that all fields but the known ones are null, false, an empty object or the value in `values`.
    ///
    /// - Parameter ignored: the beginning of names that mean nothing here.
    fileprivate func requireDefaults(
        besides known: Set<String>, _ values: [String: String] = [:], ignoring ignored: String? = nil
    ) throws(DamaError) {
        for (key, value) in json.object?.members ?? [] where !known.contains(key) {
            if let ignored, key.hasPrefix(ignored) { continue }
            if value == .null || value.bool == false || value.object?.count == 0 { continue }
            if let usual = values[key], value.string == usual { continue }
            let usual = values[key].map { "; supported is \"\($0)\"" } ?? ", which is not supported"
            throw .unsupported("\(place): \(key) is \(value.text.prefix(60))\(usual)")
        }
    }
}

extension ImageProcessor {
    /// Reads `preprocess_cfg`, as OpenCLIP's `image_transform` applies it.
    ///
    /// - Parameter side: the image size of the vision tower.
    init(openCLIP config: ConfigReader, size side: Int) throws(DamaError) {
        let mode = try config.string("resize_mode", default: "shortest")
        guard mode == "shortest" || mode == "squash" else {
            throw .unsupported("\(config.place): resize_mode is \"\(mode)\"; supported are \"shortest\", \"squash\"")
        }
        let filters: [String: ResizeFilter] = ["bicubic": .bicubic, "bilinear": .bilinear, "random": .bicubic]
        let interpolation = try config.string("interpolation", default: "bicubic")
        guard let filter = filters[interpolation] else {
            throw .unsupported(
                "\(config.place): interpolation is \"\(interpolation)\"; supported are \"bicubic\", \"bilinear\"")
        }
        let colors = try config.string("mode", default: "RGB")
        guard colors == "RGB" else {
            throw .unsupported("\(config.place): mode is \"\(colors)\"; supported is \"RGB\"")
        }
        if let size = config.json["size"] {
            guard (size.array ?? [size]).allSatisfy({ $0.int == side }) else {
                throw config.wrong("size", size, "\(side), the image_size of vision_cfg")
            }
        }
        let square = PixelSize(width: side, height: side)
        var it = ImageProcessor.clip(edge: side)
        it.filter = filter
        if mode == "squash" { (it.resizing, it.crop) = (.exact(square), nil) }
        it.cropsToEven = true
        it.mean = try Self.channels(config, "mean", default: it.mean, in: -1e6...1e6)
        it.deviation = try Self.channels(config, "std", default: it.deviation, in: 1e-6...1e6)
        self = it
    }

    /// Three numbers, or one for all channels.
    private static func channels(
        _ config: ConfigReader, _ key: String, default fallback: [Double], in range: ClosedRange<Double>
    ) throws(DamaError) -> [Double] {
        guard let value = config.json[key] else { return fallback }
        let elements = value.array ?? [value, value, value]
        let numbers = elements.compactMap(\.double).filter(range.contains)
        guard numbers.count == 3, elements.count == 3 else {
            throw config.wrong(key, value, "three numbers from \(range.lowerBound) to \(range.upperBound)")
        }
        return numbers
    }
}
