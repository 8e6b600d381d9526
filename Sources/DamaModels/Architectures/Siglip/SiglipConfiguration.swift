import DamaSupport

/// The fields of `SiglipModel`'s config.json, with Hugging Face's defaults for missing ones: SigLIP, and SigLIP 2 with
/// images of a fixed size.
struct SiglipConfiguration: Equatable, Sendable {
    var text: SiglipTextConfiguration
    var vision: SiglipVisionConfiguration

    /// - Throws: ``DamaError/Code/model`` for a field that is out of range or does not fit the others;
    ///   ``DamaError/Code/unsupported`` for a vision tower without its pooling head.
    init(_ config: ConfigReader) throws(DamaError) {
        let (textConfig, visionConfig) = (try config.nested("text_config"), try config.nested("vision_config"))
        text = try SiglipTextConfiguration(textConfig)
        vision = try SiglipVisionConfiguration(visionConfig)
        guard try visionConfig.bool("vision_use_head", default: true) else {
            throw .unsupported("\(visionConfig.place): vision_use_head is false; scoring needs the pooling head")
        }
        guard text.projectionSize == vision.tower.hiddenSize else {
            throw .model(
                "\(config.place): texts have embeddings of \(text.projectionSize) numbers (projection_size), images of "
                    + "\(vision.tower.hiddenSize) (hidden_size of vision_config); they must be equal")
        }
    }

    /// The text that fingerprints are computed from. A new field goes to the end.
    var identity: String {
        "siglip(text: \(text.tower.identity), \(text.vocabularySize), \(text.length), \(text.projectionSize); "
            + "vision: \(vision.tower.identity), \(vision.channels), \(vision.imageSize), \(vision.patchSize))"
    }
}

struct SiglipTextConfiguration: Equatable, Sendable {
    var tower: CLIPTowerConfiguration
    var vocabularySize: Int
    /// The number of tokens of every text, padding included.
    var length: Int
    var projectionSize: Int
    /// `pad_token_id`, for tokenizers without a pad token.
    var padToken: Int32?

    init(_ config: ConfigReader) throws(DamaError) {
        tower = try CLIPTowerConfiguration(
            config, hidden: 768, intermediate: 3072, heads: 12, activation: .tanhGelu, epsilon: 1e-6)
        vocabularySize = try config.size("vocab_size", default: 32000)
        length = try config.size("max_position_embeddings", default: 64)
        projectionSize = try config.size("projection_size", default: tower.hiddenSize)
        padToken = try config.ints("pad_token_id", in: 0...(vocabularySize - 1)).first.map { Int32(clamping: $0) }
    }
}

/// A vision transformer without a class token.
public struct SiglipVisionConfiguration: Equatable, Sendable {
    public var tower: CLIPTowerConfiguration
    public var channels: Int
    /// Width and height of the image in pixels. Pixels beyond the last whole patch, at the right and below, are unused.
    public var imageSize: Int
    public var patchSize: Int

    /// Patches of a row.
    public var side: Int { imageSize / patchSize }
    public var patches: Int { side * side }

    /// Reads the `vision_config` of SigLIP or of a model with a SigLIP vision tower.
    package init(_ config: ConfigReader) throws(DamaError) {
        tower = try CLIPTowerConfiguration(
            config, hidden: 768, intermediate: 3072, heads: 12, activation: .tanhGelu, epsilon: 1e-6)
        channels = try config.int("num_channels", default: 3, in: 1...1024)
        imageSize = try config.int("image_size", default: 224, in: 1...65536)
        patchSize = try config.int("patch_size", default: 16, in: 1...65536)
        guard patchSize <= imageSize else {
            throw .model("\(config.place): image_size \(imageSize) is less than patch_size \(patchSize)")
        }
    }
}
