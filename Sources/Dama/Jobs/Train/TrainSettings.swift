import DamaKernels
import DamaModels
import DamaPreference
import DamaRuntime
import DamaSupport
import DamaTraining

/// A training job as a configuration file describes it: the job's options, and the model with its own.
public struct TrainSettings: Sendable {
    /// Folder of the policy to train, which is also the reference.
    public var model: String
    public var policy: PolicyOptions
    public var job: TrainOptions

    static let fields = [
        "model", "data", "image_root", "follow_links", "fields", "scores", "reference", "out", "max_bad", "trainable",
        "lora",
        "activations", "method", "optimizer", "schedule", "batch_size", "epochs", "max_steps", "tokens_per_run", "seed",
        "threads", "provider", "onnxruntime", "template", "system", "image_mode", "exif_orientation",
        "white_background", "max_length", "overlong", "checkpoint",
        "tensorboard", "export",
    ]

    /// The fields of each section.
    static let sections: [(name: String, fields: [String])] = [
        ("lora", ["rank", "alpha", "dropout", "targets"]), ("method", AdaptiveBeta.Configuration.settingsFields),
        ("optimizer", ["learning_rate", "beta1", "beta2", "epsilon", "weight_decay", "max_grad_norm"]),
        ("schedule", ["kind", "warmup_ratio", "warmup_steps"]), ("checkpoint", ["every", "keep"]),
        ("export", ["format", "dtype"]),
    ]

    private static func section(_ name: String, of top: SettingsReader) throws(DamaError) -> SettingsReader {
        try top.nested(name, fields: sections.first { $0.name == name }?.fields ?? [])
    }

    /// - Parameters:
    ///   - json: what a YAML or JSON file says.
    ///   - place: the file, for messages.
    /// - Throws: ``DamaError/Code/invalidArgument`` naming the field: unknown ones too, with the nearest that there is.
    public init(_ json: JSON, place: String) throws(DamaError) {
        let top = try SettingsReader(json, place: place, fields: Self.fields)
        model = try top.string("model")
        job = TrainOptions(data: try top.string("data"), output: try top.string("out"))
        policy = PolicyOptions()
        try readData(top)
        try readModel(top)
        try readTraining(top)
        try readOutput(top)
        try job.check()
    }

    private mutating func readData(_ top: SettingsReader) throws(DamaError) {
        job.imageRoot = try top.optionalString("image_root")
        job.followsLinks = try top.bool("follow_links", default: false)
        job.fields = try FieldNames(mappings: try top.strings("fields") ?? [])
        job.scores = try top.optionalString("scores")
        job.reference = try top.optionalString("reference")
        job.maximumRejected = try top.optionalInt("max_bad", in: 0...(.max))
    }

    private mutating func readModel(_ top: SettingsReader) throws(DamaError) {
        policy.template = try top.optionalString("template")
        policy.system = try top.optionalString("system")
        policy.imageMode = try top.choice("image_mode", default: policy.imageMode)
        policy.imageDecoding.appliesOrientation = try top.bool("exif_orientation", default: true)
        policy.imageDecoding.blendsOnWhite = try top.bool("white_background", default: true)
        // The paper's; a model with fewer positions has its own limit.
        policy.maximumLength = try top.int("max_length", default: 2048, in: 1...(1 << 24))
        policy.overlong = try top.choice("overlong", default: policy.overlong)
        policy.runtimePath = try top.optionalString("onnxruntime")
        policy.threads = try top.int("threads", default: 0, in: 0...4096)
        policy.device = try Device(top.optionalString("provider") ?? "cpu")
        job.threads = policy.threads

        let lora = try Self.section("lora", of: top)
        switch top.json["trainable"] {
        case nil, .string("full"): job.trainable = .full
        case .string("projector"): job.trainable = .projector
        case .string("lora"):
            guard try lora.double("dropout", default: 0, in: 0...1) == 0 else {
                throw lora.wrong("dropout", "0: adapters are trained without dropout")
            }
            job.trainable = .lora(
                try LowRankAdapters(
                    rank: lora.int("rank", default: 16, in: 1...4096),
                    alpha: lora.double("alpha", default: 32, in: 0...Double.greatestFiniteMagnitude),
                    targets: lora.strings("targets") ?? ["q_proj", "v_proj"]))
        case .array: job.trainable = .patterns(try top.strings("trainable") ?? [])
        default: throw top.wrong("trainable", "full, lora, projector, or a list of name patterns")
        }
        if top.has("lora"), top.json["trainable"]?.string != "lora" {
            throw top.wrong("lora", "no such section unless trainable is lora")
        }
        job.activations = try top.choice("activations", default: job.activations)
    }

    private mutating func readTraining(_ top: SettingsReader) throws(DamaError) {
        job.seed = UInt64(try top.int("seed", default: 0, in: 0...(.max)))
        job.method = try AdaptiveBeta.Configuration(
            Self.section("method", of: top), seed: job.seed)
        let optimizer = try Self.section("optimizer", of: top)
        let any = -Double.greatestFiniteMagnitude...Double.greatestFiniteMagnitude
        job.optimizer.learningRate = try optimizer.double("learning_rate", default: 5e-7, in: any)
        job.optimizer.beta1 = try optimizer.double("beta1", default: job.optimizer.beta1, in: any)
        job.optimizer.beta2 = try optimizer.double("beta2", default: job.optimizer.beta2, in: any)
        job.optimizer.epsilon = try optimizer.double("epsilon", default: job.optimizer.epsilon, in: any)
        job.optimizer.weightDecay = try optimizer.double("weight_decay", default: 0, in: any)
        job.maximumGradientNorm = try optimizer.double("max_grad_norm", default: 1, in: any)
        let schedule = try Self.section("schedule", of: top)
        let kinds: [(String, LearningRateSchedule.Kind)] = [
            ("constant", .constant), ("linear", .linear), ("cosine", .cosine),
        ]
        job.schedule = try schedule.choice("kind", of: kinds) ?? job.schedule
        if schedule.has("warmup_steps") {
            guard !schedule.has("warmup_ratio") else {
                throw schedule.wrong("warmup_steps", "it or warmup_ratio, not both")
            }
            job.warmUp = .steps(UInt64(try schedule.int("warmup_steps", default: 0, in: 0...(.max))))
        } else {
            job.warmUp = .ratio(try schedule.double("warmup_ratio", default: 0.1, in: 0...1))
        }
        job.batchSize = try top.int("batch_size", default: job.batchSize, in: 1...65536)
        job.epochs = try top.int("epochs", default: job.epochs, in: 1...(1 << 24))
        job.maximumSteps = try top.optionalInt("max_steps", in: 1...(1 << 40))
        job.tokensPerRun = try top.int("tokens_per_run", default: job.tokensPerRun, in: 1...(1 << 40))
    }

    private mutating func readOutput(_ top: SettingsReader) throws(DamaError) {
        let checkpoint = try Self.section("checkpoint", of: top)
        job.checkpointEvery = try checkpoint.int("every", default: job.checkpointEvery, in: 1...(1 << 40))
        job.checkpointsKept = try checkpoint.int("keep", default: job.checkpointsKept, in: 1...10_000)
        job.writesTensorBoard = try top.bool("tensorboard", default: true)
        let export = try Self.section("export", of: top)
        job.export = try export.choice("format", default: job.export)
        let types: [(String, WeightType)] = [("float32", .float32), ("float16", .float16), ("bfloat16", .bfloat16)]
        job.exportType = try export.choice("dtype", of: types) ?? job.exportType
    }
}
