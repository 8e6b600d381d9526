import CDama
import Dama

// MARK: - Token log-probabilities

@c @implementation
public func dama_token_logprobs(
    _ logits: UnsafePointer<Float>?, _ labels: UnsafePointer<Int64>?, _ rows: Int, _ vocabulary: Int,
    _ threads: UInt32, _ logprobs: UnsafeMutablePointer<Float>?, _ normalizers: UnsafeMutablePointer<Float>?
) -> dama_status {
    guarded {
        let rowsOf = try TokenRows(logits, rows, vocabulary, labels)
        let logprobs = try buffer(logprobs, rows, "logprobs")
        let normalizers = try buffer(normalizers, rows, "normalizers")
        guard let (logits, labels) = rowsOf.pointers, let logprobs = logprobs.baseAddress,
            let normalizers = normalizers.baseAddress
        else { return }
        try TokenLogProbabilities.forward(
            logits: logits, rows: rows, vocabulary: vocabulary, labels: labels, logProbabilities: logprobs,
            normalizers: normalizers, threads: Int(threads))
    }
}

@c @implementation
public func dama_token_logprobs_backward(
    _ logits: UnsafePointer<Float>?, _ labels: UnsafePointer<Int64>?, _ normalizers: UnsafePointer<Float>?,
    _ weights: UnsafePointer<Float>?, _ rows: Int, _ vocabulary: Int, _ threads: UInt32,
    _ gradient: UnsafeMutablePointer<Float>?
) -> dama_status {
    guarded {
        let rowsOf = try TokenRows(logits, rows, vocabulary, labels)
        let normalizers = try buffer(normalizers, rows, "normalizers")
        let weights = try buffer(weights, rows, "weights")
        guard let (logits, labels) = rowsOf.pointers, let normalizers = normalizers.baseAddress,
            let weights = weights.baseAddress
        else { return }
        try TokenLogProbabilities.backward(
            logits: logits, rows: rows, vocabulary: vocabulary, labels: labels, normalizers: normalizers,
            weights: weights, gradient: try require(gradient, "gradient"), threads: Int(threads))
    }
}

/// Logits and labels with their pointers and sizes checked.
private struct TokenRows {
    /// `nil` without rows.
    let pointers: (logits: UnsafePointer<Float>, labels: UnsafePointer<Int64>)?

    init(_ logits: UnsafePointer<Float>?, _ rows: Int, _ vocabulary: Int, _ labels: UnsafePointer<Int64>?) throws {
        let (count, overflow) = rows.multipliedReportingOverflow(by: vocabulary)
        guard rows >= 0, vocabulary >= 1, !overflow else {
            throw DamaError.invalidArgument(
                "\(UInt(bitPattern: rows)) rows of a vocabulary of \(UInt(bitPattern: vocabulary)) are not a "
                    + "valid array size")
        }
        let logits = try buffer(logits, count, "logits")
        let labels = try buffer(labels, rows, "labels")
        guard rows > 0, let logits = logits.baseAddress, let labels = labels.baseAddress else {
            pointers = nil
            return
        }
        pointers = (logits, labels)
    }
}

// MARK: - AdamW

@c @implementation
public func dama_adamw_options_init_sized(_ options: UnsafeMutablePointer<dama_adamw_options>?, _ size: Int) {
    initStruct(options, size, .defaults)
}

extension dama_adamw_options {
    fileprivate static var defaults: Self { Self(AdamW(learningRate: 5e-7)) }

    fileprivate init(_ it: AdamW) {
        self.init(
            struct_size: 0, threads: 0, learning_rate: it.learningRate, beta1: it.beta1,
            beta2: it.beta2, epsilon: it.epsilon, weight_decay: it.weightDecay, gradient_scale: it.gradientScale)
    }

    fileprivate var adamw: AdamW {
        var it = AdamW(learningRate: learning_rate)
        it.beta1 = beta1
        it.beta2 = beta2
        it.epsilon = epsilon
        it.weightDecay = weight_decay
        it.gradientScale = gradient_scale
        return it
    }
}

@c @implementation
public func dama_adamw_step(
    _ gradients: UnsafePointer<Float>?, _ count: Int, _ step: UInt64, _ options: UnsafePointer<dama_adamw_options>?,
    _ parameters: UnsafeMutablePointer<Float>?, _ firstMoment: UnsafeMutablePointer<Float>?,
    _ secondMoment: UnsafeMutablePointer<Float>?
) -> dama_status {
    guarded {
        var settings = dama_adamw_options.defaults
        if let options { settings = try readStruct(options, "options", defaults: .defaults) }
        let parameters = try buffer(parameters, count, "parameters")
        let gradients = try buffer(gradients, count, "gradients")
        let first = try buffer(firstMoment, count, "first_moment")
        let second = try buffer(secondMoment, count, "second_moment")
        let adamw = settings.adamw
        try adamw.validate()
        guard step >= 1 else { throw DamaError.invalidArgument("step is 0; steps are counted from 1") }
        guard let parameters = parameters.baseAddress, let gradients = gradients.baseAddress,
            let first = first.baseAddress, let second = second.baseAddress
        else { return }
        try adamw.update(
            step: step, parameters: parameters, gradients: gradients, firstMoments: first, secondMoments: second,
            count: count, threads: Int(settings.threads))
    }
}

@c @implementation
public func dama_sum_of_squares(
    _ values: UnsafePointer<Float>?, _ count: Int, _ threads: UInt32, _ sum: UnsafeMutablePointer<Double>?
) -> dama_status {
    guarded {
        let sum = try require(sum, "sum")
        let values = try buffer(values, count, "values")
        guard let values = values.baseAddress else {
            sum.pointee = 0
            return
        }
        sum.pointee = try GradientNorm.sumOfSquares(values, count: count, threads: Int(threads))
    }
}

// MARK: - Learning rate

@c @implementation
public func dama_schedule_options_init_sized(_ options: UnsafeMutablePointer<dama_schedule_options>?, _ size: Int) {
    initStruct(options, size, defaultSchedule)
}

let defaultSchedule = dama_schedule_options(
    struct_size: 0, schedule: DAMA_SCHEDULE_COSINE, learning_rate: 5e-7, total_steps: 0, warmup_steps: 0,
    warmup_ratio: 0.1)

@c @implementation
public func dama_learning_rate(
    _ step: UInt64, _ options: UnsafePointer<dama_schedule_options>?, _ learningRate: UnsafeMutablePointer<Double>?
) -> dama_status {
    guarded {
        let options = try require(options, "options")
        let learningRate = try require(learningRate, "learning_rate")
        learningRate.pointee = try LearningRateSchedule(options, "options").rate(at: step)
    }
}

extension LearningRateSchedule {
    /// The caller's schedule. Errors about its size call it `name`.
    init(_ options: UnsafePointer<dama_schedule_options>, _ name: String) throws {
        let options = try readStruct(options, name, defaults: defaultSchedule)
        try self.init(
            choice(options.schedule.rawValue, "schedule"), learningRate: options.learning_rate,
            totalSteps: options.total_steps,
            warmUp: options.warmup_steps > 0 ? .steps(options.warmup_steps) : .ratio(options.warmup_ratio))
    }
}
