import Dama
import Glibc
import Synchronization

/// Handles SIGINT and SIGTERM as a request to stop. A second signal ends the process at once, as by default.
enum Interruption {
    private static let received = Atomic<Int32>(0)

    static func listen() {
        // Limited to operations allowed in a signal handler: set an atomic, restore the default action.
        let handler: @convention(c) (Int32) -> Void = { number in
            Interruption.received.store(number, ordering: .relaxed)
            signal(number, SIG_DFL)
        }
        // The first access initialises the atomic, which must not happen inside the handler.
        received.store(0, ordering: .relaxed)
        signal(SIGINT, handler)
        signal(SIGTERM, handler)
    }

    /// The received signal, or `nil`.
    static var signalNumber: Int32? {
        let number = received.load(ordering: .relaxed)
        return number == 0 ? nil : number
    }

    /// Cancels `run` when a signal arrives. A run of a model may take long, so the signal must take effect inside it.
    static func cancel(_ run: RunOptions) throws(DamaError) -> Watch { try onSignal { run.cancel() } }

    /// Sets `stop` when a signal arrives.
    static func set(_ stop: StopSignal) throws(DamaError) -> Watch { try onSignal { stop.stop() } }

    private static func onSignal(_ action: @escaping @Sendable () -> Void) throws(DamaError) -> Watch {
        let end = CountingSemaphore(value: 0)
        let thread = try BackgroundThread {
            while !end.wait(milliseconds: StopSignal.interval) {
                if signalNumber != nil { action() }
            }
        }
        return Watch(end: end, thread: thread)
    }

    /// A thread that waits for signals.
    struct Watch {
        fileprivate let end: CountingSemaphore
        fileprivate let thread: BackgroundThread

        func cancel() {
            end.signal()
            thread.join()
        }
    }
}
