import DamaModels
import DamaRuntime
import DamaSupport

// The forward and the backward half of a step, for callers that run their own code between them.
extension Trainer {
    /// A forward run over a batch, in passes of up to ``TrainerOptions/tokensPerRun`` tokens.
    public struct Forward {
        /// log π of the response tokens of each pair, in order.
        public let logProbabilities: [PairLogProbabilities]
        fileprivate let passes: [(members: [Int], pass: ForwardPass)]
    }

    /// log π of every response, with the dropout of the next update. Keeps everything that
    /// ``backward(_:chosen:rejected:_:run:)`` needs.
    ///
    /// - Parameter use: how often the backward run uses the pass.
    /// - Throws: ``DamaError/cancelled`` if `run` was stopped; input errors name the pair.
    public func forward(
        _ pairs: [PreferencePair], use: PassUse = .once, run: RunOptions? = nil
    ) throws(DamaError) -> Forward {
        var features = ImageFeatures()
        return try forward(prepared: policy.base.prepare(pairs, run: run), features: &features, use: use, run: run)
    }

    /// Computes the gradients of Σ chosen · log π(y_w) + rejected · log π(y_l) into the parameters' gradients.
    ///
    /// A forward run for ``PassUse/once`` is used up. If this function throws, the gradients may be incomplete.
    ///
    /// - Parameters:
    ///   - chosen: ∂L/∂log π(y_w) of each pair of the forward run, for the sum over the response's tokens.
    ///   - rejected: ∂L/∂log π(y_l).
    public func backward(
        _ forward: Forward, chosen: [Double], rejected: [Double], _ update: GradientUpdate = .add,
        run: RunOptions? = nil
    ) throws(DamaError) {
        let count = forward.logProbabilities.count
        guard chosen.count == count, rejected.count == count else {
            throw .shapeMismatch("\(chosen.count) and \(rejected.count) gradients for \(count) pairs")
        }
        // A pass with only masked pairs has no gradient.
        let passes = forward.passes.filter { $0.members.contains { chosen[$0] != 0 || rejected[$0] != 0 } }
        let own: GradientUpdate = passes.count == 1 ? update : .add
        if update == .replace, passes.count != 1 { try policy.clearGradients() }
        for (members, pass) in passes {
            try policy.backward(
                pass, chosen: members.map { chosen[$0] }, rejected: members.map { rejected[$0] }, own, run: run)
        }
    }

    func forward(
        prepared pairs: [PreparedPair], features: inout ImageFeatures, use: PassUse, run: RunOptions?
    ) throws(DamaError) -> Forward {
        var passes: [(members: [Int], pass: ForwardPass)] = []
        var dropout = policy.dropout(step: steps &+ skipped, rank: ranks.rank)
        var found: [(index: Int, values: PairLogProbabilities)] = []
        for members in LengthBatches.plan(pairs.map(\.tokenCount), budget: options.tokensPerRun) {
            let pass = try policy.forward(
                members.map { pairs[$0] }, features: &features, dropout: &dropout, use: use, run: run)
            for (member, values) in zip(members, pass.logProbabilities) { found.append((member, values)) }
            passes.append((members, pass))
        }
        // Every pair is in exactly one pass.
        return Forward(logProbabilities: found.sorted { $0.index < $1.index }.map(\.values), passes: passes)
    }
}
