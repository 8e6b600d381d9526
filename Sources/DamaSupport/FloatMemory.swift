/// Floats in memory of our own, aligned for vector instructions. Its users see to it that no two threads write at once.
public final class FloatMemory: @unchecked Sendable {
    public let elements: UnsafeMutableBufferPointer<Float>
    private let memory: UnsafeMutableRawPointer

    /// Memory for `count` numbers, all 0.
    public init(count: Int) {
        memory = .allocate(byteCount: max(1, count) * MemoryLayout<Float>.stride, alignment: 64)
        elements = UnsafeMutableBufferPointer(
            start: memory.bindMemory(to: Float.self, capacity: count), count: count)
        elements.update(repeating: 0)
    }

    deinit { memory.deallocate() }

    public var count: Int { elements.count }
    public var bytes: UnsafeRawBufferPointer { UnsafeRawBufferPointer(elements) }
    public func clear() { elements.update(repeating: 0) }
}
