import DamaSupport

/// Limits how many calls run at once; further callers wait.
struct Slots: Sendable {
    private let semaphore: CountingSemaphore

    init(count: Int) { semaphore = CountingSemaphore(value: count) }

    func run<Result>(_ stop: StopSignal, _ body: () throws(DamaError) -> Result) throws(DamaError) -> Result {
        try stop.check()
        while !semaphore.wait(milliseconds: StopSignal.interval) { try stop.check() }
        defer { semaphore.signal() }
        return try body()
    }
}
