import DamaSupport
import Glibc
import Synchronization

/// Copies to and from host memory that stands in for a device's. Each is made as late as the protocol allows, so that
/// code that does not wait for a copy computes with old numbers, as it may with a real device.
final class HostTransfers: DeviceTransfers {
    private struct Copy: @unchecked Sendable {
        var ticket: Int
        var from: UnsafeRawPointer
        var to: UnsafeMutableRawPointer
        var byteCount: Int
    }

    private let backend: HostBackend
    /// The copies that are not made yet, in their order.
    private let pending = Mutex<[Copy]>([])

    init(_ backend: HostBackend) { self.backend = backend }

    func begin() throws(DamaError) {}

    func copyOut(
        _ source: UnsafeRawPointer, to target: UnsafeMutableRawBufferPointer, ticket: Int
    ) throws(DamaError) {
        guard let start = target.baseAddress else { return }
        add(Copy(ticket: ticket, from: source, to: start, byteCount: target.count))
    }

    func copyIn(_ source: UnsafeRawBufferPointer, to target: UnsafeMutableRawPointer, ticket: Int) throws(DamaError) {
        guard let start = source.baseAddress else { return }
        add(Copy(ticket: ticket, from: start, to: target, byteCount: source.count))
    }

    private func add(_ copy: Copy) { pending.withLock { $0.append(copy) } }

    func wait(for ticket: Int) throws(DamaError) { try make { $0.ticket == ticket } }

    func end() throws(DamaError) { try make { _ in true } }

    func abandon() { pending.withLock { $0 = [] } }

    private func make(_ selects: (Copy) -> Bool) throws(DamaError) {
        let copies = pending.withLock { pending in
            let chosen = pending.filter(selects)
            pending.removeAll(where: selects)
            return chosen
        }
        for copy in copies { try backend.copy(copy.from, to: copy.to, byteCount: copy.byteCount) }
    }
}

extension HostBackend {
    package func transfers(tickets: Int) throws(DamaError) -> any DeviceTransfers { HostTransfers(self) }

    package func staging(_ byteCount: Int) throws(DamaError) -> StagingMemory {
        var memory: UnsafeMutableRawPointer?
        guard byteCount >= 0, posix_memalign(&memory, 64, max(1, byteCount)) == 0, let memory else {
            throw .outOfMemory("cannot allocate \(byteCount) bytes for copies to \(device)")
        }
        nonisolated(unsafe) let found = memory
        return StagingMemory(UnsafeMutableRawBufferPointer(start: memory, count: byteCount)) { free(found) }
    }
}
