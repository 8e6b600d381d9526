import DamaSupport
import Glibc

/// The progress of a job over a dataset.
public struct JobProgress: Equatable, Sendable {
    /// What the job is doing.
    public enum Phase: Int32, CaseIterable, Sendable {
        /// Reading the input once to count its rows and to compute the hash that later identifies it.
        case scanning = 0
        /// Computing rows.
        case computing = 1
        /// Writing the results.
        case writing = 2
    }

    public var phase: Phase
    /// Rows done, including rejected rows and those of earlier runs.
    public var rowsDone: Int
    /// Rows of the input; 0 while scanning.
    public var rowsTotal: Int
    public var rowsRejected: Int
    /// Rows done by an earlier run of the same job.
    public var rowsResumed: Int
    /// Time since the job began, in seconds.
    public var seconds: Double
    /// Rows per second in this run; 0 before the first.
    public var rowsPerSecond: Double

    /// Time left at that rate, in seconds; `nil` if it is unknown.
    public var secondsLeft: Double? {
        rowsPerSecond > 0 && rowsTotal >= rowsDone ? Double(rowsTotal - rowsDone) / rowsPerSecond : nil
    }
}

/// Called on the job's own thread, up to many times a second, and at least after each step of a model. If it throws,
/// the job stops and keeps the rows that are done.
public typealias JobObserver = (JobProgress) throws(DamaError) -> Void

/// Keeps the counts of a running job and reports them to its observer.
struct ProgressReporter {
    private var progress: JobProgress
    private let start = monotonicSeconds()
    private var computingStart = 0.0
    private let observer: JobObserver

    init(observer: @escaping JobObserver) {
        self.observer = observer
        progress = JobProgress(
            phase: .scanning, rowsDone: 0, rowsTotal: 0, rowsRejected: 0, rowsResumed: 0, seconds: 0, rowsPerSecond: 0)
    }

    var current: JobProgress { progress }

    mutating func beginComputing(rowsTotal: Int, rowsResumed: Int, rowsRejected: Int) throws(DamaError) {
        progress.phase = .computing
        progress.rowsTotal = rowsTotal
        progress.rowsDone = rowsResumed
        progress.rowsResumed = rowsResumed
        progress.rowsRejected = rowsRejected
        computingStart = monotonicSeconds()
        try report()
    }

    mutating func add(rows: Int, rejected: Int) {
        progress.rowsDone += rows
        progress.rowsRejected += rejected
        let elapsed = monotonicSeconds() - computingStart
        progress.rowsPerSecond = elapsed > 0 ? Double(progress.rowsDone - progress.rowsResumed) / elapsed : 0
    }

    mutating func beginWriting() throws(DamaError) {
        progress.phase = .writing
        try report()
    }

    mutating func report() throws(DamaError) {
        progress.seconds = monotonicSeconds() - start
        try observer(progress)
    }
}

/// Seconds of the monotonic clock.
func monotonicSeconds() -> Double {
    var time = timespec()
    clock_gettime(CLOCK_MONOTONIC, &time)
    return Double(time.tv_sec) + Double(time.tv_nsec) * 1e-9
}
