/// The paths that a training job writes to, in its output folder.
public struct TrainPaths: Equatable, Sendable {
    public let folder: String

    public init(folder: String) { self.folder = folder }

    /// The metrics, one line per batch.
    public var metrics: String { "\(folder)/metrics.jsonl" }
    /// What each step did with its pairs, one line per batch, if asked for.
    public var pairs: String { "\(folder)/pairs.jsonl" }
    /// The folder of TensorBoard event files.
    public var tensorBoard: String { "\(folder)/tensorboard" }
    public var checkpoints: String { "\(folder)/checkpoints" }
    /// Rejected rows, with line and reason.
    public var rejects: String { "\(folder)/rejects.jsonl" }
    /// The reference's log-probabilities, if the job computed them.
    public var reference: String { "\(folder)/reference.jsonl" }
    /// The same of the held-out pairs of a file.
    public var heldOutReference: String { "\(folder)/eval_reference.jsonl" }
    /// Counts and settings, written when the job is done.
    public var summary: String { "\(folder)/summary.json" }
    /// The trained model, or its adapters.
    public var model: String { "\(folder)/model" }
}
