import DamaKernels
import DamaModels
import DamaPreference
import DamaSupport
import DamaTraining

/// What a training job reads, how it trains, and what it writes. ``init(_:place:)`` reads it from a configuration file;
/// docs/train.md describes the fields.
public struct TrainOptions: Sendable {
    /// A preference dataset: JSON Lines or one JSON array, as ``ScoreJob`` takes it.
    public var data: String
    /// The folder that everything goes into.
    public var output: String
    /// The folder that image paths are relative to and cannot leave; `nil` for the folder of the dataset.
    public var imageRoot: String?
    public var fields = FieldNames()
    /// The most bytes of one image file.
    public var imageByteLimit = 64 << 20
    /// Whether symbolic links below the image root may lead out of it.
    public var followsLinks = false
    /// What ``ScoreJob`` made of the dataset; `nil` for α_D = 1 throughout.
    public var scores: String?
    /// What ``ReferenceJob`` made of the dataset; `nil` computes it first, into the output folder. Where it is the dataset
    /// itself, its `logps` are taken.
    public var reference: String?
    /// The job stops at one row left out more than this; `nil` for never.
    public var maximumRejected: Int?

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
    /// Forgets what an earlier run left in the output folder.
    public var restart = false

    /// What is written at the end.
    public enum Export: String, CaseIterable, Sendable {
        /// A Hugging Face directory of the whole model; adapters are merged into it.
        case model = "huggingface"
        /// The adapters alone, as PEFT reads them.
        case adapter = "peft"
        case none
    }

    public init(data: String, output: String) {
        self.data = data
        self.output = output
    }

    var imageFolder: String { imageRoot ?? Files.folder(of: data) }

    /// - Throws: ``DamaError/Code/invalidArgument`` naming what does not go together.
    func check() throws(DamaError) {
        guard !data.isEmpty else { throw .invalidArgument("no dataset was named") }
        guard !output.isEmpty else { throw .invalidArgument("no output folder was named") }
        func positive(_ value: Int, _ name: String) throws(DamaError) {
            guard value >= 1 else { throw .invalidArgument("\(name) is \(value); it must be at least 1") }
        }
        try positive(batchSize, "batch_size")
        try positive(epochs, "epochs")
        try positive(maximumSteps ?? 1, "max_steps")
        try positive(tokensPerRun, "tokens_per_run")
        try positive(checkpointEvery, "checkpoint.every")
        try positive(checkpointsKept, "checkpoint.keep")
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
