import DamaKernels
import DamaModels
import DamaPreference
import DamaRuntime
import DamaSupport
import Glibc

/// A pair to train on: a ``PreferencePair``, its hardness, and the reference's log-probabilities if they are known.
public struct TrainingPair: Sendable {
    public var pair: PreferencePair
    /// α_D of Eq. (7); 1 if the data does not give it.
    public var alphaData: Double
    /// The third of the dataset by hardness, from 0, the hardest, to 2, the easiest. Used only by the metrics.
    public var hardnessThird: Int?
    /// log πref of both responses, from a cache; `nil` computes them with the reference model.
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

/// Options of a trainer.
public struct TrainerOptions: Sendable {
    /// The settings of AdamW; ``schedule`` overrides the learning rate.
    public var optimizer = AdamW(learningRate: 5e-7)
    public var schedule: LearningRateSchedule?
    /// The maximum global norm of the gradients, which are clipped to it; 0 disables clipping.
    public var maximumGradientNorm = 1.0
    /// The most tokens, padding included, that one forward and backward run takes.
    public var tokensPerRun = 4096
    /// Threads of the gradient norm and the update; 0 uses all processors.
    public var threads = 0
    /// The weight of the chosen response's likelihood beside the preference loss; 0 for none.
    public var sftWeight = 0.0

    public init() {}

    /// Checks the ranges of the fields.
    ///
    /// - Throws: ``DamaError/Code/invalidArgument`` naming the field out of range.
    public func validate() throws(DamaError) {
        try optimizer.validate()
        guard maximumGradientNorm.isFinite, maximumGradientNorm >= 0 else {
            throw .invalidArgument("the maximum gradient norm is \(maximumGradientNorm); it must be 0 or more")
        }
        guard sftWeight.isFinite, sftWeight >= 0 else {
            throw .invalidArgument("sft_weight is \(sftWeight); it must be a number of 0 or more")
        }
        guard tokensPerRun > 0 else {
            throw .invalidArgument("the number of tokens per run is \(tokensPerRun); it must be positive")
        }
    }
}

/// The results of one step.
public struct StepMetrics: Equatable, Sendable {
    /// Updates made so far, this one included.
    public var step: UInt64 = 0
    public var loss = 0.0
    public var alphaModel = 0.0
    /// The running mean R̄ after the step.
    public var runningMean = 0.0
    public var betaMean = 0.0
    public var betaMinimum = 0.0
    public var betaMaximum = 0.0
    public var kept = 0
    public var pairs = 0
    /// The share of pairs whose chosen response gained more than the rejected one.
    public var accuracy = 0.0
    public var marginMean = 0.0
    /// The standard deviation of the margins h, and of the pairs' losses; with divisor N − 1, NaN for a single pair.
    public var marginDeviation = 0.0
    public var lossDeviation = 0.0
    /// The number of pairs whose β is the floor or the ceiling.
    public var betaClamped = 0
    /// Means of log π(y | I, x) by the policy.
    public var logpsChosen = 0.0
    public var logpsRejected = 0.0
    /// The same by the reference; NaN for a loss without a reference.
    public var referenceChosen = 0.0
    public var referenceRejected = 0.0
    /// The mean of β · margin, with plain β, over the pairs of each third by hardness; NaN for a third without pairs.
    public var gapByThird = [Double](repeating: .nan, count: 3)
    public var rewardChosen = 0.0
    public var rewardRejected = 0.0
    public var gradientNorm = 0.0
    public var learningRate = 0.0
    /// The number of image, prompt and response tokens.
    public var tokens = 0
    /// False if the loss or the gradient was not finite. Nothing is changed then.
    public var updated = true
    /// The number of updates skipped so far for this reason.
    public var skipped: UInt64 = 0
    /// Seconds by phase.
    public var seconds = Phases()
    /// The kept chosen responses' mean negative log-likelihood per token; part of the loss, if it has a weight.
    public var sftLoss = Double.nan

