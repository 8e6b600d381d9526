import DamaKernels
import DamaModels
import DamaPreference
import DamaRuntime
import DamaSupport
import Glibc

/// A pair to train on: what ``PreferencePair`` holds, its hardness, and what the reference makes of it where that is
/// known.
public struct TrainingPair: Sendable {
    public var pair: PreferencePair
    /// α_D of Eq. (7); 1 where the data says nothing.
    public var alphaData: Double
    /// Which third of the dataset by hardness: 0 the hardest, 2 the easiest; for the metrics alone.
    public var hardnessThird: Int?
    /// log πref of both responses, from a cache; `nil` asks the reference model.
    public var reference: (chosen: Double, rejected: Double)?

    public init(
        _ pair: PreferencePair, alphaData: Double = 1, hardnessThird: Int? = nil,
        reference: (chosen: Double, rejected: Double)? = nil
    ) {
        self.pair = pair
        self.alphaData = alphaData
        self.hardnessThird = hardnessThird
        self.reference = reference
    }
}

/// How a trainer takes its steps.
public struct TrainerOptions: Sendable {
    /// Adam's numbers; the learning rate comes from ``schedule`` where there is one.
    public var optimizer = AdamW(learningRate: 5e-7)
    public var schedule: LearningRateSchedule?
    /// The global norm that gradients are clipped to; 0 does not clip.
    public var maximumGradientNorm = 1.0
    /// The most tokens, padding included, that one forward and backward run takes.
    public var tokensPerRun = 4096
    /// 0 for all processors.
    public var threads = 0

    public init() {}

    /// - Throws: ``DamaError/Code/invalidArgument`` that names the field out of its range.
    public func validate() throws(DamaError) {
        try optimizer.validate()
        guard maximumGradientNorm.isFinite, maximumGradientNorm >= 0 else {
            throw .invalidArgument("the maximum gradient norm is \(maximumGradientNorm); it must be 0 or more")
        }
        guard tokensPerRun > 0 else {
            throw .invalidArgument("tokens per run are \(tokensPerRun); they must be positive")
        }
    }
}

/// What one step did.
public struct StepMetrics: Equatable, Sendable {
    /// Updates made so far, this one included.
    public var step: UInt64 = 0
    public var loss = 0.0
    public var alphaModel = 0.0
    /// R̄ after the step.
    public var runningMean = 0.0
    public var betaMean = 0.0
    public var betaMinimum = 0.0
    public var betaMaximum = 0.0
    public var kept = 0
    public var pairs = 0
    /// Share of pairs whose chosen response gained more than the rejected one.
    public var accuracy = 0.0
    public var marginMean = 0.0
    /// β · margin, with plain β, mean over the pairs of each third by hardness; NaN where the batch has none.
    public var gapByThird = [Double](repeating: .nan, count: 3)
    public var rewardChosen = 0.0
    public var rewardRejected = 0.0
    public var gradientNorm = 0.0
    public var learningRate = 0.0
    /// Image, prompt and response tokens.
    public var tokens = 0
    /// False where loss or gradient were not finite: nothing was changed then.
    public var updated = true
    /// Updates that were left out so far, for that reason.
    public var skipped: UInt64 = 0
    /// Seconds by phase.
    public var seconds = Phases()

    public struct Phases: Equatable, Sendable {
        public var prepare = 0.0, reference = 0.0, forward = 0.0, backward = 0.0, update = 0.0
    }
}

/// Algorithm 1's inner loop: forward, gaps, filter, β, loss, gradient, update, running mean.
///
/// ``step(_:run:)`` does all of it. Its parts can be called one by one:
/// ``forward(_:use:run:)``, a controller, ``backward(_:chosen:rejected:_:run:)`` and ``update()``.
/// Not for use by two threads at the same time.
public final class Trainer {
    public let policy: TrainedPolicy
    /// The model whose log-probabilities are compared with; `nil` where the data brings them, or the loss needs none.
    public let reference: Policy?
    public private(set) var controller: AdaptiveBeta
    public var options: TrainerOptions
    /// Updates made.
    public private(set) var steps: UInt64 = 0
    /// Updates left out for a loss or gradient that was not finite.
    public private(set) var skipped: UInt64 = 0

