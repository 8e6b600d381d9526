import DamaSupport

/// The operators of the domain "dama": kernels of this library that do the work of several operators of ONNX.
///
/// CDamaCuda implements them for CUDA devices and, for tests, for the CPU. A session that runs a graph with them needs
/// `SessionOptions.registersKernels`. An operator's name stands for float; those for other types have a suffix
/// (``name(_:for:)``).
public enum FusedOperators {
    public static let domain = "dama"
    /// The version of the domain that graphs import.
    static let version = 1

    /// The queries of a tile of attention, and its keys.
    static let attentionTile = 64
    /// The sizes of heads that have kernels of attention.
    static let attentionSizes: Set<Int> = [32, 64, 128]

    /// The longest rows of norms: CDAMA_LONGEST_NORM.
    static let longestNorm = 8192

    /// The inputs and outputs of each operator that are float whatever the type of the operator is: tables, statistics,
    /// log-probabilities and sums.
    public static let float32: [String: (inputs: Set<Int>, outputs: Set<Int>)] = [
        "RotaryHeads": (inputs: [2, 3], outputs: []),
        "MaskSoftmax": (inputs: [], outputs: []),
        "SoftmaxGrad": (inputs: [2], outputs: []),
        "RowDot": (inputs: [], outputs: [0]),
        "RmsNormGrad": (inputs: [3], outputs: []),
        "RmsNormScaleGrad": (inputs: [2], outputs: []),
        "MaskTiles": (inputs: [], outputs: []),
        "FlashAttention": (inputs: [], outputs: [1]),
        "FlashAttentionGrad": (inputs: [4, 5], outputs: []),
        "AddBias": (inputs: [], outputs: []),
        "RmsNorm": (inputs: [], outputs: [1]),
        "AddedRmsNorm": (inputs: [], outputs: [2]),
        "LayerNorm": (inputs: [], outputs: [1, 2]),
        "TokenEmbeddings": (inputs: [], outputs: []),
        "PackedMask": (inputs: [], outputs: []),
        "SumRows": (inputs: [], outputs: []),
        "AddedProduct": (inputs: [], outputs: []),
        "WeightGradient": (inputs: [2], outputs: [0]),
        "SwiGLU": (inputs: [], outputs: []),
        "SwiGLUGrad": (inputs: [], outputs: []),
        "Likeliest": (inputs: [], outputs: []),
        "TokenLogProbabilities": (inputs: [], outputs: [0, 1]),
        "TokenLogProbabilitiesGrad": (inputs: [2, 3], outputs: []),
    ]

    /// The operator's name for tensors of `type`; `nil` if it has no kernel for them.
    public static func name(_ op: String, for type: ElementType) -> String? {
        switch type {
        case .float32: op
        case .float16: "\(op)_f16"
        case .bfloat16: "\(op)_bf16"
        default: nil
        }
    }
}