    public struct Phases: Equatable, Sendable {
        public var prepare = 0.0, reference = 0.0, forward = 0.0, backward = 0.0, update = 0.0
    }
}

/// The inner loop of Algorithm 1: forward, gaps, filter, β, loss, gradient, update, running mean.
///
/// ``step(_:run:)`` runs all of it, over several ranks if there are any. Its parts can be called one by one:
/// ``forward(_:use:run:)``, a controller, ``backward(_:chosen:rejected:_:run:)`` and ``update()``.
/// Not for use by two threads at the same time.
public final class Trainer {
    public let policy: TrainedPolicy
    /// The reference model; `nil` if the data holds the reference's log-probabilities or the loss needs none.
    public let reference: Policy?
    public private(set) var controller: AdaptiveBeta
    public var options: TrainerOptions
    /// The number of updates made.
    public private(set) var steps: UInt64 = 0
    /// The number of updates skipped because the loss or the gradient was not finite.
    public private(set) var skipped: UInt64 = 0
    /// The scale of the gradients in fp16; `nil` in other precisions.
    private(set) var lossScale: LossScale?
    /// β, margin, mask and gradient of each pair in the last ``step(_:run:)``; `nil` before the first.
    public private(set) var lastStep: AdaptiveBeta.Step?
    /// The processes that train together.
    let ranks: RankGroup

    /// - Parameter ranks: The processes that train together; by default there is only this one.
    public init(
        _ policy: TrainedPolicy, reference: Policy?, controller: AdaptiveBeta,
        options: TrainerOptions = TrainerOptions(), ranks: RankGroup = RankGroup()
    ) throws(DamaError) {
        try options.validate()
        self.policy = policy
        self.reference = reference
        self.controller = controller
        self.options = options
        self.ranks = ranks
        if policy.place?.type == .float16 { lossScale = LossScale() }
        policy.lossScale = lossScale?.value ?? 1
    }

    /// Sets the state of a checkpoint; see ``load(from:)``.
    func restore(_ state: TrainerState) {
        steps = state.steps
        skipped = state.skipped
        controller = state.controller
        // A checkpoint of another precision has none.
        if lossScale != nil { setLossScale(state.lossScale ?? LossScale()) }
    }

    func setLossScale(_ scale: LossScale) {
        lossScale = scale
        policy.lossScale = scale.value
    }

    // MARK: A step

    /// One update from a batch.
    ///
    /// - Parameter batch: With several ranks this rank's share of it, as `RankGroup.share(of:)` deals it. Every rank
    ///   makes the step at the same time, and gets the metrics of the whole batch.
    /// - Throws: ``DamaError/cancelled`` if `run` was stopped or another rank failed; input errors name the pair. After
    ///   any error weights, moments, controller and counters are unchanged.
    public func step(_ batch: [TrainingPair], run: RunOptions? = nil) throws(DamaError) -> StepMetrics {
        try explainedStep(batch, nil, run: run)
    }

    /// As ``step(_:run:)``, with a batch that the base has prepared.
    package func step(
        _ batch: [TrainingPair], prepared: [PreparedPair], run: RunOptions?
    ) throws(DamaError) -> StepMetrics {
        guard prepared.count == batch.count else {
            throw .internal("\(prepared.count) prepared pairs for a batch of \(batch.count)")
        }
        return try explainedStep(batch, prepared, run: run)
    }

    private func explainedStep(
        _ batch: [TrainingPair], _ prepared: [PreparedPair]?, run: RunOptions?
    ) throws(DamaError) -> StepMetrics {
        do {
            return try makeStep(batch, prepared, run: run)
        } catch {
            throw explain(error, batch)
        }
    }

