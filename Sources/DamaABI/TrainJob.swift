import CDama
import Dama

// MARK: - Options

extension dama_train_dataset_options {
    fileprivate static var defaults: Self {
        let standard = TrainOptions(data: "", output: "")
        var options = Self(TrainOptions.table, standard)
        options.max_rejected = -1
        options.checkpoint_every = UInt32(clamping: standard.checkpointEvery)
        options.checkpoints_kept = UInt32(clamping: standard.checkpointsKept)
        options.image_limit = standard.rows.imageByteLimit
        return options
    }

    fileprivate func swift() throws -> TrainOptions {
        var it = TrainOptions(data: "", output: "")
        try read(
            TrainOptions.table, into: &it,
            renamed: [
                "output": "out", "max_rejected": "max_bad", "restart": nil, "checkpoint_every": nil,
                "checkpoints_kept": nil, "image_limit": nil, "no_export": nil,
            ])
        it.rows.restart = restart != 0
        it.rows.imageByteLimit = image_limit
        it.checkpointEvery = Int(checkpoint_every)
        it.checkpointsKept = Int(checkpoints_kept)
        try readTrainer(&it)
        if let schedule {
            let schedule = try readStruct(schedule, "options.schedule", defaults: defaultSchedule)
            it.schedule = try choice(schedule.schedule.rawValue, "schedule")
            it.warmUp = schedule.warmup_steps > 0 ? .steps(schedule.warmup_steps) : .ratio(schedule.warmup_ratio)
        }
        if let method {
            it.method = try readStruct(method, "options.method", defaults: dama_adaptive_beta_options(.paper))
                .configuration()
        }
        if let exported {
            let exported = try readStruct(exported, "options.exported", defaults: .defaults)
            it.exportType = try exported.swift().type
            switch exported.kind {
            case DAMA_EXPORT_MODEL: it.export = .model
            case DAMA_EXPORT_ADAPTERS: it.export = .adapter
            default: throw DamaError.invalidArgument("kind \(exported.kind.rawValue) is unknown")
            }
        }
        if no_export != 0 { it.export = .none }
        return it
    }

    private func readTrainer(_ it: inout TrainOptions) throws {
        guard let trainer else { return }
        let settings = try readStruct(trainer, "options.trainer", defaults: .defaults)
        guard settings.schedule == nil else {
            throw DamaError.invalidArgument("options.trainer.schedule must be NULL; set options.schedule instead")
        }
        let numbers = try settings.trainerOptions()
        it.trainable = try settings.selection()
        it.activations = try settings.keptActivations()
        it.optimizer = numbers.optimizer
        it.maximumGradientNorm = numbers.maximumGradientNorm
        it.tokensPerRun = numbers.tokensPerRun
        it.threads = numbers.threads
        it.sftWeight = numbers.sftWeight
        it.seed = settings.seed
    }
}

@c @implementation
public func dama_train_dataset_options_init_sized(
    _ options: UnsafeMutablePointer<dama_train_dataset_options>?, _ size: Int
) {
    initStruct(options, size, .defaults)
}

@c @implementation
public func dama_train_yaml_options_init_sized(
    _ options: UnsafeMutablePointer<dama_train_yaml_options>?, _ size: Int
) {
    initStruct(options, size, dama_train_yaml_options())
}

// MARK: - Result

@c @implementation
public func dama_train_dataset_result_init_sized(
    _ result: UnsafeMutablePointer<dama_train_dataset_result>?, _ size: Int
) {
    initStruct(result, size, dama_train_dataset_result())
}

extension dama_train_dataset_result {
    fileprivate init(_ summary: TrainSummary) {
        self.init()
        was_complete = summary.wasComplete ? 1 : 0
        batches = UInt64(summary.batches)
        steps = summary.steps
        skipped = summary.skipped
        pairs = UInt64(summary.pairs)
        rows_rejected = UInt64(summary.rowsRejected)
    }
}

// MARK: - The jobs

@c @implementation
public func dama_train_dataset(
    _ policy: OpaquePointer?, _ options: UnsafePointer<dama_train_dataset_options>?,
    _ result: UnsafeMutablePointer<dama_train_dataset_result>?, _ cancellation: OpaquePointer?
) -> dama_status {
    guarded {
        let policy = try PolicyHandle.from(policy).policy
        let given = try readStruct(try require(options, "options"), "options", defaults: .defaults)
        let job = TrainJob(try given.swift(), policy: policy)
        let ranks = try RankGroup(dama_trainer_options.read(given.trainer).ranks, "options.trainer.ranks")
        try run(job, policy, ranks, result, cancellation, TrainListener(callback: given.progress, user: given.user))
    }
}

@c @implementation
public func dama_train_yaml(
    _ text: UnsafePointer<CChar>?, _ overrides: UnsafePointer<UnsafePointer<CChar>?>?, _ overrideCount: Int,
    _ options: UnsafePointer<dama_train_yaml_options>?, _ result: UnsafeMutablePointer<dama_train_dataset_result>?,
    _ cancellation: OpaquePointer?
) -> dama_status {
    guarded {
        var given = dama_train_yaml_options()
        if let options { given = try readStruct(options, "options", defaults: dama_train_yaml_options()) }
        // Checked before the model is opened, which may take long.
        _ = try Cancellation.signal(cancellation)
        let ranks = try RankGroup(given.ranks, "options.ranks")
        var settings = try trainSettings(text, overrides, overrideCount, label: given.label)
        settings.job.rows.restart = given.restart != 0
        if settings.policy.runtimePath == nil, given.onnxruntime != nil {
            settings.policy.runtimePath = try string(given.onnxruntime, "options.onnxruntime")
        }
        let policy = try Policy(directory: settings.model, options: settings.policy)
        let job = TrainJob(settings.job, policy: policy)
        try run(job, policy, ranks, result, cancellation, TrainListener(callback: given.progress, user: given.user))
    }
}

/// A configuration with its overrides.
///
/// - Parameter label: the name of the text in messages, or NULL.
func trainSettings(
    _ text: UnsafePointer<CChar>?, _ overrides: UnsafePointer<UnsafePointer<CChar>?>?, _ overrideCount: Int,
    label: UnsafePointer<CChar>?
) throws -> TrainSettings {
    let text = try string(text, "text")
    let overrides = try strings(overrides, overrideCount, "overrides")
    let name = label == nil ? "configuration" : try string(label, "options.label")
    return try TrainSettings(yaml: text, overrides: overrides, place: name)
}

private func run(
    _ job: TrainJob, _ policy: Policy, _ ranks: RankGroup, _ result: UnsafeMutablePointer<dama_train_dataset_result>?,
    _ cancellation: OpaquePointer?, _ listener: TrainListener
) throws {
    try writeStruct(to: result, "result") {
        let run = try Cancellation.run(cancellation, policy.makeRunOptions)
        let signal = try Cancellation.signal(cancellation)
        return dama_train_dataset_result(
            try job.run(ranks: ranks, run: run) { event throws(DamaError) in
                try signal.check()
                try listener.hear(event)
            })
    }
}
