/// Where a training job writes, in its output folder.
public struct TrainPaths: Equatable, Sendable {
    public let folder: String

    public init(folder: String) { self.folder = folder }

    /// A line for each batch.
    public var metrics: String { "\(folder)/metrics.jsonl" }
    /// Event files.
    public var tensorBoard: String { "\(folder)/tensorboard" }
    public var checkpoints: String { "\(folder)/checkpoints" }
    /// Rows that were left out, with line and reason.
    public var rejects: String { "\(folder)/rejects.jsonl" }
    /// The reference's log-probabilities, where the job computed them itself.
    public var reference: String { "\(folder)/reference.jsonl" }
    /// Counts and settings, once the job is done.
    public var summary: String { "\(folder)/summary.json" }
    /// The trained model, or the adapters.
    public var model: String { "\(folder)/model" }
}
