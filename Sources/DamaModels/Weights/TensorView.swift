import CDamaShims
import DamaSupport

/// A weight in its mapped file. The view keeps the mapping alive.
public struct TensorView: @unchecked Sendable {
    public let name: String
    public let type: WeightType
    public let shape: [Int]
    /// The elements, row-major, little-endian, not necessarily aligned. Valid while the view or a copy of it exists.
    public let bytes: UnsafeRawBufferPointer
    /// Keeps `bytes` valid.
    public let owner: MappedFile

    /// The same weight under another name.
    func named(_ name: String) -> TensorView {
        TensorView(name: name, type: type, shape: shape, bytes: bytes, owner: owner)
    }

    /// The number of elements.
    public var count: Int { shape.reduce(1, *) }

    /// The elements as fp32. fp16 and bf16 convert exactly.
    ///
    /// - Throws: ``DamaError/Code/unsupported`` for any other type.
    public func floats() throws(DamaError) -> [Float] {
        try checkUsable()
        // Without this the initialiser would write to the memory that all empty arrays share.
        guard count > 0 else { return [] }
        return [Float](unsafeUninitializedCapacity: count) { buffer, initialized in
            convert(from: 0, into: UnsafeMutableBufferPointer(rebasing: buffer[..<count]))
            initialized = count
        }
    }

    /// Writes elements `start ..< start + target.count` as fp32 into the caller's memory; long ranges use several
    /// threads.
    ///
    /// - Throws: ``DamaError/Code/unsupported`` for a type that is not fp32, fp16 or bf16;
    ///   ``DamaError/Code/shapeMismatch`` if the range exceeds the tensor.
    public func copyFloats(from start: Int = 0, into target: UnsafeMutableBufferPointer<Float>) throws(DamaError) {
        try checkUsable()
        guard start >= 0, start <= count, target.count <= count - start else {
            throw .shapeMismatch(
                "tensor \"\(name)\" has \(count) elements; cannot copy \(target.count) from position \(start)")
        }
        convert(from: start, into: target)
    }

    private func checkUsable() throws(DamaError) {
        switch type {
        case .float32, .float16, .bfloat16: return
        default:
            throw .unsupported("tensor \"\(name)\" has the type \(type.name); it must be F32, F16 or BF16")
        }
    }

    private func convert(from start: Int, into target: UnsafeMutableBufferPointer<Float>) {
        guard let source = bytes.baseAddress, let destination = target.baseAddress else { return }
        nonisolated(unsafe) let from = source
        nonisolated(unsafe) let to = destination
        let type = self.type
        @Sendable func piece(_ range: Range<Int>) {
            let output = to + range.lowerBound
            let offset = start + range.lowerBound
            switch type {
            case .float16: cdama_float_from_half(output, from + 2 * offset, range.count)
            case .bfloat16: cdama_float_from_bfloat16(output, from + 2 * offset, range.count)
            default: UnsafeMutableRawPointer(output).copyMemory(from: from + 4 * offset, byteCount: 4 * range.count)
            }
        }
        let total = target.count
        let pieceSize = 1 << 18
        guard total > 2 * pieceSize else { return piece(0..<total) }
        Concurrent.forEach((total + pieceSize - 1) / pieceSize) { index in
            piece(index * pieceSize..<min((index + 1) * pieceSize, total))
        }
    }
}

/// The element types of the safetensors format. Types that libdama cannot compute with are listed and refused on use.
public enum WeightType: Hashable, Sendable {
    case float32
    case float16
    case bfloat16
    /// Any other type, by its name in the format: `F64`, `I64`, `F8_E4M3`, …
    case other(String)

    public init(name: String) {
        switch name {
        case "F32": self = .float32
        case "F16": self = .float16
        case "BF16": self = .bfloat16
        default: self = .other(name)
        }
    }

    /// The type's name in the format.
    public var name: String {
        switch self {
        case .float32: "F32"
        case .float16: "F16"
        case .bfloat16: "BF16"
        case .other(let name): name
        }
    }

    /// Bits of one element; `nil` for an unknown type.
    public var bits: Int? {
        switch name {
        case "F4": 4
        case "F6_E2M3", "F6_E3M2": 6
        case "BOOL", "U8", "I8", "F8_E4M3", "F8_E5M2", "F8_E8M0", "F8_E4M3FNUZ", "F8_E5M2FNUZ": 8
        case "F16", "BF16", "I16", "U16": 16
        case "F32", "I32", "U32": 32
        case "F64", "I64", "U64", "C64": 64
        default: nil
        }
    }
}
