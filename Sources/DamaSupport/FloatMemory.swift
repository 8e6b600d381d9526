import Glibc

/// A buffer of floats, aligned for vector instructions. Callers make sure that no two threads write at once.
public final class FloatMemory: @unchecked Sendable {
    public let elements: UnsafeMutableBufferPointer<Float>
    private let memory: UnsafeMutableRawPointer

    /// Memory for `count` numbers, all 0.
    ///
    /// - Throws: ``DamaError/Code/outOfMemory`` if the system does not have that much.
    public init(count: Int) throws(DamaError) {
        let (bytes, overflow) = max(1, count).multipliedReportingOverflow(by: MemoryLayout<Float>.stride)
        var memory: UnsafeMutableRawPointer?
        guard count >= 0, !overflow, posix_memalign(&memory, 64, bytes) == 0, let memory else {
            throw .outOfMemory("cannot allocate \(count) numbers of 4 bytes")
        }
        self.memory = memory
        elements = UnsafeMutableBufferPointer(
            start: memory.bindMemory(to: Float.self, capacity: count), count: count)
        elements.update(repeating: 0)
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
    public func clear() { elements.update(repeating: 0) }
}
