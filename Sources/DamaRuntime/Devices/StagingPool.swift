import DamaSupport
import Synchronization

/// Host memory from which copies to a device are fast, used again and again: to make and lock new pages takes longer than
/// the copy itself. Safe for use by several threads.
package final class StagingPool: Sendable {
    /// The pieces that are kept while nobody uses them.
    private static let kept = 2

    private let free = Mutex<[StagingMemory]>([])

    package init() {}

    /// Memory of at least `byteCount` bytes, which comes back to the pool with the last use of the lease.
    package func lease(_ byteCount: Int, _ backend: any DeviceBackend) throws(DamaError) -> Lease {
        let found: StagingMemory? = free.withLock { free in
            let fitting = free.indices.filter { free[$0].bytes.count >= byteCount }
            guard let place = fitting.min(by: { free[$0].bytes.count < free[$1].bytes.count }) else { return nil }
            return free.remove(at: place)
        }
        if let found { return Lease(found, self) }
        return Lease(try backend.staging(byteCount), self)
    }

    /// Keeps the largest pieces.
    fileprivate func take(_ memory: StagingMemory) {
        let dropped = free.withLock { free -> [StagingMemory] in
            free.append(memory)
            free.sort { $0.bytes.count > $1.bytes.count }
            let rest = Array(free.dropFirst(Self.kept))
            free.removeLast(rest.count)
            return rest
        }
        // Released here, outside the lock.
        withExtendedLifetime(dropped) {}
    }

    package final class Lease: Sendable {
        package let memory: StagingMemory
        private let pool: StagingPool

        fileprivate init(_ memory: StagingMemory, _ pool: StagingPool) { (self.memory, self.pool) = (memory, pool) }

        deinit { pool.take(memory) }
    }
}

extension TensorValue {
    /// A tensor on the CPU that sessions on `device` read, in memory from which copies to it are fast. The elements are
    /// undefined.
    package convenience init(
        _ runtime: OnnxRuntime, for device: Device, _ type: ElementType, shape: [Int]
    ) throws(DamaError) {
        if device == .cpu {
            try self.init(runtime, allocating: type, shape: shape)
            return
        }
        let size = try Self.byteCount(type, shape)
        let backend = try runtime.backend(device)
        let lease = try backend.stagingPool.lease(size, backend)
        try self.init(
            runtime, borrowing: UnsafeRawBufferPointer(rebasing: lease.memory.bytes[..<size]), type: type, shape: shape,
            owner: lease)
    }
}
