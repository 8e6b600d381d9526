import DamaModels
import DamaSupport

/// Options for writing a trained policy.
public struct ExportOptions: Sendable {
    /// The type of trained weights: fp32, or fp16 or bf16, rounded to nearest, ties to even. Frozen weights keep the
    /// type of the base model's files.
    public var type: WeightType
    /// The most bytes of tensors in one file; a larger tensor has a file of its own.
    public var shardBytes: Int
    /// Whether an existing directory that is not an export is replaced, with all its contents.
    public var replaces: Bool

    public init(type: WeightType = .float32, shardBytes: Int = 5_000_000_000, replaces: Bool = false) {
        (self.type, self.shardBytes, self.replaces) = (type, shardBytes, replaces)
    }

    func check() throws(DamaError) {
        guard [.float32, .float16, .bfloat16].contains(type) else {
            throw .invalidArgument(
                "trained weights cannot be written as \(type.name); the type must be F32, F16 or BF16")
        }
        guard shardBytes > 0 else {
            throw .invalidArgument("the maximum size of a file is \(shardBytes) bytes; it must be positive")
        }
    }
}
