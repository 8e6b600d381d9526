import DamaSupport
import Synchronization

@testable import DamaRuntime

/// A device that is lost after some copies, on an emulated one.
final class FailingBackend: DeviceBackend {
    private let backend: HostBackend
    /// The calls that still succeed; `nil` for all.
    private let left = Mutex<Int?>(nil)
    private let memory = Mutex(true)

    init(_ backend: HostBackend) { self.backend = backend }

    /// Of begin, copies, waits for copies and end the next `count` succeed, and all later ones fail; `nil` for none.
    func fail(after count: Int?) { left.withLock { $0 = count } }

    /// Whether there is memory for copies.
    var hasMemory: Bool {
        get { memory.withLock { $0 } }
        set { memory.withLock { $0 = newValue } }
    }

    fileprivate func count() throws(DamaError) {
        let isLost = left.withLock { left in
            guard let found = left else { return false }
            left = max(0, found - 1)
            return found == 0
        }
        if isLost { throw .model("the device is lost") }
    }

    var device: Device { backend.device }
    var isHost: Bool { backend.isHost }
    var stream: UnsafeMutableRawPointer? { backend.stream }
    let stagingPool = StagingPool()
    func allocate(_ byteCount: Int) throws(DamaError) -> UnsafeMutableRawPointer { try backend.allocate(byteCount) }
    func release(_ memory: UnsafeMutableRawPointer, _ byteCount: Int) { backend.release(memory, byteCount) }
    func copyIn(_ source: UnsafeRawBufferPointer, to target: UnsafeMutableRawPointer) throws(DamaError) {
        try backend.copyIn(source, to: target)
    }
    func copyOut(_ source: UnsafeRawPointer, to target: UnsafeMutableRawBufferPointer) throws(DamaError) {
        try backend.copyOut(source, to: target)
    }
    func copy(_ source: UnsafeRawPointer, to target: UnsafeMutableRawPointer, byteCount: Int) throws(DamaError) {
        try backend.copy(source, to: target, byteCount: byteCount)
    }
    func clear(_ memory: UnsafeMutableRawPointer, byteCount: Int) throws(DamaError) {
        try backend.clear(memory, byteCount: byteCount)
    }
    func working<Result>(_ body: () throws(DamaError) -> Result) throws(DamaError) -> Result {
        try backend.working(body)
    }
    func memory(resets: Bool) throws(DamaError) -> DeviceMemoryUse { try backend.memory(resets: resets) }

    func transfers(tickets: Int) throws(DamaError) -> any DeviceTransfers {
        FailingTransfers(self, try backend.transfers(tickets: tickets))
    }

    func staging(_ byteCount: Int) throws(DamaError) -> StagingMemory {
        guard hasMemory else { throw .outOfMemory("there is no memory") }
        return try backend.staging(byteCount)
    }
}

private final class FailingTransfers: DeviceTransfers {
    private let backend: FailingBackend
    private let transfers: any DeviceTransfers
    /// Tickets whose last copy was not waited for.
    private let pending = Mutex<Set<Int>>([])

    init(_ backend: FailingBackend, _ transfers: any DeviceTransfers) {
        (self.backend, self.transfers) = (backend, transfers)
    }

    func begin() throws(DamaError) {
        try backend.count()
        try transfers.begin()
    }

    func copyOut(
        _ source: UnsafeRawPointer, to target: UnsafeMutableRawBufferPointer, ticket: Int
    ) throws(DamaError) {
        try backend.count()
        pending.withLock { _ = $0.insert(ticket) }
        try transfers.copyOut(source, to: target, ticket: ticket)
    }

    func copyIn(_ source: UnsafeRawBufferPointer, to target: UnsafeMutableRawPointer, ticket: Int) throws(DamaError) {
        try backend.count()
        pending.withLock { _ = $0.insert(ticket) }
        try transfers.copyIn(source, to: target, ticket: ticket)
    }

    func wait(for ticket: Int) throws(DamaError) {
        if pending.withLock({ $0.remove(ticket) }) != nil { try backend.count() }
        try transfers.wait(for: ticket)
    }

    func end() throws(DamaError) {
        try backend.count()
        try transfers.end()
    }

    func abandon() {
        pending.withLock { $0 = [] }
        transfers.abandon()
    }
}
