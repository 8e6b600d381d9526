import DamaSupport

/// The fields of `CLIPModel`'s config.json, with Hugging Face's defaults for missing ones.
public struct CLIPConfiguration: Equatable, Sendable {
    public var text: CLIPTextConfiguration
    public var vision: CLIPVisionConfiguration
    /// Numbers in one embedding.
    public var projectionSize: Int
}

extension CLIPConfiguration {
    /// Reads config.json of a Hugging Face directory.
    ///
    /// - Throws: ``DamaError/Code/model`` for a field that is missing, out of range or does not fit the others.
    public init(directory: String) throws(DamaError) {
        try self.init(ConfigReader(path: "\(directory)/config.json"))
    }

    init(_ config: ConfigReader) throws(DamaError) {
        projectionSize = try config.size("projection_dim", default: 512)
        text = try CLIPTextConfiguration(Self.merged(config, "text_config"))
        vision = try CLIPVisionConfiguration(Self.merged(config, "vision_config"))
    }

    /// `text_config`, or the older field `text_config_dict` if it exists; the same for `vision_config`.
    private static func merged(_ config: ConfigReader, _ key: String) throws(DamaError) -> ConfigReader {
        let nested = try config.nested(key)
        guard let older = config.json["\(key)_dict"] else { return nested }
        // As in transformers, fields missing from the older object take their defaults, not the values of the newer.
        return try ConfigReader(older, place: "\(config.place): \(key)_dict")
    }
}

/// A stack of CLIP's transformer layers.
public struct CLIPTowerConfiguration: Equatable, Sendable {
    public enum Activation: String, CaseIterable, Sendable {
        /// x σ(1.702 x), in OpenAI's models.
        case quickGelu = "quick_gelu"
        /// x Φ(x), in LAION's.
        case gelu
        /// Its approximation with tanh, in SigLIP.
        case tanhGelu = "gelu_pytorch_tanh"
    }

    public var hiddenSize: Int
    public var intermediateSize: Int
    public var layers: Int
    public var heads: Int
    public var activation: Activation
    /// ε of the layer normalisations.
    public var epsilon: Float
}

extension CLIPTowerConfiguration {
    /// Reads a stack's fields, with these defaults.
    init(
        _ config: ConfigReader, hidden: Int, intermediate: Int, heads defaultHeads: Int,
        activation defaultActivation: Activation = .quickGelu, epsilon defaultEpsilon: Double = 1e-5
    ) throws(DamaError) {
        hiddenSize = try config.size("hidden_size", default: hidden)
        intermediateSize = try config.size("intermediate_size", default: intermediate)
        layers = try config.int("num_hidden_layers", default: 12, in: 1...1024)
        heads = try config.int("num_attention_heads", default: defaultHeads, in: 1...4096)
        activation = try config.choice("hidden_act", default: defaultActivation)
        epsilon = Float(try config.double("layer_norm_eps", default: defaultEpsilon, in: 0...1))
        guard hiddenSize % heads == 0 else {
            throw .model(
                "\(config.place): hidden_size \(hiddenSize) is not a multiple of num_attention_heads \(heads)")
        }
    }
}

public struct CLIPTextConfiguration: Equatable, Sendable {
    /// The row of a text that becomes its embedding.
    public enum EndRule: Equatable, Sendable {
        /// The row of the largest token. transformers uses it for configs with `eos_token_id` 2: OpenAI's configs hold
        /// this value, although it is not the end token's number.
        case largestToken
        /// The row of the first token with this number.
        case first(Int)
    }

    public var tower: CLIPTowerConfiguration
    public var vocabularySize: Int
    /// The most tokens a text may have, start and end included.
    public var maximumLength: Int
    public var endRule: EndRule
}

extension CLIPTextConfiguration {
    init(_ config: ConfigReader) throws(DamaError) {
        tower = try CLIPTowerConfiguration(config, hidden: 512, intermediate: 2048, heads: 8)
        vocabularySize = try config.size("vocab_size", default: 49408)
        maximumLength = try config.size("max_position_embeddings", default: 77)
        let ends = try config.ints("eos_token_id", in: 0...(1 << 24))
        guard ends.count <= 1 else {
            throw .unsupported("\(config.place): eos_token_id lists \(ends.count) tokens; it must be one token")
        }
        let end = ends.first ?? 49407
        endRule = end == 2 ? .largestToken : .first(end)
    }
}

public struct CLIPVisionConfiguration: Equatable, Sendable {
    public var tower: CLIPTowerConfiguration
    public var channels: Int
    /// Width and height of the image in pixels.
    public var imageSize: Int
    public var patchSize: Int

    public var patches: Int { (imageSize / patchSize) * (imageSize / patchSize) }
}

extension CLIPVisionConfiguration {
    /// Reads the `vision_config` of CLIP or of a model with a CLIP vision tower.
    package init(_ config: ConfigReader) throws(DamaError) {
        tower = try CLIPTowerConfiguration(config, hidden: 768, intermediate: 3072, heads: 12)
        channels = try config.int("num_channels", default: 3, in: 1...1024)
        imageSize = try config.int("image_size", default: 224, in: 1...65536)
        patchSize = try config.int("patch_size", default: 32, in: 1...65536)
        guard patchSize <= imageSize, imageSize % patchSize == 0 else {
            throw .unsupported(
                "\(config.place): image_size \(imageSize) is not a multiple of patch_size \(patchSize)")
        }
    }
}