    public init(
        _ policy: TrainedPolicy, reference: Policy?, controller: AdaptiveBeta,
        options: TrainerOptions = TrainerOptions()
    ) throws(DamaError) {
        try options.validate()
        self.policy = policy
        self.reference = reference
        self.controller = controller
        self.options = options
    }

    /// Takes on the state of a checkpoint; see ``load(from:)``.
    func restore(steps: UInt64, skipped: UInt64, controller: AdaptiveBeta) {
        self.steps = steps
        self.skipped = skipped
        self.controller = controller
    }

    // MARK: A step

    /// One update from a batch.
    ///
    /// - Throws: ``DamaError/cancelled`` where `run` was told to stop; input errors name the pair. In every case
    ///   weights, moments, controller and counters are as before.
    public func step(_ batch: [TrainingPair], run: RunOptions? = nil) throws(DamaError) -> StepMetrics {
        var metrics = StepMetrics()
        metrics.pairs = batch.count
        var clock = PhaseClock()

        let prepared = try prepare(batch.map(\.pair), run: run)
        metrics.tokens = prepared.reduce(0) { $0 + $1.tokenCount }
        metrics.seconds.prepare = clock.lap()
        // If the vision part is frozen, the reference and the policy share an image's features.
        var features = ImageFeatures()
        let references = try referenceLogProbabilities(batch, prepared, &features, run: run)
        metrics.seconds.reference = clock.lap()

        // All forward runs come first, since β depends on all gaps of the batch.
        let forward = try forward(prepared: prepared, features: &features, use: .once, run: run)
        let found = forward.logProbabilities
        metrics.seconds.forward = clock.lap()

        var controller = controller
        // DPO compares sums; SimPO, the loss without a reference, means.
        let normalizes = controller.configuration.loss.isReferenceFree
        let result = try controller.step(
            policyChosen: found.map(\.chosen.sum), policyRejected: found.map(\.rejected.sum),
            referenceChosen: references?.map(\.chosen), referenceRejected: references?.map(\.rejected),
            alphaData: batch.map(\.alphaData),
            chosenLengths: normalizes ? found.map { Int64($0.chosen.count) } : nil,
            rejectedLengths: normalizes ? found.map { Int64($0.rejected.count) } : nil)
        describe(result, batch, in: &metrics)

        try backward(forward, chosen: result.gradChosen, rejected: result.gradRejected, .replace, run: run)
        metrics.seconds.backward = clock.lap()

        // The last point at which the step can be stopped.
        try run?.check()
        let norm = try gradientNorm()
        metrics.gradientNorm = norm
        metrics.learningRate = learningRate
        if result.loss.isFinite, norm.isFinite {
            try update(norm: norm)
            try controller.commit()
            self.controller = controller
        } else {
            skipped += 1
            metrics.updated = false
        }
        metrics.seconds.update = clock.lap()
        metrics.runningMean = self.controller.runningMean
        metrics.step = steps
        metrics.skipped = skipped
        return metrics
    }

    // MARK: Parts

    /// The global norm of all gradients.
    public func gradientNorm() throws(DamaError) -> Double {
        var sum = 0.0
        for parameter in policy.parameters {
            guard let start = parameter.gradient.elements.baseAddress else { continue }
            sum += try GradientNorm.sumOfSquares(start, count: parameter.count, threads: options.threads)
        }
        return sum.squareRoot()
    }

    /// AdamW over all parameters with their gradients, clipped. Returns the global norm before clipping.
    ///
    /// - Throws: ``DamaError/Code/invalidArgument`` where that is not finite; nothing is changed then.
    @discardableResult
    public func update() throws(DamaError) -> Double {
        let norm = try gradientNorm()
        guard norm.isFinite else { throw .invalidArgument("the norm of the gradients is \(norm); nothing was updated") }
        try update(norm: norm)
        return norm
    }

