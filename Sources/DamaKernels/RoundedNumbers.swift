import CDamaShims
import DamaSupport

/// The caller's memory for numbers in the type in which a device takes them: fp32, or rounded to bf16 or fp16 (to the
/// nearest, ties to even).
package struct RoundedNumbers: @unchecked Sendable {
    private let start: UnsafeMutableRawPointer
    private let type: ElementType
    /// What a kernel writes there; fp32 numbers are copied.
    let rounding: cdama_rounding

    /// - Throws: ``DamaError/Code/unsupported`` for another type.
    package init(_ start: UnsafeMutableRawPointer, _ type: ElementType) throws(DamaError) {
        (self.start, self.type) = (start, type)
        switch type {
        case .float32: rounding = CDAMA_ROUND_NOT
        case .bfloat16: rounding = CDAMA_ROUND_BFLOAT16
        case .float16: rounding = CDAMA_ROUND_HALF
        default: throw .unsupported("numbers of type \(type) cannot be trained")
        }
    }

    func place(_ index: Int) -> UnsafeMutableRawPointer { start + index * type.size }

    /// Writes `count` numbers, on up to `threads` threads; 0 for every processor.
    package func write(_ numbers: UnsafePointer<Float>, count: Int, threads: Int = 0) throws(DamaError) {
        let source = Shared(numbers)
        Parallel.forEachPiece(of: count, pieceSize: 1 << 18, threads: try Parallel.resolve(threads)) { range in
            write(source.pointer + range.lowerBound, at: range)
        }
    }

    /// - Parameter numbers: those of the range.
    func write(_ numbers: UnsafePointer<Float>, at range: Range<Int>) {
        let target = place(range.lowerBound)
        switch type {
        case .bfloat16: cdama_float_to_bfloat16(target, numbers, range.count)
        case .float16: cdama_float_to_half(target, numbers, range.count)
        default: target.copyMemory(from: numbers, byteCount: range.count * type.size)
        }
    }
}
