import DamaModels
import DamaRuntime
import DamaSupport

/// What would take less memory of a device.
package struct MemoryAdvice {
    /// A setting, and the bytes on the device with it.
    var changes: [(setting: String, bytes: Int)] = []
    /// The bytes of the step as it is.
    var planned: Int

    /// Plans the step again with each setting that takes less, and with all of them.
    init(
        _ networks: ModelNetworks, _ trainable: Trainable, _ step: PlannedStep, name: String
    ) throws(DamaError) {
        let now = try MemoryPlan(networks, trainable, step, name: name)
        planned = now.total.device
        var best = step
        func plan(_ step: PlannedStep) throws(DamaError) -> Int {
            try MemoryPlan(networks, trainable, step, name: name).total.device
        }
        func offer(_ setting: String, _ change: (inout PlannedStep) -> Void) throws(DamaError) {
            var one = step
            change(&one)
            let bytes = try plan(one)
            guard bytes < planned else { return }
            changes.append((setting, bytes))
            change(&best)
        }
        if step.activations == .keep { try offer("activations: recompute") { $0.activations = .recompute } }
        if !step.offloads { try offer("offload: true") { $0.offloads = true } }
        if (now.runs.max() ?? 1) > 1 { try offer("tokens_per_run: \(now.tokens)") { $0.tokensPerRun = now.tokens } }
        if step.pairs > 1 { try offer("batch_size: \(step.pairs / 2)") { $0.pairs = step.pairs / 2 } }
        if changes.count > 1 { changes.append(("all of these", try plan(best))) }
    }

    /// - Parameter total: the bytes of the device.
    func text(total: Int) -> String {
        let plan = "the plan of this step is \(MemoryPlan.text(planned)) of the device's \(MemoryPlan.text(total))"
        let fitting = changes.filter { $0.bytes <= total }
        guard !fitting.isEmpty else { return "\(plan), and no setting makes it fit" }
        return "\(plan); " + fitting.map { "\($0.setting) takes \(MemoryPlan.text($0.bytes))" }.joined(separator: ", ")
    }

    /// The error with what would fit, if the device had too little memory; the error as it is if nothing can be said.
    package static func explain(
        _ error: DamaError, _ base: Policy, _ trainable: Trainable, _ step: PlannedStep
    ) -> DamaError {
        guard error.code == .outOfMemory, step.device != .cpu else { return error }
        let advice: String
        do throws(DamaError) {
            let runtime = try OnnxRuntime.load(path: base.options.runtimePath)
            let total = try runtime.backend(step.device).memory(resets: false).total
            let networks = try ModelNetworks.read(directory: base.directory, visionTower: base.options.visionTower)
            let found = try MemoryAdvice(networks, trainable, step, name: base.directory)
            advice = found.text(total: Int(clamping: total))
        } catch _ {
            return error
        }
        return .outOfMemory("\(error.message); \(advice)")
    }
}

extension Trainer {
    /// The error of a step, with what would fit if its device had too little memory.
    func explain(_ error: DamaError, _ batch: [TrainingPair]) -> DamaError {
        guard error.code == .outOfMemory, policy.base.options.device != .cpu else { return error }
        var step = PlannedStep(policy.base.options.device)
        step.precision = policy.base.precision
        step.activations = policy.activations
        step.offloads = policy.place?.offload != nil
        (step.pairs, step.tokensPerRun) = (max(1, batch.count), options.tokensPerRun)
        step.computesReference = reference === policy.base
        if let prepared = try? policy.base.prepare(batch.map(\.pair), run: nil) {
            let images = prepared.flatMap(\.images).map(\.tokenCount).max()
            (step.images, step.imageTokens) = (prepared.map(\.images.count).max() ?? 0, images)
            let text = prepared.map { $0.sequence.prefixLength - $0.images.reduce(0) { $0 + $1.tokenCount } }
            step.promptTokens = max(1, text.max() ?? 1)
            step.responseTokens =
                prepared.flatMap { $0.sequence.responses.map(\.range.count) }.max() ?? step.responseTokens
        }
        return MemoryAdvice.explain(error, policy.base, policy.trainable, step)
    }
}
