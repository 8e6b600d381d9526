import DamaSupport
import Dispatch

/// At most so many at once; the others wait.
struct Slots: Sendable {
    private let semaphore: DispatchSemaphore

    init(count: Int) { semaphore = DispatchSemaphore(value: count) }

    func run<Result>(_ body: () throws(DamaError) -> Result) throws(DamaError) -> Result {
        semaphore.wait()
        defer { semaphore.signal() }
        return try body()
    }
}
