import Dama
import Glibc
import Synchronization

/// SIGINT and SIGTERM as a request to stop. The second one ends the process at once, as if nobody listened.
enum Interruption {
    private static let received = Atomic<Int32>(0)

    static func listen() {
        // Only what a signal handler may do: set an atomic, restore the default.
        let handler: @convention(c) (Int32) -> Void = { number in
            Interruption.received.store(number, ordering: .relaxed)
            signal(number, SIG_DFL)
        }
        // The first touch makes the atomic, which must not happen inside the handler.
        received.store(0, ordering: .relaxed)
        signal(SIGINT, handler)
        signal(SIGTERM, handler)
    }

    /// The signal that came, or `nil`.
    static var signalNumber: Int32? {
        let number = received.load(ordering: .relaxed)
        return number == 0 ? nil : number
    }

    /// Cancels `run` at a signal: a model may take long, and a signal is to reach it inside a run as well.
    static func cancel(_ run: RunOptions) throws(DamaError) -> Watch {
        let end = CountingSemaphore(value: 0)
        let thread = try BackgroundThread {
            while !end.wait(milliseconds: StopSignal.interval) {
                if signalNumber != nil { run.cancel() }
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
