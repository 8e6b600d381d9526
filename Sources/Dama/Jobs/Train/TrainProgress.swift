import DamaSupport
import DamaTraining

/// The progress of a training job.
public struct TrainProgress: Sendable {
    /// Batches done, including those of earlier runs.
    public var batch: Int
    /// Batches of the whole job.
    public var batches: Int
    /// The epoch, from 0.
    public var epoch: Int
    /// The metrics of the last batch; `nil` before the first.
    public var metrics: StepMetrics?
    /// Time since this run started training, in seconds.
    public var seconds: Double
    /// Batches per second in this run; 0 before the first.
    public var batchesPerSecond: Double

    /// Time left at that rate, in seconds; `nil` if it is unknown.
    public var secondsLeft: Double? {
        batchesPerSecond > 0 ? Double(batches - batch) / batchesPerSecond : nil
    }
}

/// The events that a training job sends to its observer.
public enum TrainEvent: Sendable {
    /// The reference's log-probabilities are being computed.
    case reference(JobProgress)
    /// A batch is done.
    case progress(TrainProgress)
    /// A one-line message for the user.
    case notice(String)
}

/// The result of a training job.
public struct TrainSummary: Sendable {
    public var batches: Int
    /// Batches that changed the weights.
    public var steps: UInt64
    /// Batches whose loss or gradient was not finite.
    public var skipped: UInt64
    public var pairs: Int
    public var rowsRejected: Int
    /// The folder of the model or the adapters; `nil` if nothing was exported.
    public var exported: String?
    /// Whether an earlier run had already finished the job.
    public var wasComplete = false
}
