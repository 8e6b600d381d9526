import DamaSupport

/// The memory of a device other than the host's, and copies to and from it.
///
/// Work is in order: a copy sees what earlier runs of sessions on the device wrote. Safe for use by several threads.
package protocol DeviceBackend: AnyObject, Sendable {
    var device: Device { get }
    /// Whether the memory is the host's, so that the CPU's kernels work on it.
    var isHost: Bool { get }
    /// The stream on which kernels start, a CUstream; `nil` on the host.
    var stream: UnsafeMutableRawPointer? { get }

    /// Memory with undefined contents.
    ///
    /// - Throws: ``DamaError/Code/outOfMemory`` with the bytes that were asked for and those that are free.
    func allocate(_ byteCount: Int) throws(DamaError) -> UnsafeMutableRawPointer
    func release(_ memory: UnsafeMutableRawPointer, _ byteCount: Int)

    /// Copies from the host; the source may be reused when this returns.
    func copyIn(_ source: UnsafeRawBufferPointer, to target: UnsafeMutableRawPointer) throws(DamaError)
    /// Copies to the host; the target is complete when this returns.
    func copyOut(_ source: UnsafeRawPointer, to target: UnsafeMutableRawBufferPointer) throws(DamaError)
    /// Copies within the device; the ranges do not overlap.
    func copy(_ source: UnsafeRawPointer, to target: UnsafeMutableRawPointer, byteCount: Int) throws(DamaError)
    func clear(_ memory: UnsafeMutableRawPointer, byteCount: Int) throws(DamaError)

    /// Makes copies possible that go on beside other work.
    ///
    /// - Parameter tickets: the number of tickets, from 1.
    func transfers(tickets: Int) throws(DamaError) -> any DeviceTransfers
    /// Host memory with undefined contents for these copies, page-locked if the system allows it.
    func staging(_ byteCount: Int) throws(DamaError) -> StagingMemory
    /// Such memory for the inputs of runs.
    var stagingPool: StagingPool { get }

    /// Runs `body`, in which kernels of the device are started in this thread, or read and write its memory.
    func working<Result>(_ body: () throws(DamaError) -> Result) throws(DamaError) -> Result

    /// The memory in use; `resets` starts a new measurement of the peak.
    func memory(resets: Bool) throws(DamaError) -> DeviceMemoryUse
}

/// Bytes of a device's memory.
package struct DeviceMemoryUse: Equatable, Sendable {
    package var total: UInt64
    /// Bytes that no process uses.
    package var available: UInt64
    /// Bytes that this library uses, and the most that it used at once.
    package var used: UInt64
    package var peak: UInt64
}

/// A range of a device's memory, released with this object.
package final class DeviceMemory: @unchecked Sendable {
    package let backend: any DeviceBackend
    package let start: UnsafeMutableRawPointer
    package let byteCount: Int

    package init(_ backend: any DeviceBackend, byteCount: Int) throws(DamaError) {
        self.backend = backend
        self.byteCount = byteCount
        start = try backend.allocate(byteCount)
    }

    deinit { backend.release(start, byteCount) }
}
