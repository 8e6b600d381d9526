import CDamaShims
import DamaSupport

/// Numbers rounded to a type of 2 bytes, in host memory.
final class RoundedMemory {
    let bytes: UnsafeRawBufferPointer
    private let memory: UnsafeMutablePointer<UInt16>

    /// - Parameter type: float16 or bfloat16.
    init(_ values: FloatMemory, as type: ElementType) throws(DamaError) {
        let count = values.count
        try Allocation.check(count, of: 2, for: "\(count) rounded weights")
        memory = UnsafeMutablePointer<UInt16>.allocate(capacity: max(1, count))
        bytes = UnsafeRawBufferPointer(start: memory, count: count * 2)
        guard let source = values.elements.baseAddress else { return }
        nonisolated(unsafe) let (from, to) = (source, memory)
        let round = type == .bfloat16 ? cdama_float_to_bfloat16 : cdama_float_to_half
        let piece = 1 << 18
        Concurrent.forEach((count + piece - 1) / piece) { number in
            let start = number * piece
            round(to + start, from + start, min(piece, count - start))
        }
    }

    deinit { memory.deallocate() }
}
