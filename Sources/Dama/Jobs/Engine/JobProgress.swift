import DamaSupport
import Glibc

/// How far a job over a dataset has come.
public struct JobProgress: Equatable, Sendable {
    /// What the job is doing.
    public enum Phase: Int32, CaseIterable, Sendable {
        /// Reading the input through once: its rows are counted, and its hash says later whether it is still the same.
        case scanning = 0
        /// Computing rows.
        case computing = 1
        /// Writing the results.
        case writing = 2
    }

    public var phase: Phase
    /// Rows done, rejected ones and those of earlier runs included.
    public var rowsDone: Int
    /// Rows of the input; 0 while scanning.
    public var rowsTotal: Int
    public var rowsRejected: Int
    /// Rows that an earlier run of the same job had done.
    public var rowsResumed: Int
    /// Time since the job began, in seconds.
    public var seconds: Double
    /// Rows a second in this run; 0 before the first.
    public var rowsPerSecond: Double

    /// Time left at that rate, in seconds; `nil` while it cannot be told.
    public var secondsLeft: Double? {
        rowsPerSecond > 0 && rowsTotal >= rowsDone ? Double(rowsTotal - rowsDone) / rowsPerSecond : nil
    }
}

/// Called on the job's own thread, many times a second at best and after each step of a model at least. Throws to stop
/// the job, which keeps what is done.
public typealias JobObserver = (JobProgress) throws(DamaError) -> Void

/// Keeps the counts of a running job and tells its observer.
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

/// Seconds of a clock that nobody sets.
func monotonicSeconds() -> Double {
    var time = timespec()
    clock_gettime(CLOCK_MONOTONIC, &time)
    return Double(time.tv_sec) + Double(time.tv_nsec) * 1e-9
}
