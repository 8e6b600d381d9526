import CDama
import Dama

/// What a `dama_trainer *` points to.
final class TrainerHandle {
    let trainer: Trainer
    /// What the last forward run kept, until the next update.
    var forward: Trainer.Forward?
    /// Names and shapes of the parameters, for as long as the handle lives.
    let names: Strings
    let shapes: [UnsafeMutableBufferPointer<Int64>]

    init(_ trainer: Trainer) {
        self.trainer = trainer
        names = Strings(trainer.policy.parameters.map(\.name))
        shapes = trainer.policy.parameters.map { parameter in
            let shape = UnsafeMutableBufferPointer<Int64>.allocate(capacity: parameter.shape.count)
            _ = shape.initialize(from: parameter.shape.map(Int64.init))
            return shape
        }
    }

    deinit {
        for shape in shapes { shape.deallocate() }
    }

    static func from(_ handle: OpaquePointer?) throws -> TrainerHandle {
        guard let handle else { throw DamaError.invalidArgument("trainer is NULL") }
        return Unmanaged<TrainerHandle>.fromOpaque(UnsafeRawPointer(handle)).takeUnretainedValue()
    }
}

// MARK: - Life

@c @implementation
public func dama_trainer_create(
    _ out: UnsafeMutablePointer<OpaquePointer?>?, _ policy: OpaquePointer?, _ reference: OpaquePointer?,
    _ controller: OpaquePointer?, _ options: UnsafePointer<dama_trainer_options>?
) -> dama_status {
    guarded {
        let out = try require(out, "out")
        let base = try PolicyHandle.from(policy).policy
        let reference = try reference.map { try PolicyHandle.from($0).policy }
        let controller = try controller.map { try DamaABI.controller($0).value } ?? AdaptiveBeta(.paper)
        let settings = try dama_trainer_options.read(options)
        let trainerOptions = try settings.trainerOptions()
        let ranks = try RankGroup(settings.ranks, "options.ranks")
        let policy = try TrainedPolicy(
            base, settings.selection(), activations: settings.keptActivations(), seed: settings.seed,
            offloads: settings.offloads)
        let trainer = try Trainer(
            policy, reference: reference, controller: controller, options: trainerOptions, ranks: ranks)
        out.pointee = OpaquePointer(Unmanaged.passRetained(TrainerHandle(trainer)).toOpaque())
    }
}

@c @implementation
public func dama_trainer_free(_ trainer: OpaquePointer?) {
    release(trainer, TrainerHandle.self)
}

// MARK: - A step

@c @implementation
public func dama_training_pair_init(_ pair: UnsafeMutablePointer<dama_training_pair>?) {
    var value = dama_training_pair()
    value.alpha_data = 1
    value.reference_chosen = .nan
    value.reference_rejected = .nan
    value.hardness_third = -1
    pair?.pointee = value
}

extension TrainingPair {
    /// The caller's pair; errors call it `name`.
    fileprivate init(_ it: dama_training_pair, _ name: String) throws {
        guard it.alpha_data > 0, it.alpha_data.isFinite else {
            throw DamaError.invalidArgument("\(name).alpha_data is \(it.alpha_data); it must be finite and above 0")
        }
        guard (-1...2).contains(it.hardness_third) else {
            throw DamaError.invalidArgument(
                "\(name).hardness_third is \(it.hardness_third); it must be 0, 1, 2, or −1 if it is unknown")
        }
        guard it.reference_chosen.isNaN == it.reference_rejected.isNaN else {
            throw DamaError.invalidArgument(
                "\(name) has the reference log-probability of one response; give both, or NaN for both")
        }
        for value in [it.reference_chosen, it.reference_rejected] where value > 0 {
            throw DamaError.invalidArgument(
                "\(name) has the reference log-probability \(value); a log-probability is 0 or less")
        }
        self.init(
            try PreferencePair(it.pair, "\(name).pair"), alphaData: it.alpha_data,
            hardnessThird: it.hardness_third < 0 ? nil : Int(it.hardness_third),
            reference: it.reference_chosen.isNaN ? nil : (it.reference_chosen, it.reference_rejected))
    }
}

extension dama_step_metrics {
    init(_ it: StepMetrics) {
        self.init()
        updated = it.updated ? 1 : 0
        step = it.step
        skipped = it.skipped
        loss = it.loss
        alpha_model = it.alphaModel
        running_mean = it.runningMean
        accuracy = it.accuracy
        beta_mean = it.betaMean
        beta_min = it.betaMinimum
        beta_max = it.betaMaximum
        margin_mean = it.marginMean
        reward_chosen = it.rewardChosen
        reward_rejected = it.rewardRejected
        gap_by_third = (it.gapByThird[0], it.gapByThird[1], it.gapByThird[2])
        gradient_norm = it.gradientNorm
        learning_rate = it.learningRate
        pairs = it.pairs
        kept = it.kept
        tokens = it.tokens
        seconds_prepare = it.seconds.prepare
        seconds_reference = it.seconds.reference
        seconds_forward = it.seconds.forward
        seconds_backward = it.seconds.backward
        seconds_update = it.seconds.update
        margin_std = it.marginDeviation
        loss_std = it.lossDeviation
        logps_chosen = it.logpsChosen
        logps_rejected = it.logpsRejected
        reference_chosen = it.referenceChosen
        reference_rejected = it.referenceRejected
        sft_loss = it.sftLoss
        beta_clamped = it.betaClamped
    }
}

@c @implementation
public func dama_step_metrics_init_sized(_ metrics: UnsafeMutablePointer<dama_step_metrics>?, _ size: Int) {
    initStruct(metrics, size, dama_step_metrics())
}

@c @implementation
public func dama_trainer_step(
    _ trainer: OpaquePointer?, _ pairs: UnsafePointer<dama_training_pair>?, _ count: Int,
    _ metrics: UnsafeMutablePointer<dama_step_metrics>?, _ cancellation: OpaquePointer?
) -> dama_status {
    guarded {
        let handle = try TrainerHandle.from(trainer)
        try writeStruct(to: metrics, "metrics") {
            let batch = try buffer(pairs, count, "pairs").enumerated().map { try TrainingPair($1, "pairs[\($0)]") }
            let run = try Cancellation.run(cancellation, handle.trainer.policy.base.makeRunOptions)
            handle.forward = nil
            return dama_step_metrics(try handle.trainer.step(batch, run: run))
        }
    }
}

// MARK: - State

@c @implementation
public func dama_trainer_facts_init_sized(_ facts: UnsafeMutablePointer<dama_trainer_facts>?, _ size: Int) {
    initStruct(facts, size, dama_trainer_facts())
}

@c @implementation
public func dama_trainer_describe(
    _ trainer: OpaquePointer?, _ facts: UnsafeMutablePointer<dama_trainer_facts>?
) -> dama_status {
    guarded {
        let trainer = try TrainerHandle.from(trainer).trainer
        let value = dama_trainer_facts(
            struct_size: 0, steps: trainer.steps, skipped: trainer.skipped, learning_rate: trainer.learningRate,
            running_mean: trainer.controller.runningMean)
        try writeStruct(value, to: try require(facts, "facts"), "facts")
    }
}

@c @implementation
public func dama_trainer_controller(
    _ out: UnsafeMutablePointer<OpaquePointer?>?, _ trainer: OpaquePointer?
) -> dama_status {
    guarded {
        let out = try require(out, "out")
        out.pointee = Controller.handle(try TrainerHandle.from(trainer).trainer.controller)
    }
}
