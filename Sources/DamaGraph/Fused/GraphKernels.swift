/// The kernels of this library that a graph is written with, instead of plain operators of ONNX.
///
/// Such a graph runs in sessions with `SessionOptions.registersKernels`.
public struct GraphKernels: Equatable, Sendable {
    /// Those of ``FusedOperators``, where there are any.
    public let fused: Bool
    /// Attention as one of them too. On a device it computes in float16 and bfloat16 only.
    public let flash: Bool

    public init(fused: Bool = false, flash: Bool = false) { (self.fused, self.flash) = (fused, fused && flash) }

    /// Plain operators alone.
    public static let none = GraphKernels()
}
