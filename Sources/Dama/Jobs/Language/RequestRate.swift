import DamaSupport
import Glibc
import Synchronization

/// Limits how often requests begin. They are spaced evenly, so that no minute has more than the limit.
public final class RequestRate: Sendable {
    /// The least time between two requests, in seconds.
    private let interval: Double
    private let clock: any WaitingClock
    private let state = Mutex(State())

    private struct State {
        /// When the next request may begin.
        var next = -Double.infinity
        /// When the server, which asked for a pause, may be asked again.
        var heldUntil = -Double.infinity
    }

    /// - Parameter perMinute: The most requests in a minute, retries included.
    /// - Throws: ``DamaError/Code/invalidArgument`` unless it is a positive number.
    public convenience init(perMinute: Double) throws(DamaError) {
        try self.init(perMinute: perMinute, clock: MonotonicClock())
    }

    package init(perMinute: Double, clock: any WaitingClock) throws(DamaError) {
        guard perMinute > 0, perMinute.isFinite else {
            throw .invalidArgument("requests per minute: expected a positive number, found \(perMinute)")
        }
        interval = 60 / perMinute
        self.clock = clock
    }

    /// Returns when the next request may begin.
    ///
    /// - Throws: ``DamaError/cancelled`` once `stop` is set.
    public func wait(_ stop: StopSignal) throws(DamaError) {
        let turn = state.withLock { state in
            let turn = max(clock.now, state.next)
            state.next = turn + interval
            return turn
        }
        while true {
            try stop.check()
            let left = max(turn, state.withLock { $0.heldUntil }) - clock.now
            guard left > 0 else { return }
            try clock.sleep(left, stop)
        }
    }

    /// Lets no request begin for some seconds, as the server asked.
    package func hold(_ seconds: Double) {
        state.withLock { $0.heldUntil = max($0.heldUntil, clock.now + seconds) }
    }
}

/// A clock that code can wait for; tests have one that does not take time.
package protocol WaitingClock: Sendable {
    /// Seconds since some fixed time.
    var now: Double { get }

    /// Waits, or throws ``DamaError/cancelled`` once `stop` is set.
    func sleep(_ seconds: Double, _ stop: StopSignal) throws(DamaError)
}

package struct MonotonicClock: WaitingClock {
    package init() {}

    package var now: Double { monotonicSeconds() }

    package func sleep(_ seconds: Double, _ stop: StopSignal) throws(DamaError) {
        let end = now + seconds
        while true {
            try stop.check()
            let left = end - now
            guard left > 0 else { return }
            usleep(UInt32(min(left * 1000, Double(StopSignal.interval)) * 1000))
        }
    }
}
