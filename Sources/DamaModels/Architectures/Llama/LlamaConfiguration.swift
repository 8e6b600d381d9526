import DamaSupport

/// The sizes and switches of a Llama decoder and of its relatives.
public struct LlamaConfiguration: Equatable, Sendable {
    public var vocabularySize: Int
    public var hiddenSize: Int
    /// Width of the SwiGLU block.
    public var intermediateSize: Int
    public var layers: Int
    public var heads: Int
    /// Divides ``heads``; fewer than ``heads`` in grouped-query attention.
    public var keyValueHeads: Int
    public var headSize: Int
    public var rmsNormEpsilon: Double
    public var maximumPositions: Int
    /// Bias in the q, k and v projections.
    public var queryKeyValueBias: Bool
    /// Bias in the o projection.
    public var outputBias: Bool
    /// Bias in the gate, up and down projections.
    public var feedForwardBias: Bool
    /// RMSNorm of each head of the queries and of the keys, before rotary embedding.
    public var queryKeyNorm: Bool
    /// `nil` if every layer attends to all earlier tokens.
    public var window: AttentionWindow?
    /// The LM head is the embedding table.
    public var tiesEmbeddings: Bool
    public var rotary: RotaryConfiguration
    /// Tokens that end a response; may be empty.
    public var endTokens: [Int]
    public var beginToken: Int?
    public var padToken: Int?

    /// Reads config.json of a `LlamaForCausalLM`. Other families change what they do differently.
    ///
    /// - Throws: ``DamaError/Code/model`` for a field out of range or inconsistent sizes;
    ///   ``DamaError/Code/unsupported`` for an activation or a RoPE scaling that is not supported.
    package init(_ config: ConfigReader) throws(DamaError) {
        vocabularySize = try config.size("vocab_size", default: 32000)
        hiddenSize = try config.size("hidden_size", default: 4096)
        intermediateSize = try config.size("intermediate_size", default: 11008)
        layers = try config.int("num_hidden_layers", default: 32, in: 1...1024)
        heads = try config.int("num_attention_heads", default: 32, in: 1...1024)
        keyValueHeads = try config.int("num_key_value_heads", default: heads, in: 1...1024)
        guard heads.isMultiple(of: keyValueHeads) else {
            throw .model(
                "\(config.place): num_attention_heads (\(heads)) is not a multiple of num_key_value_heads "
                    + "(\(keyValueHeads))"
            )
        }
        if !config.has("head_dim"), !hiddenSize.isMultiple(of: heads) {
            throw .model(
                "\(config.place): hidden_size (\(hiddenSize)) is not a multiple of num_attention_heads (\(heads))")
        }
        headSize = try config.int("head_dim", default: hiddenSize / heads, in: 2...4096)
        guard headSize.isMultiple(of: 2) else {
            throw .model("\(config.place): head_dim is \(headSize); it must be even for rotary embedding")
        }
        rmsNormEpsilon = try config.double("rms_norm_eps", default: 1e-6, in: 0...1)
        maximumPositions = try config.size("max_position_embeddings", default: 2048)
        queryKeyValueBias = try config.bool("attention_bias", default: false)
        outputBias = queryKeyValueBias
        feedForwardBias = try config.bool("mlp_bias", default: false)
        (queryKeyNorm, window) = (false, nil)
        tiesEmbeddings = try config.bool("tie_word_embeddings", default: false)
        let activation = try config.string("hidden_act", default: "silu")
        guard activation == "silu" || activation == "swish" else {
            throw .unsupported("\(config.place): hidden_act is \"\(activation)\"; the Llama decoder supports \"silu\"")
        }
        rotary = try RotaryConfiguration(config)
        let ids = 0...(vocabularySize - 1)
        endTokens = try config.ints("eos_token_id", in: ids)
        beginToken = try config.ints("bos_token_id", in: ids).first
        // −1 means "none" in some configs.
        padToken = try config.ints("pad_token_id", in: -1...(vocabularySize - 1)).first { $0 >= 0 }
    }
}
