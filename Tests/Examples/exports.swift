// What `import Dama` gives: each name that Sources/Dama/Exports.swift and the jobs mean for users. Type-checked outside
// the package by Tests/Examples/exports, which also checks that the names in hidden.txt are not found.
import Dama

let version: StaticString = libraryVersion
let errors: [Any.Type] = [DamaError.self, StopSignal.self]
let method: [Any.Type] = [AdaptiveBeta.self, AdaptiveBeta.Configuration.self, Hardness.self, PreferenceLoss.self]
let kernels: [Any.Type] = [AdamW.self, GradientNorm.self, LearningRateSchedule.self, TokenLogProbabilities.self]
let text: [Any.Type] = [
    BuiltInSplitter.self, CallbackSplitter.self, StreamingDecoder.self, (any SubSentenceSplitter).self, TokenLimit.self,
    Tokenizer.self, Tokenizer.SpecialTokens.self,
]
let images: [Any.Type] = [
    ImageDecoder.self, ImageDecoding.self, ImageLimits.self, ImageProcessor.self, ImageSource.self, PixelRect.self,
    PixelSize.self, PreparedImage.self, RGBImage.self, ResizeFilter.self,
]
let models: [Any.Type] = [
    ChatMessage.self, ChatTemplate.self, Device.self, DualEncoder.self, EarlyStopping.self, FinishReason.self,
    GenerationOptions.self, GenerationRequest.self,
    (any ImageTextEncoder).self, LowRankAdapters.self, OnnxRuntime.self, PairHardness.self, PairLogProbabilities.self,
    Policy.self, PolicyImage.self, PolicyOptions.self, PreferencePair.self, PreparedImages.self, PreparedPair.self,
    PreparedPrompt.self, ResponseLogProbability.self, RunOptions.self, SamplingOptions.self,
    Scorer.self, WeightType.self,
]
let training: [Any.Type] = [
    ExportOptions.self, ForwardPass.self, GradientUpdate.self, HeldOutMetrics.self, MemoryPlan.self, Parameter.self,
    PassUse.self, PlannedStep.self, RankGroup.self, StepMetrics.self, Trainable.self, TrainedPolicy.self,
    Trainer.self, TrainerOptions.self, TrainingPair.self,
]
let jobs: [Any.Type] = [
    ComparisonOptions.self, EvaluationComparison.self,
    GenerateJob.self, GenerateOptions.self, JobProgress.self, LineJobSummary.self, ReferenceCache.self,
    ReferenceJob.self, ReferenceOptions.self, RowJobOptions.self, ScoreJob.self, ScoreMerge.self,
    ScoreOptions.self, ScoreSummary.self, Shard.self,
    TrainEvent.self, TrainJob.self, TrainOptions.self, TrainProgress.self, TrainSettings.self, TrainSummary.self,
]
let splitting: [Any.Type] = [
    ChatEndpoint.self, ChatRequest.self, CommandWriter.self, EndpointWriter.self,
    LanguageModelSplitter.self, NamedSplitter.self,
    PolicyWriter.self, RequestRate.self, (any ResponseSplitter).self, (any SentenceWriter).self, SplitCache.self,
    SplitResponse.self,
]

let evaluation: [Any.Type] = [
    EvaluateJob.self, EvaluateOptions.self, EvaluateSummary.self, EvaluationData.self, EvaluationMetric.self,
    EvaluationQuestions.self,
]

let judges: [Any.Type] = [
    CachedJudge.self, CommandJudge.self, EndpointJudge.self, (any Judge).self, JudgeAnswer.self, JudgeCache.self,
    JudgeRequest.self, ModelEcho.self, PolicyJudge.self,
]

// Members of exported types, whichever file declares them.
func members(_ policy: Policy, _ trainer: Trainer, _ pair: PreferencePair) throws {
    _ = try policy.logProbabilities([pair])
    _ = try policy.generate([GenerationRequest(image: .path("a.png"), prompt: "a")], GenerationOptions())
    try trainer.save(to: "checkpoint", note: "batch 3")
    let note: String? = try trainer.load(from: "checkpoint")
    _ = note
    _ = try TrainSettings(path: "train.yaml")
    _ = try AdaptiveBeta(.paper).state()
}
