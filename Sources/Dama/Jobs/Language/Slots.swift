import DamaSupport

/// Limits how many calls run at once; further callers wait.
package struct Slots: Sendable {
    private let semaphore: CountingSemaphore

    init(count: Int) { semaphore = CountingSemaphore(value: count) }

    /// - Throws: ``DamaError/Code/invalidArgument`` for a number of requests that no server or machine is meant for.
    package init(concurrency: Int) throws(DamaError) {
        guard (1...256).contains(concurrency) else {
            throw .invalidArgument("requests at once: expected 1 to 256, found \(concurrency)")
        }
        self.init(count: concurrency)
    }

    package func run<Result>(
        _ stop: StopSignal, _ body: () throws(DamaError) -> Result
    ) throws(DamaError) -> Result {
        try stop.check()
        while !semaphore.wait(milliseconds: StopSignal.interval) { try stop.check() }
        defer { semaphore.signal() }
        return try body()
    }
}