    private func makeStep(
        _ batch: [TrainingPair], _ given: [PreparedPair]?, run: RunOptions?
    ) throws(DamaError) -> StepMetrics {
        var metrics = StepMetrics()
        var clock = PhaseClock()

        let (sums, forward) = try ranks.agreeing { () throws(DamaError) in
            try pass(batch, given, &metrics.seconds, &clock, run: run)
        }
        let count = try wholeBatch(of: batch.count)
        let pairs = try PairSums.gathered(sums, of: count, ranks)
        metrics.seconds.forward = clock.lap()

        var controller = controller
        let result = try controller.step(pairs)
        let supervised = SupervisedTerm(weight: options.sftWeight, pairs, mask: result.mask)
        describe(result, pairs, in: &metrics)
        metrics.loss += supervised.weighted
        metrics.sftLoss = supervised.loss

        let own = ranks.share(of: count)
        let chosen = supervised.added(to: result.gradChosen)
        func gradients() throws(DamaError) -> Double {
            try ranks.agreeing { () throws(DamaError) in
                try backward(
                    forward, chosen: own.map { chosen[$0] }, rejected: own.map { result.gradRejected[$0] }, .replace,
                    run: run)
            }
            try policy.sumGradients(over: ranks)
            let norm = try ranks.agreeing { () throws(DamaError) in try gradientNorm() }
            // The ranks' processors may differ in the last bit.
            return try ranks.first(norm)
        }
        var norm = try gradients()
        // A step whose gradients leave the range of fp16 is computed again with a smaller scale.
        while metrics.loss.isFinite, !norm.isFinite, var scale = lossScale, scale.value > 1 {
            scale.adapt(isFinite: false)
            setLossScale(scale)
            norm = try gradients()
        }
        metrics.seconds.backward = clock.lap()

        // The last point at which the step can be stopped.
        try ranks.agreeing { () throws(DamaError) in try run?.check() }
        metrics.gradientNorm = norm
        metrics.learningRate = learningRate
        let isFinite = metrics.loss.isFinite && norm.isFinite
        if isFinite {
            try update(norm: norm)
            try controller.commit()
            self.controller = controller
        } else {
            skipped += 1
            metrics.updated = false
        }
        if var scale = lossScale {
            scale.adapt(isFinite: isFinite)
            setLossScale(scale)
        }
        lastStep = result
        metrics.seconds.update = clock.lap()
        metrics.runningMean = self.controller.runningMean
        metrics.step = steps
        metrics.skipped = skipped
        return metrics
    }

    /// The forward half of a step over this rank's pairs.
    private func pass(
        _ batch: [TrainingPair], _ given: [PreparedPair]?, _ seconds: inout StepMetrics.Phases,
        _ clock: inout PhaseClock, run: RunOptions?
    ) throws(DamaError) -> (sums: [PairSums], forward: Forward) {
        // A small batch has no pair for some ranks.
        let isIdle = batch.isEmpty && ranks.count > 1
        let prepared =
            if let given { given } else { isIdle ? [] : try policy.base.prepare(batch.map(\.pair), run: run) }
        seconds.prepare = clock.lap()
        // If the vision part is frozen, the reference and the policy share an image's features.
        var features = ImageFeatures()
        let references = try referenceLogProbabilities(batch, prepared, &features, run: run)
        seconds.reference = clock.lap()

        // All forward runs come first, since β depends on all gaps of the batch.
        let forward = try forward(
            prepared: prepared, features: &features, use: lossScale == nil ? .once : .again, run: run)
        let sums = batch.indices.map { index in
            PairSums(
                forward.logProbabilities[index], reference: references?[index], alphaData: batch[index].alphaData,
                hardnessThird: batch[index].hardnessThird, tokens: prepared[index].tokenCount)
        }
        return (sums, forward)
    }

    /// The number of pairs on all ranks.
    ///
    /// - Throws: ``DamaError/Code/shapeMismatch`` if a rank brings another number than its share, on all ranks.
    private func wholeBatch(of own: Int) throws(DamaError) -> Int {
        let counts = try ranks.each(Double(own)).map { Int(exactly: $0) ?? 0 }
        let count = counts.reduce(0, +)
        for (rank, found) in counts.enumerated() {
            let expected = RankGroup.share(of: count, rank: rank, count: ranks.count).count
            guard found == expected else {
                throw .shapeMismatch(
                    "rank \(rank) brings \(found) of the \(count) pairs of the batch; its share of them is \(expected)")
            }
        }
        return count
    }

    // MARK: Parts

    /// The global norm of all gradients.
    public func gradientNorm() throws(DamaError) -> Double {
        let sum = try DeviceSum(policy.place)
        for parameter in policy.parameters {
            switch parameter.home {
            case .host(let numbers):
                guard let start = numbers.gradient.elements.baseAddress else { continue }
                sum.host += try GradientNorm.sumOfSquares(start, count: parameter.count, threads: options.threads)
            case .device(let numbers) where numbers.isShared: continue
            case .device(let numbers): try numbers.addSquares(to: sum)
            }
        }
        if let place = policy.place, let kernels = place.kernels {
            for slab in place.slabs.all { try kernels.addSquares(of: slab.tensors.gradient, to: sum) }
        }
        return try sum.total().squareRoot() / policy.lossScale
    }

