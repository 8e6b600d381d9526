import DamaModels
import DamaPreference
import DamaRuntime
import DamaSupport

/// What a model does with pairs that it is not trained on.
public struct HeldOutMetrics: Equatable, Sendable {
    public var pairs = 0
    /// The mean of the preference loss with the base β for every pair: no filter, no α.
    public var loss = 0.0
    /// The share of pairs with a margin above 0.
    public var accuracy = 0.0
    /// The mean of the margin h, Eq. (1).
    public var margin = 0.0
    /// Means of log π(y | I, x) by the policy.
    public var logpsChosen = 0.0
    public var logpsRejected = 0.0
    /// The same by the reference; NaN for a loss without a reference.
    public var referenceChosen = 0.0
    public var referenceRejected = 0.0
    /// The chosen responses' mean negative log-likelihood per token.
    public var sftLoss = 0.0
}

extension Trainer {
    /// Scores pairs with the current weights, without dropout. Weights, moments, controller and counters do not change.
    ///
    /// - Parameter pairs: Pairs with reference log-probabilities, unless the loss needs none.
    /// - Throws: ``DamaError/Code/invalidArgument`` for a pair without them; ``DamaError/cancelled`` if `run` was
    ///   stopped; input errors name the pair.
    public func heldOut(_ pairs: [TrainingPair], run: RunOptions? = nil) throws(DamaError) -> HeldOutMetrics {
        var sums = HeldOutSums(controller.configuration)
        try add(pairs, to: &sums, run: run)
        return try sums.metrics()
    }

    /// Adds one part of the pairs, so that a caller need not hold the images of all.
    package func add(
        _ pairs: [TrainingPair], to sums: inout HeldOutSums, run: RunOptions? = nil
    ) throws(DamaError) {
        guard !pairs.isEmpty else { return }
        let prepared = try policy.base.prepare(pairs.map(\.pair), run: run)
        var features = ImageFeatures()
        var found: [(index: Int, values: PairLogProbabilities)] = []
        for members in LengthBatches.plan(prepared.map(\.tokenCount), budget: options.tokensPerRun) {
            var dropout: Dropout?
            let pass = try policy.forward(
                members.map { prepared[$0] }, features: &features, dropout: &dropout, use: .once, run: run)
            for (member, values) in zip(members, pass.logProbabilities) { found.append((member, values)) }
        }
        for (index, values) in found.sorted(by: { $0.index < $1.index }) {
            let isFree = controller.configuration.loss.isReferenceFree
            try sums.add(PairSums(values, reference: isFree ? nil : pairs[index].reference))
        }
    }
}

/// log π of the pairs that were scored so far.
package struct HeldOutSums {
    private let configuration: AdaptiveBeta.Configuration
    private var pairs: [PairSums] = []

    /// - Parameter configuration: The training's; of it only β and the loss are used.
    package init(_ configuration: AdaptiveBeta.Configuration) {
        var plain = AdaptiveBeta.Configuration.dpo
        plain.beta = configuration.beta
        plain.loss = configuration.loss
        self.configuration = plain
    }

    fileprivate mutating func add(_ pair: PairSums) throws(DamaError) {
        guard pair.reference != nil || configuration.loss.isReferenceFree else {
            throw .invalidArgument("held-out pair \(pairs.count) has no reference log-probabilities")
        }
        pairs.append(pair)
    }

    /// The pairs of all ranks, of which each has added its share.
    ///
    /// - Parameter total: The number of pairs on all ranks.
    package func gathered(of total: Int, _ ranks: RankGroup) throws(DamaError) -> HeldOutSums {
        var all = self
        all.pairs = try PairSums.gathered(pairs, of: total, ranks)
        return all
    }

    /// The metrics of all pairs.
    ///
    /// - Throws: ``DamaError/Code/invalidArgument`` if there are none.
    package func metrics() throws(DamaError) -> HeldOutMetrics {
        guard !pairs.isEmpty else { throw .invalidArgument("there are no held-out pairs") }
        // A controller of its own: the training's has a running mean, which must not change.
        var controller = try AdaptiveBeta(configuration)
        let step = try controller.step(pairs)
        func mean(_ values: [Double]) -> Double { values.reduce(0, +) / Double(values.count) }
        var metrics = HeldOutMetrics()
        metrics.pairs = pairs.count
        metrics.loss = mean(step.losses)
        metrics.accuracy = Double(step.margins.count { $0 > 0 }) / Double(pairs.count)
        metrics.margin = mean(step.margins)
        metrics.logpsChosen = mean(pairs.map(\.chosen))
        metrics.logpsRejected = mean(pairs.map(\.rejected))
        metrics.referenceChosen = mean(pairs.map { $0.reference?.chosen ?? .nan })
        metrics.referenceRejected = mean(pairs.map { $0.reference?.rejected ?? .nan })
        metrics.sftLoss = SupervisedTerm(weight: 0, pairs, mask: pairs.map { _ in true }).loss
        return metrics
    }
}
