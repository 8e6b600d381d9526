import DamaSupport

/// Copies between the host and a device that go on while both work.
///
/// A ticket, a number below that of the opening, stands for the last copy that was started with it. Copies that start
/// after ``begin()`` see what the device's earlier work wrote, and work that starts after ``end()`` sees the copies.
/// Not for use by two threads at the same time.
package protocol DeviceTransfers: AnyObject, Sendable {
    func begin() throws(DamaError)

    /// Starts a copy to the host. Both sides stay as they are until ``wait(for:)`` returns.
    func copyOut(
        _ source: UnsafeRawPointer, to target: UnsafeMutableRawBufferPointer, ticket: Int
    ) throws(DamaError)

    /// Starts a copy to the device. The source stays as it is until ``wait(for:)`` returns.
    func copyIn(_ source: UnsafeRawBufferPointer, to target: UnsafeMutableRawPointer, ticket: Int) throws(DamaError)

    /// Waits until the last copy with the ticket is done, if there was one.
    func wait(for ticket: Int) throws(DamaError)

    func end() throws(DamaError)

    /// Waits until no copy goes on, whatever became of them.
    func abandon()
}

/// Memory of the host from and to which copies are fast, released with this object.
package final class StagingMemory: Sendable {
    package nonisolated(unsafe) let bytes: UnsafeMutableRawBufferPointer
    private let release: @Sendable () -> Void

    init(_ bytes: UnsafeMutableRawBufferPointer, release: @escaping @Sendable () -> Void) {
        (self.bytes, self.release) = (bytes, release)
    }

    deinit { release() }
}
