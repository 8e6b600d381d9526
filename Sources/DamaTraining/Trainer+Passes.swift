import DamaModels
import DamaRuntime
import DamaSupport

// The forward and the backward half of a step, for stacks that put something of their own between them.
extension Trainer {
    /// A forward run over a batch, in as many passes as ``TrainerOptions/tokensPerRun`` makes of it, and what flows back
    /// through them. It is good until the next update: what it kept belongs to the weights that it ran with.
    public struct Forward {
        /// log π of the responses' tokens of each pair, in order.
        public let logProbabilities: [PairLogProbabilities]
        fileprivate let passes: [(members: [Int], pass: TrainedPolicy.Pass)]
    }

    /// log π of every response, with everything kept that ``backward(_:chosen:rejected:run:)`` needs.
    ///
    /// - Throws: ``DamaError/cancelled`` where `run` was told to stop; input errors name the pair.
    public func forward(_ pairs: [PreferencePair], run: RunOptions? = nil) throws(DamaError) -> Forward {
        try forward(prepared: prepare(pairs, run: run), run: run)
    }

    /// Adds to the parameters' gradients those of Σ chosen · log π(y_w) + rejected · log π(y_l).
    ///
    /// Where it throws, a part of them may have been added.
    ///
    /// - Parameters:
    ///   - chosen: ∂L/∂log π(y_w) of each pair of the forward run, its tokens' sum.
    ///   - rejected: ∂L/∂log π(y_l).
    ///   - replacing: sets the gradients to them instead, whatever they hold, in less time than
    ///     ``TrainedPolicy/clearGradients()`` and adding take.
    public func backward(
        _ forward: Forward, chosen: [Double], rejected: [Double], replacing: Bool = false, run: RunOptions? = nil
    ) throws(DamaError) {
        try backward(
            forward, chosen: chosen, rejected: rejected, replacing: replacing, consuming: false, run: run)
    }

    /// - Parameter consuming: the forward run is not used again, and its memory may be written to.
    func backward(
        _ forward: Forward, chosen: [Double], rejected: [Double], replacing: Bool, consuming: Bool, run: RunOptions?
    ) throws(DamaError) {
        let count = forward.logProbabilities.count
        guard chosen.count == count, rejected.count == count else {
            throw .shapeMismatch("\(chosen.count) and \(rejected.count) gradients for \(count) pairs")
        }
        // A pass over nothing but masked pairs has no way back.
        let passes = forward.passes.filter { $0.members.contains { chosen[$0] != 0 || rejected[$0] != 0 } }
        if replacing, passes.count != 1 { policy.clearGradients() }
        for (members, pass) in passes {
            try policy.backward(
                pass, chosen: members.map { chosen[$0] }, rejected: members.map { rejected[$0] },
                replacing: replacing && passes.count == 1, consuming: consuming, run: run)
        }
    }

    func prepare(_ pairs: [PreferencePair], run: RunOptions?) throws(DamaError) -> [PreparedPair] {
        guard !pairs.isEmpty else { throw .invalidArgument("the batch is empty; expected at least one pair") }
        var prepared: [PreparedPair] = []
        for (index, pair) in pairs.enumerated() {
            try run?.check()
            do {
                prepared.append(try policy.base.prepare(pair))
            } catch {
                throw DamaError(error.code, "pair \(index): \(error.message)")
            }
        }
        return prepared
    }

    func forward(prepared pairs: [PreparedPair], run: RunOptions?) throws(DamaError) -> Forward {
        var passes: [(members: [Int], pass: TrainedPolicy.Pass)] = []
        var found: [(index: Int, values: PairLogProbabilities)] = []
        for members in LengthBatches.plan(pairs.map(\.tokenCount), budget: options.tokensPerRun) {
            let pass = try policy.forward(members.map { pairs[$0] }, run: run)
            for (member, values) in zip(members, pass.logProbabilities) { found.append((member, values)) }
            passes.append((members, pass))
        }
        // Every pair is a member of one run.
        return Forward(logProbabilities: found.sorted { $0.index < $1.index }.map(\.values), passes: passes)
    }
}
