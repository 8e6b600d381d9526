import Synchronization

/// By which one thread asks work on others to stop. Whoever waits for something outside the process looks at it at least
/// every ``interval`` milliseconds.
public final class StopSignal: Sendable {
    /// How often whoever waits looks at it, in milliseconds.
    public static let interval = 50

    private let isSet = Atomic(false)

    public init() {}

    /// Asks to stop, from now on.
    public func stop() { isSet.store(true, ordering: .releasing) }

    public var isStopped: Bool { isSet.load(ordering: .acquiring) }

    /// - Throws: ``DamaError/cancelled`` once it was asked to stop.
    public func check() throws(DamaError) { if isStopped { throw .cancelled } }
}
