import Synchronization

/// A request to stop, from one thread to the work of others. Code that waits for something outside the process checks
/// the signal at least every ``interval`` milliseconds.
public final class StopSignal: Sendable {
    /// The longest time between two checks while waiting, in milliseconds.
    public static let interval = 50

    private let isSet = Atomic(false)
    private let listeners = Mutex(Listeners())

    private struct Listeners {
        var next = 0
        var actions: [Int: @Sendable () -> Void] = [:]
    }

    public init() {}

    /// Requests a stop, permanently.
    public func stop() {
        listeners.withLock {
            isSet.store(true, ordering: .releasing)
            for action in $0.actions.values { action() }
        }
    }

    public var isStopped: Bool { isSet.load(ordering: .acquiring) }

    /// - Throws: ``DamaError/cancelled`` once a stop was requested.
    public func check() throws(DamaError) { if isStopped { throw .cancelled } }

    /// Runs work that cannot check the signal itself, such as a model.
    ///
    /// - Parameter action: Stops the work. ``stop()`` calls it on its thread while `body` runs; it must return at once.
    /// - Throws: ``DamaError/cancelled``, without running `body`, if a stop was requested before.
    public func whileHeard<Result>(
        by action: @escaping @Sendable () -> Void, _ body: () throws(DamaError) -> Result
    ) throws(DamaError) -> Result {
        let key: Int? = listeners.withLock {
            if isStopped { return nil }
            $0.next += 1
            $0.actions[$0.next] = action
            return $0.next
        }
        guard let key else { throw .cancelled }
        defer { _ = listeners.withLock { $0.actions.removeValue(forKey: key) } }
        return try body()
    }
}