    /// Updates all parameters by AdamW with their clipped gradients. Returns the global norm before clipping.
    ///
    /// - Throws: ``DamaError/Code/invalidArgument`` if the norm is not finite; nothing is changed then, but in fp16 the
    ///   next backward run has half the loss scale.
    @discardableResult
    public func update() throws(DamaError) -> Double {
        let norm = try gradientNorm()
        guard norm.isFinite else {
            if var scale = lossScale, scale.value > 1 {
                scale.adapt(isFinite: false)
                setLossScale(scale)
                throw .invalidArgument(
                    "the gradients leave the range of float16; the loss scale is now \(scale.value): clear the gradients "
                        + "and run backward again")
            }
            throw .invalidArgument("the norm of the gradients is \(norm); nothing was updated")
        }
        try update(norm: norm)
        if var scale = lossScale {
            scale.adapt(isFinite: true)
            setLossScale(scale)
        }
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
        optimizer.gradientScale /= policy.lossScale
        try policy.update(optimizer, step: steps + 1, threads: options.threads)
        steps += 1
    }

    /// log πref of the batch, from the data or from the reference model; `nil` for a loss without reference.
    ///
    /// - Parameters:
    ///   - prepared: the batch prepared by the policy's base; used if the base is the reference.
    ///   - features: image features of the batch; features that this reference computes are added.
    private func referenceLogProbabilities(
        _ batch: [TrainingPair], _ prepared: [PreparedPair], _ features: inout ImageFeatures, run: RunOptions?
    ) throws(DamaError) -> [(chosen: Double, rejected: Double)]? {
        if controller.configuration.loss.isReferenceFree { return nil }
        let missing = batch.indices.filter { batch[$0].reference == nil }
        var computed: [PairLogProbabilities] = []
        if !missing.isEmpty {
            guard let reference else {
                throw .invalidArgument(
                    "pair \(missing[0]) has no reference log-probabilities, and there is no reference model")
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

    private func describe(_ result: AdaptiveBeta.Step, _ pairs: [PairSums], in metrics: inout StepMetrics) {
        let limits = controller.configuration
        metrics.pairs = pairs.count
        metrics.tokens = pairs.reduce(0) { $0 + $1.tokens }
        metrics.loss = result.loss
        metrics.alphaModel = result.alphaModel
        metrics.kept = result.summary.kept
        metrics.accuracy = result.summary.accuracy
        metrics.betaMean = mean(result.beta)
        metrics.betaClamped = result.beta.count { $0 <= limits.floor || $0 >= limits.ceiling }
        metrics.betaMinimum = result.beta.min() ?? .nan
        metrics.betaMaximum = result.beta.max() ?? .nan
        metrics.marginMean = mean(result.margins)
        metrics.marginDeviation = deviation(result.margins)
        metrics.lossDeviation = deviation(result.losses)
        metrics.rewardChosen = mean(result.rewardChosen)
        metrics.rewardRejected = mean(result.rewardRejected)
        metrics.logpsChosen = mean(pairs.map(\.chosen))
        metrics.logpsRejected = mean(pairs.map(\.rejected))
        metrics.referenceChosen = mean(pairs.map { $0.reference?.chosen ?? .nan })
        metrics.referenceRejected = mean(pairs.map { $0.reference?.rejected ?? .nan })
        for third in 0..<3 {
            let members = pairs.indices.filter { pairs[$0].hardnessThird == third }
            guard !members.isEmpty else { continue }
            let sum = members.reduce(0) { $0 + result.plainRewardChosen[$1] - result.plainRewardRejected[$1] }
            metrics.gapByThird[third] = sum / Double(members.count)
        }
    }
}

private func mean(_ values: [Double]) -> Double { values.reduce(0, +) / Double(values.count) }

/// The standard deviation with divisor N − 1, as torch's `std`.
private func deviation(_ values: [Double]) -> Double {
    let middle = mean(values)
    return (values.reduce(0) { $0 + ($1 - middle) * ($1 - middle) } / Double(values.count - 1)).squareRoot()
}

/// Measures the seconds between laps.
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
