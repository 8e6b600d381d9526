import DamaSupport
import DamaTraining

/// How far a training job has come.
public struct TrainProgress: Sendable {
    /// Batches taken, those of earlier runs included.
    public var batch: Int
    /// Batches of the whole job.
    public var batches: Int
    /// From 0.
    public var epoch: Int
    /// Of the last batch; `nil` before the first.
    public var metrics: StepMetrics?
    /// Time since this run began to train, in seconds.
    public var seconds: Double
    /// Batches a second in this run; 0 before the first.
    public var batchesPerSecond: Double

    /// Time left at that rate, in seconds; `nil` while it cannot be told.
    public var secondsLeft: Double? {
        batchesPerSecond > 0 ? Double(batches - batch) / batchesPerSecond : nil
    }
}

/// What a training job tells its observer.
public enum TrainEvent: Sendable {
    /// The reference's log-probabilities are being computed.
    case reference(JobProgress)
    /// A batch is done.
    case progress(TrainProgress)
    /// A line for the user.
    case notice(String)
}

/// How a training job ended.
public struct TrainSummary: Sendable {
    public var batches: Int
    /// Batches that changed the weights.
    public var steps: UInt64
    /// Batches whose loss or gradient was not finite.
    public var skipped: UInt64
    public var pairs: Int
    public var rowsRejected: Int
    /// Where the model or the adapters are; `nil` where nothing was to be exported.
    public var exported: String?
    /// Whether an earlier run had finished the job already.
    public var wasComplete = false
}
