import DamaKernels
import DamaModels
import DamaPreference
import DamaSupport
import DamaTraining

/// The inputs, the training and the outputs of a training job. docs/train.md describes the fields of a
/// configuration file.
public struct TrainOptions: RowJobSettings {
    /// The preference dataset, as for ``ScoreJob``, and the output folder.
    public var rows: RowJobOptions
    /// The output of ``ScoreJob`` for the dataset; `nil` for α_D = 1 throughout. If it is the dataset itself, its
    /// `chosen_logits` and `rejected_logits` are used.
    public var scores: String?
    /// δ̄ of Eq. (7): α_D = σ(δ) / σ(δ̄) is computed again from the scores' δ; `nil` takes their α_D.
    public var meanDelta: Double?
    /// Pairs whose δ in the scores is smaller are not trained on: CLIP prefers their rejected response, and many of their
    /// labels are wrong (docs/choosing.md). `nil` trains on all.
    public var minimumDelta: Double?
    /// The output of ``ReferenceJob`` for the dataset; `nil` computes it first, into the output folder. If it is the
    /// dataset itself, its `logps` are used.
    public var reference: String?

    public var trainable = Trainable.full
    public var activations = TrainedPolicy.Activations.keep
    /// Whether the host keeps the fp32 weights and the moments of a policy on a device, and updates them.
    public var offload = false
    public var method = AdaptiveBeta.Configuration.paper
    public var optimizer = AdamW(learningRate: 5e-7)
    public var maximumGradientNorm = 1.0
    public var schedule = LearningRateSchedule.Kind.cosine
    public var warmUp = LearningRateSchedule.WarmUp.ratio(0.1)
    /// N, the number of pairs per step.
    public var batchSize = 16
    public var epochs = 4
    /// Whether each epoch has an order of its own; otherwise every epoch has the order of the file.
    public var shuffles = true
    /// Whether the last pairs of an epoch that do not fill a batch are left out of it; otherwise they are a smaller
    /// batch.
    public var dropsLast = true
    /// Stops after this many steps, even in the middle of an epoch; the schedule ends there too.
    public var maximumSteps: Int?
    public var tokensPerRun = 4096
    /// The seed of the order of pairs, of the adapters' initial values, and of the random filters.
    public var seed: UInt64 = 0
    /// 0 for all processors.
    public var threads = 0
    /// The weight of the chosen response's negative log-likelihood beside the preference loss; see ``TrainerOptions``.
    public var sftWeight = 0.0

    /// A dataset of pairs that are scored and not trained on; `nil` for none.
    public var evalData: String?
    /// Instead, the share of the dataset's pairs, between 0 and 1, that is held out of training.
    public var evalShare: Double?
    /// The number of steps after which the held-out pairs are scored; they are also scored at the end.
    public var evalEvery = 100
    /// The metric of the held-out pairs by which the best checkpoint is kept.
    public var evalBest = BestBy.loss
    /// Whether the best checkpoint is exported instead of the last one.
    public var exportsBest = false

    /// A metric of held-out pairs.
    public enum BestBy: String, CaseIterable, Sendable {
        case loss, accuracy, margin
        /// No best checkpoint is kept.
        case none
    }

    /// The number of steps between checkpoints. A checkpoint is also written at the end and when the job is stopped.
    public var checkpointEvery = 100
    /// The number of checkpoints to keep.
    public var checkpointsKept = 2
    public var writesTensorBoard = true
    /// Whether the job writes ``TrainPaths/pairs``.
    public var logsPairs = false
    public var export = Export.model
    public var exportType = WeightType.float32

    /// The export at the end of the job.
    public enum Export: String, CaseIterable, Sendable {
        /// A Hugging Face directory of the whole model; adapters are merged into it.
        case model = "huggingface"
        /// The adapters only, as PEFT reads them.
        case adapter = "peft"
        case none
    }

    public init(data: String, output: String) {
        rows = RowJobOptions(data: data, output: output)
        // Applies to the reference's log-probabilities, if the job computes them.
        rows.blockRows = 8
    }

    /// - Throws: ``DamaError/Code/invalidArgument`` naming a value that is out of range or settings that contradict
    ///   each other.
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
        if let share = evalShare, !(share > 0 && share < 1) {
            throw .invalidArgument("eval_share is \(share); expected a number between 0 and 1")
        }
        guard evalShare == nil || evalData == nil else {
            throw .invalidArgument("eval_share and eval_data are both given; held-out pairs come from one of them")
        }
        guard minimumDelta == nil || scores != nil else {
            throw .invalidArgument(
                "min_delta is given without scores, the output of dama score, which have the pairs' delta")
        }
        guard sftWeight.isFinite, sftWeight >= 0 else {
            throw .invalidArgument("sft_weight is \(sftWeight); it must be a number of 0 or more")
        }
        if exportsBest, evalBest == .none || (evalData == nil && evalShare == nil) {
            throw .invalidArgument("export.best needs held-out pairs, eval_data or eval_share, and an eval_best")
        }
        if export == .adapter {
            guard case .lora = trainable else {
                throw .invalidArgument("export.format is peft, which holds adapters only; it requires trainable: lora")
            }
        }
        switch exportType {
        case .float32, .float16, .bfloat16: break
        default: throw .invalidArgument("weights are exported as float32, float16 or bfloat16")
        }
    }
}
