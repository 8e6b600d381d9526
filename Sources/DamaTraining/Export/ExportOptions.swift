import DamaModels
import DamaSupport

/// How a trained policy is written.
public struct ExportOptions: Sendable {
    /// The type of trained weights: fp32, or rounded to nearest, ties to even, as fp16 or bf16. Frozen weights keep the
    /// type that they have in the base model's files.
    public var type: WeightType
    /// The most bytes of tensors in one file; a single larger tensor has a file of its own.
    public var shardBytes: Int
    /// Whether a directory that is no earlier export is replaced, with all that it holds.
    public var replaces: Bool

    public init(type: WeightType = .float32, shardBytes: Int = 5_000_000_000, replaces: Bool = false) {
        (self.type, self.shardBytes, self.replaces) = (type, shardBytes, replaces)
    }

    func check() throws(DamaError) {
        guard [.float32, .float16, .bfloat16].contains(type) else {
            throw .invalidArgument("trained weights cannot be written as \(type.name); there are F32, F16 and BF16")
        }
        guard shardBytes > 0 else {
            throw .invalidArgument("the limit of a file is \(shardBytes) bytes; it must be positive")
        }
    }
}
