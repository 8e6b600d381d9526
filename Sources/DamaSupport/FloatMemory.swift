import Glibc

/// A buffer of floats, aligned for vector instructions. Callers make sure that no two threads write at once.
public final class FloatMemory: @unchecked Sendable {
    public let elements: UnsafeMutableBufferPointer<Float>
    private let memory: UnsafeMutableRawPointer

    /// From this size on memory is in large pages, and several threads write the first zeros: 16 MB. The system finds
    /// each page at the first write, which for gigabytes takes longer than the writing.
    private static let large = 1 << 22
    private static let largePage = 1 << 21

    /// Memory for `count` numbers, all 0.
    ///
    /// - Throws: ``DamaError/Code/outOfMemory`` if the system does not have that much.
    public init(count: Int) throws(DamaError) {
        let (bytes, overflow) = max(1, count).multipliedReportingOverflow(by: MemoryLayout<Float>.stride)
        var memory: UnsafeMutableRawPointer?
        let isLarge = count >= Self.large
        guard count >= 0, !overflow, posix_memalign(&memory, isLarge ? Self.largePage : 64, bytes) == 0, let memory
        else {
            throw .outOfMemory("cannot allocate \(count) numbers of 4 bytes")
        }
        // A wish: without large pages the memory is the same.
        if isLarge { madvise(memory, bytes, MADV_HUGEPAGE) }
        self.memory = memory
        elements = UnsafeMutableBufferPointer(
            start: memory.bindMemory(to: Float.self, capacity: count), count: count)
        clear()
    }

    /// Memory for no numbers.
    public static let none = FloatMemory()

    private init() {
        memory = UnsafeMutableRawPointer.allocate(byteCount: 64, alignment: 64)
        elements = UnsafeMutableBufferPointer(start: nil, count: 0)
    }

    deinit { free(memory) }

    public var count: Int { elements.count }
    public var bytes: UnsafeRawBufferPointer { UnsafeRawBufferPointer(elements) }
    /// A copy of the numbers. ``elements`` do not keep the memory alive, as an array of them does.
    public var array: [Float] { withExtendedLifetime(self) { Array(elements) } }

    /// Sets all numbers to 0.
    public func clear() {
        guard count >= Self.large, let start = elements.baseAddress else { return elements.update(repeating: 0) }
        nonisolated(unsafe) let first = start
        let (count, piece) = (count, Self.large)
        Concurrent.forEach((count + piece - 1) / piece) { number in
            (first + number * piece).update(repeating: 0, count: min(piece, count - number * piece))
        }
    }
}
