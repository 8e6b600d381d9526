import DamaSupport
import Glibc

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
        nonisolated(unsafe) let (from, to) = (values.elements, memory)
        let piece = 1 << 18
        Concurrent.forEach((count + piece - 1) / piece, threads: Processors.usable) { number in
            let range = number * piece..<min(count, (number + 1) * piece)
            if type == .bfloat16 {
                for index in range { to[index] = BFloat16(from[index]).bits }
            } else {
                for index in range { to[index] = Float16(from[index]).bitPattern }
            }
        }
    }

    deinit { memory.deallocate() }
}
