import CDama
import Dama

extension dama_trainer_options {
    static var defaults: Self {
        let standard = TrainerOptions()
        var options = Self()
        options.trainable = DAMA_TRAINABLE_FULL
        options.lora_alpha = 32
        options.lora_rank = 16
        options.activations = DAMA_ACTIVATIONS_KEEP
        options.learning_rate = standard.optimizer.learningRate
        options.beta1 = standard.optimizer.beta1
        options.beta2 = standard.optimizer.beta2
        options.epsilon = standard.optimizer.epsilon
        options.weight_decay = standard.optimizer.weightDecay
        options.max_gradient_norm = standard.maximumGradientNorm
        options.tokens_per_run = UInt32(standard.tokensPerRun)
        return options
    }

    /// The caller's options, up to the caller's struct_size.
    static func read(_ options: UnsafePointer<Self>?) throws -> Self {
        guard let options else { return defaults }
        return try readStruct(options, "options", defaults: defaults)
    }

    func selection() throws -> Trainable {
        switch trainable {
        case DAMA_TRAINABLE_FULL: return .full
        case DAMA_TRAINABLE_PROJECTOR: return .projector
        case DAMA_TRAINABLE_LORA:
            let targets = try strings(lora_targets, lora_target_count, "lora_targets")
            let (rank, alpha, dropout) = (Int(lora_rank), lora_alpha, lora_dropout)
            return .lora(
                targets.isEmpty
                    ? try LowRankAdapters(rank: rank, alpha: alpha, dropout: dropout)
                    : try LowRankAdapters(rank: rank, alpha: alpha, targets: targets, dropout: dropout))
        case DAMA_TRAINABLE_PATTERNS:
            let patterns = try strings(patterns, pattern_count, "patterns")
            guard !patterns.isEmpty else {
                throw DamaError.invalidArgument("patterns is empty; it must have at least one pattern")
            }
            return .patterns(patterns)
        default: throw DamaError.invalidArgument("trainable \(trainable.rawValue) is unknown")
        }
    }

    func keptActivations() throws -> TrainedPolicy.Activations {
        switch activations {
        case DAMA_ACTIVATIONS_KEEP: return .keep
        case DAMA_ACTIVATIONS_RECOMPUTE: return .recompute
        default: throw DamaError.invalidArgument("activations \(activations.rawValue) is unknown")
        }
    }

    var offloads: Bool { offload != 0 }

    func trainerOptions() throws -> TrainerOptions {
        var it = TrainerOptions()
        it.optimizer = AdamW(learningRate: learning_rate)
        it.optimizer.beta1 = beta1
        it.optimizer.beta2 = beta2
        it.optimizer.epsilon = epsilon
        it.optimizer.weightDecay = weight_decay
        it.schedule = try schedule.map { try LearningRateSchedule($0, "schedule") }
        it.maximumGradientNorm = max_gradient_norm
        it.tokensPerRun = Int(tokens_per_run)
        it.threads = Int(threads)
        it.sftWeight = sft_weight
        try it.validate()
        return it
    }
}

@c @implementation
public func dama_trainer_options_init_sized(_ options: UnsafeMutablePointer<dama_trainer_options>?, _ size: Int) {
    initStruct(options, size, .defaults)
}
