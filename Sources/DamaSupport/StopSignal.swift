import Synchronization

/// By which one thread asks work on others to stop. Whoever waits for something outside the process looks at it at least
/// every ``interval`` milliseconds.
public final class StopSignal: Sendable {
    /// How often whoever waits looks at it, in milliseconds.
    public static let interval = 50

    private let isSet = Atomic(false)
    private let listeners = Mutex(Listeners())

    private struct Listeners {
        var next = 0
        var actions: [Int: @Sendable () -> Void] = [:]
    }

    public init() {}

    /// Asks to stop, from now on.
    public func stop() {
        listeners.withLock {
            isSet.store(true, ordering: .releasing)
            for action in $0.actions.values { action() }
        }
    }

    public var isStopped: Bool { isSet.load(ordering: .acquiring) }

    /// - Throws: ``DamaError/cancelled`` once it was asked to stop.
    public func check() throws(DamaError) { if isStopped { throw .cancelled } }

    /// Runs work that cannot look at the signal itself, such as a model.
    ///
    /// - Parameter action: Stops the work. Called by ``stop()`` on its thread while `body` runs; it must return at once.
    /// - Throws: ``DamaError/cancelled``, without running `body`, where it was asked to stop before.
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
