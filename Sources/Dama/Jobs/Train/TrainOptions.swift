import DamaKernels
import DamaModels
import DamaPreference
import DamaSupport
import DamaTraining

/// What a training job reads, how it trains, and what it writes. ``init(_:place:)`` reads it from a configuration file;
/// docs/train.md describes the fields.
public struct TrainOptions: RowJobSettings {
    /// The preference dataset, as ``ScoreJob`` takes it, and the folder that everything goes into.
    public var rows: RowJobOptions
    /// What ``ScoreJob`` made of the dataset; `nil` for α_D = 1 throughout.
    public var scores: String?
    /// What ``ReferenceJob`` made of the dataset; `nil` computes it first, into the output folder. Where it is the dataset
    /// itself, its `logps` are taken.
    public var reference: String?

    public var trainable = Trainable.full
    public var activations = TrainedPolicy.Activations.keep
    public var method = AdaptiveBeta.Configuration.paper
    public var optimizer = AdamW(learningRate: 5e-7)
    public var maximumGradientNorm = 1.0
    public var schedule = LearningRateSchedule.Kind.cosine
    public var warmUp = LearningRateSchedule.WarmUp.ratio(0.1)
    /// N, the pairs of a step.
    public var batchSize = 16
    public var epochs = 4
    /// Ends earlier, in the middle of an epoch; the schedule ends there too.
    public var maximumSteps: Int?
    public var tokensPerRun = 4096
    /// Of the order of pairs, of the adapters' first values, and of the filters that draw.
    public var seed: UInt64 = 0
    /// 0 for all processors.
    public var threads = 0

    /// Steps between checkpoints; one is also written at the end and when the job is stopped.
    public var checkpointEvery = 100
    /// How many of them are kept.
    public var checkpointsKept = 2
    public var writesTensorBoard = true
    public var export = Export.model
    public var exportType = WeightType.float32

    /// What is written at the end.
    public enum Export: String, CaseIterable, Sendable {
        /// A Hugging Face directory of the whole model; adapters are merged into it.
        case model = "huggingface"
        /// The adapters alone, as PEFT reads them.
        case adapter = "peft"
        case none
    }

    public init(data: String, output: String) {
        rows = RowJobOptions(data: data, output: output)
        // Of the reference's log-probabilities, where the job computes them.
        rows.blockRows = 8
    }

    /// - Throws: ``DamaError/Code/invalidArgument`` naming what is out of its range or does not go together.
    func check() throws(DamaError) {
        try rows.check()
        try Self.table.check(self)
        try optimizer.validate()
        try method.validate()
        if case .count(let count) = method.keep, method.filter != .none, count > batchSize {
            throw .invalidArgument(
                "method.keep is \(count), but a batch has \(batchSize) pairs; keep at most as many, or set filter: none"
            )
        }
        if export == .adapter {
            guard case .lora = trainable else {
                throw .invalidArgument("export.format is peft, which holds adapters; it goes with trainable: lora")
            }
        }
        switch exportType {
        case .float32, .float16, .bfloat16: break
        default: throw .invalidArgument("weights are exported as float32, float16 or bfloat16")
        }
    }
}
