import DamaModels
import DamaSupport
import DamaTraining

extension TrainSettings {
    /// The memory of a step of this job, without opening the model: its config.json is enough.
    ///
    /// - Parameters:
    ///   - promptTokens: tokens of a prompt without its image.
    ///   - responseTokens: tokens of each response.
    public func memoryPlan(promptTokens: Int = 64, responseTokens: Int = 128) throws(DamaError) -> MemoryPlan {
        var step = job.plannedStep(on: policy)
        (step.promptTokens, step.responseTokens) = (promptTokens, responseTokens)
        return try MemoryPlan(model: model, job.trainable, step, visionTower: policy.visionTower)
    }
}

extension TrainOptions {
    /// A step of the job, with the usual lengths.
    func plannedStep(on policy: PolicyOptions) -> PlannedStep {
        var step = PlannedStep(policy.device)
        (step.precision, step.activations, step.offloads) = (policy.precision, activations, offload)
        (step.pairs, step.tokensPerRun) = (batchSize, tokensPerRun)
        step.computesReference = reference == nil && !method.loss.isReferenceFree
        return step
    }
}
