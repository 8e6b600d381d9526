import CDama
import Dama

/// What a `dama_adaptive_beta *` points to.
final class Controller {
    var value: AdaptiveBeta

    init(_ value: AdaptiveBeta) { self.value = value }

    /// The caller's handle: one retain, which ``dama_adaptive_beta_free`` releases.
    static func handle(_ value: AdaptiveBeta) -> OpaquePointer {
        OpaquePointer(Unmanaged.passRetained(Controller(value)).toOpaque())
    }
}

func controller(_ handle: OpaquePointer?) throws -> Controller {
    guard let handle else { throw DamaError.invalidArgument("controller is NULL") }
    return Unmanaged<Controller>.fromOpaque(UnsafeRawPointer(handle)).takeUnretainedValue()
}

// MARK: - Options

@c @implementation
public func dama_adaptive_beta_options_init_sized(
    _ options: UnsafeMutablePointer<dama_adaptive_beta_options>?, _ size: Int, _ preset: dama_preset
) {
    guard let configuration = AdaptiveBeta.Configuration(preset) else {
        initStruct(options, size, nil)
        return
    }
    initStruct(options, size, dama_adaptive_beta_options(configuration))
}

extension AdaptiveBeta.Configuration {
    /// `nil` for an unknown preset.
    fileprivate init?(_ preset: dama_preset) {
        switch preset {
        case DAMA_PRESET_PAPER: self = .paper
        case DAMA_PRESET_RELEASED: self = .released
        case DAMA_PRESET_BETA_DPO: self = .betaDPO
        case DAMA_PRESET_DPO: self = .dpo
        case DAMA_PRESET_D2PO: self = .d2po
        case DAMA_PRESET_MDPO: self = .mdpo
        default: return nil
        }
    }
}

extension dama_adaptive_beta_options {
    init(_ it: AdaptiveBeta.Configuration) {
        self.init()
        gap = dama_gap(it.gap.rawValue)
        beta = it.beta
        normalize = it.normalizes ? 1 : 0
        filter = dama_filter(it.filter.rawValue)
        `guard` = it.guardFactor
        switch it.keep {
        case .count(let count):
            keep = count
            keep_ratio = 1
        case .ratio(let ratio):
            keep = 0
            keep_ratio = ratio
        }
        sample_scale = dama_sample_scale(it.sampleScale.rawValue)
        responsiveness = dama_responsiveness(it.responsiveness.rawValue)
        slope = it.slope
        mean_source = dama_mean_source(it.meanSource.rawValue)
        mean_time = dama_mean_time(it.meanTime.rawValue)
        combination = dama_combination(it.combination.rawValue)
        loss = dama_loss(it.loss.kind.rawValue)
        rho = it.dataShare
        beta_floor = it.floor
        beta_ceiling = it.ceiling
        momentum = it.momentum
        seed = it.seed
        loss_parameter = it.loss.parameter
    }

    func configuration() throws -> AdaptiveBeta.Configuration {
        var it = AdaptiveBeta.Configuration()
        it.gap = try choice(gap.rawValue, "gap")
        it.beta = beta
        it.normalizes = normalize != 0
        it.filter = try choice(filter.rawValue, "filter")
        it.guardFactor = `guard`
        it.keep = keep == 0 ? .ratio(keep_ratio) : .count(keep)
        it.sampleScale = try choice(sample_scale.rawValue, "sample_scale")
        it.responsiveness = try choice(responsiveness.rawValue, "responsiveness")
        it.slope = slope
        it.meanSource = try choice(mean_source.rawValue, "mean_source")
        it.meanTime = try choice(mean_time.rawValue, "mean_time")
        it.combination = try choice(combination.rawValue, "combination")
        it.loss = try preferenceLoss(loss, loss_parameter)
        it.dataShare = rho
        it.floor = beta_floor
        it.ceiling = beta_ceiling
        it.momentum = momentum
        it.seed = seed
        return it
    }
}

// MARK: - Creation

@c @implementation
public func dama_adaptive_beta_create(
    _ out: UnsafeMutablePointer<OpaquePointer?>?, _ options: UnsafePointer<dama_adaptive_beta_options>?
) -> dama_status {
    guarded {
        let out = try require(out, "out")
        var configuration = AdaptiveBeta.Configuration.paper
        if let options {
            configuration = try readStruct(
                options, "options", defaults: dama_adaptive_beta_options(.paper)
            ).configuration()
        }
        out.pointee = Controller.handle(try AdaptiveBeta(configuration))
    }
}

@c @implementation
public func dama_adaptive_beta_free(_ controller: OpaquePointer?) {
    release(controller, Controller.self)
}

// MARK: - Stepping

@c @implementation
public func dama_preference_batch_init_sized(_ batch: UnsafeMutablePointer<dama_preference_batch>?, _ size: Int) {
    initStruct(batch, size, .empty)
}

@c @implementation
public func dama_preference_result_init_sized(_ result: UnsafeMutablePointer<dama_preference_result>?, _ size: Int) {
    initStruct(result, size, dama_preference_result())
}

/// DAMA_REST: Swift imports (size_t)-1 as −1.
private let rest = -1

@c @implementation
public func dama_adaptive_beta_step(
    _ controller: OpaquePointer?, _ batch: UnsafePointer<dama_preference_batch>?,
    _ result: UnsafeMutablePointer<dama_preference_result>?
) -> dama_status {
    guarded {
        let controller = try DamaABI.controller(controller)
        let batch = try require(batch, "batch")
        let result = try require(result, "result")
        let input = try readStruct(batch, "batch", defaults: .empty).input()
        var found = try readStruct(UnsafePointer(result), "result", defaults: dama_preference_result())
        guard found.capacity >= input.slice.count || !found.hasArrays else {
            throw DamaError.shapeMismatch(
                "the result's arrays have room for \(found.capacity) pairs; the slice has \(input.slice.count)")
        }
        found.set(try controller.value.step(input, into: found.output))
        try writeStruct(found, to: result, "result")
    }
}

