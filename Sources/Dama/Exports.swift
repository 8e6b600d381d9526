// What `import Dama` gives beside this module's own jobs: the types below, and no more of the modules beneath.
// Tests/Examples/exports.swift names each, and Tests/Examples/hidden.txt some that must not be among them.

@_exported import struct DamaSupport.DamaError
@_exported import class DamaSupport.StopSignal
@_exported import let DamaSupport.libraryVersion

// MARK: The method

@_exported import struct DamaPreference.AdaptiveBeta
@_exported import enum DamaPreference.Hardness
@_exported import enum DamaPreference.PreferenceLoss

@_exported import struct DamaKernels.AdamW
@_exported import enum DamaKernels.GradientNorm
@_exported import struct DamaKernels.LearningRateSchedule
@_exported import enum DamaKernels.TokenLogProbabilities

// MARK: Text

@_exported import struct DamaText.BuiltInSplitter
@_exported import struct DamaText.CallbackSplitter
@_exported import struct DamaText.StreamingDecoder
@_exported import protocol DamaText.SubSentenceSplitter
@_exported import struct DamaText.TokenLimit
@_exported import class DamaText.Tokenizer

// MARK: Images

@_exported import enum DamaImage.ImageDecoder
@_exported import struct DamaImage.ImageDecoding
@_exported import struct DamaImage.ImageLimits
@_exported import struct DamaImage.ImageProcessor
@_exported import enum DamaImage.ImageSource
@_exported import struct DamaImage.PixelRect
@_exported import struct DamaImage.PixelSize
@_exported import struct DamaImage.PreparedImage
@_exported import struct DamaImage.RGBImage
@_exported import enum DamaImage.ResizeFilter

// MARK: Models

@_exported import enum DamaRuntime.Device
@_exported import class DamaRuntime.OnnxRuntime
@_exported import class DamaRuntime.RunOptions

@_exported import class DamaModels.CLIPEncoder
@_exported import protocol DamaModels.ImageTextEncoder
@_exported import struct DamaModels.PairHardness
@_exported import class DamaModels.Scorer

@_exported import enum DamaModels.FinishReason
@_exported import struct DamaModels.GenerationOptions
@_exported import struct DamaModels.PairLogProbabilities
@_exported import class DamaModels.Policy
@_exported import struct DamaModels.PolicyOptions
@_exported import struct DamaModels.PreferencePair
@_exported import struct DamaModels.PreparedPair
@_exported import struct DamaModels.PreparedPrompt
@_exported import struct DamaModels.PromptTemplate
@_exported import struct DamaModels.ResponseLogProbability
@_exported import struct DamaModels.SamplingOptions

// MARK: Training

@_exported import struct DamaModels.LowRankAdapters
@_exported import enum DamaModels.WeightType

@_exported import struct DamaTraining.ExportOptions
@_exported import class DamaTraining.Parameter
@_exported import struct DamaTraining.StepMetrics
@_exported import enum DamaTraining.Trainable
@_exported import class DamaTraining.TrainedPolicy
@_exported import class DamaTraining.Trainer
@_exported import struct DamaTraining.TrainerOptions
@_exported import struct DamaTraining.TrainingPair
