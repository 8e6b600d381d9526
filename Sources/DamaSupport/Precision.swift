/// The type that a model's graphs have for weights and for what they compute. Statistics, log-probabilities, losses and
/// the optimizer stay in float32 with every precision.
public enum Precision: String, Hashable, Sendable, CaseIterable {
    case float32
    /// float32's range with 8 bits of precision. The CPU's kernels do not support it.
    case bfloat16
    /// 11 bits of precision; the largest number is 65,504, the smallest normal one 6.1 · 10⁻⁵.
    case float16

    public var elementType: ElementType {
        switch self {
        case .float32: .float32
        case .bfloat16: .bfloat16
        case .float16: .float16
        }
    }

    /// What fingerprints add: nothing for float32, so that those of versions without other precisions stay.
    package var mark: String { self == .float32 ? "" : " in \(rawValue)" }
}