extension dama_preference_batch {
    /// No pairs, and a slice of all pairs.
    fileprivate static var empty: Self {
        var batch = Self()
        batch.slice_count = rest
        return batch
    }

    /// The batch with its pointers and its slice checked. The step checks the contents of the arrays.
    fileprivate func input() throws -> AdaptiveBeta.Batch {
        let policyChosen = try buffer(policy_chosen, count, "policy_chosen")
        let policyRejected = try buffer(policy_rejected, count, "policy_rejected")
        guard count > 0, let policyChosen = policyChosen.baseAddress, let policyRejected = policyRejected.baseAddress
        else { throw DamaError.invalidArgument("the batch is empty; a step needs at least one pair") }
        guard slice_offset >= 0, slice_offset <= count,
            slice_count == rest || (slice_count >= 0 && slice_count <= count - slice_offset)
        else {
            throw DamaError.shapeMismatch(
                "the slice at \(UInt(bitPattern: slice_offset)) of \(UInt(bitPattern: slice_count)) pairs is "
                    + "outside the batch of \(count)")
        }
        let end = slice_count == rest ? count : slice_offset + slice_count
        return AdaptiveBeta.Batch(
            count: count, policyChosen: policyChosen, policyRejected: policyRejected,
            referenceChosen: reference_chosen, referenceRejected: reference_rejected, alphaData: alpha_data,
            chosenLengths: chosen_lengths, rejectedLengths: rejected_lengths, slice: slice_offset..<end)
    }
}

extension dama_preference_result {
    fileprivate var hasArrays: Bool {
        beta != nil || mask != nil || margins != nil || losses != nil || grad_chosen != nil || grad_rejected != nil
            || reward_chosen != nil || reward_rejected != nil || plain_reward_chosen != nil
            || plain_reward_rejected != nil
    }

    fileprivate var output: AdaptiveBeta.Output {
        var it = AdaptiveBeta.Output()
        it.beta = beta
        it.mask = mask
        it.margins = margins
        it.losses = losses
        it.gradChosen = grad_chosen
        it.gradRejected = grad_rejected
        it.rewardChosen = reward_chosen
        it.rewardRejected = reward_rejected
        it.plainRewardChosen = plain_reward_chosen
        it.plainRewardRejected = plain_reward_rejected
        return it
    }

    fileprivate mutating func set(_ it: AdaptiveBeta.Summary) {
        loss = it.loss
        slice_loss = it.sliceLoss
        alpha_model = it.alphaModel
        batch_gap = it.batchGap
        running_mean = it.runningMean
        accuracy = it.accuracy
        kept = it.kept
        kept_in_slice = it.keptInSlice
        nonfinite = it.nonFinite
        normalized = it.normalized ? 1 : 0
        sampled_uniformly = it.sampledUniformly ? 1 : 0
    }
}

@c @implementation
public func dama_adaptive_beta_commit(_ controller: OpaquePointer?) -> dama_status {
    guarded { try DamaABI.controller(controller).value.commit() }
}

// MARK: - State

@c @implementation
public func dama_adaptive_beta_facts_init_sized(_ facts: UnsafeMutablePointer<dama_adaptive_beta_facts>?, _ size: Int) {
    initStruct(facts, size, dama_adaptive_beta_facts())
}

@c @implementation
public func dama_adaptive_beta_describe(
    _ controller: OpaquePointer?, _ facts: UnsafeMutablePointer<dama_adaptive_beta_facts>?
) -> dama_status {
    guarded {
        let it = try DamaABI.controller(controller).value.progress
        let facts = try require(facts, "facts")
        let value = dama_adaptive_beta_facts(
            struct_size: 0, running_mean: it.runningMean, running_deviation: it.runningDeviation, steps: it.steps,
            nonfinite_pairs: it.nonFinitePairs, uniform_samplings: it.uniformSamplings)
        try writeStruct(value, to: facts, "facts")
    }
}

@c @implementation
public func dama_adaptive_beta_get_options(
    _ controller: OpaquePointer?, _ options: UnsafeMutablePointer<dama_adaptive_beta_options>?
) -> dama_status {
    guarded {
        let it = try DamaABI.controller(controller).value.configuration
        try writeStruct(dama_adaptive_beta_options(it), to: try require(options, "options"), "options")
    }
}

@c @implementation
public func dama_adaptive_beta_save(
    _ controller: OpaquePointer?, _ bytes: UnsafeMutablePointer<UInt8>?, _ capacity: Int,
    _ size: UnsafeMutablePointer<Int>?
) -> dama_status {
    guarded {
        let state = try DamaABI.controller(controller).value.state()
        let size = try require(size, "size")
        try write(state, to: try buffer(bytes, capacity, "bytes"), "bytes", "bytes")
        size.pointee = state.count
    }
}

@c @implementation
public func dama_adaptive_beta_load(
    _ out: UnsafeMutablePointer<OpaquePointer?>?, _ bytes: UnsafePointer<UInt8>?, _ size: Int
) -> dama_status {
    guarded {
        let out = try require(out, "out")
        let bytes = try copied(try require(bytes, "bytes"), size, "bytes")
        out.pointee = Controller.handle(try AdaptiveBeta(state: bytes))
    }
}