    /// The learning rate of the next update.
    public var learningRate: Double { options.schedule?.rate(at: steps) ?? options.optimizer.learningRate }

    private func update(norm: Double) throws(DamaError) {
        var optimizer = options.optimizer
        optimizer.learningRate = learningRate
        if options.maximumGradientNorm > 0 {
            optimizer.gradientScale = GradientNorm.clippingScale(norm: norm, limit: options.maximumGradientNorm)
        }
        let decay = optimizer.weightDecay
        for parameter in policy.parameters {
            optimizer.weightDecay = parameter.decays ? decay : 0
            guard let value = parameter.value.elements.baseAddress,
                let gradient = parameter.gradient.elements.baseAddress,
                let first = parameter.firstMoment.elements.baseAddress,
                let second = parameter.secondMoment.elements.baseAddress
            else { continue }
            try optimizer.update(
                step: steps + 1, parameters: value, gradients: UnsafePointer(gradient), firstMoments: first,
                secondMoments: second, count: parameter.count, threads: options.threads)
        }
        steps += 1
    }

    /// log πref of the batch, from the data or from the reference model; `nil` for a loss without reference.
    ///
    /// - Parameters:
    ///   - prepared: the batch, prepared by the policy's base; used if that is the reference.
    ///   - features: image features of the batch; those that the same reference computes are added.
    private func referenceLogProbabilities(
        _ batch: [TrainingPair], _ prepared: [PreparedPair], _ features: inout ImageFeatures, run: RunOptions?
    ) throws(DamaError) -> [(chosen: Double, rejected: Double)]? {
        if controller.configuration.loss.isReferenceFree { return nil }
        let missing = batch.indices.filter { batch[$0].reference == nil }
        var computed: [PairLogProbabilities] = []
        if !missing.isEmpty {
            guard let reference else {
                throw .invalidArgument(
                    "pair \(missing[0]) brings no reference log-probabilities, and there is no reference model")
            }
            computed =
                reference === policy.base
                ? try reference.logProbabilities(
                    prepared: missing.map { prepared[$0] }, features: &features, run: run)
                : try reference.logProbabilities(missing.map { batch[$0].pair }, run: run)
        }
        var next = 0
        return batch.map { pair in
            if let known = pair.reference { return known }
            defer { next += 1 }
            return (computed[next].chosen.sum, computed[next].rejected.sum)
        }
    }

    private func describe(_ result: AdaptiveBeta.Step, _ batch: [TrainingPair], in metrics: inout StepMetrics) {
        let count = Double(batch.count)
        metrics.loss = result.loss
        metrics.alphaModel = result.alphaModel
        metrics.kept = result.summary.kept
        metrics.accuracy = result.summary.accuracy
        metrics.betaMean = result.beta.reduce(0, +) / count
        metrics.betaMinimum = result.beta.min() ?? .nan
        metrics.betaMaximum = result.beta.max() ?? .nan
        metrics.marginMean = result.margins.reduce(0, +) / count
        metrics.rewardChosen = result.rewardChosen.reduce(0, +) / count
        metrics.rewardRejected = result.rewardRejected.reduce(0, +) / count
        for third in 0..<3 {
            let members = batch.indices.filter { batch[$0].hardnessThird == third }
            guard !members.isEmpty else { continue }
            let sum = members.reduce(0) { $0 + result.plainRewardChosen[$1] - result.plainRewardRejected[$1] }
            metrics.gapByThird[third] = sum / Double(members.count)
        }
    }
}

/// Seconds between its laps.
private struct PhaseClock {
    private var last = PhaseClock.now()

    mutating func lap() -> Double {
        let now = PhaseClock.now()
        defer { last = now }
        return now - last
    }

    private static func now() -> Double {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return Double(time.tv_sec) + Double(time.tv_nsec) * 1e-9
    }
}
