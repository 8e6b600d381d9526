// Every file of this target sees the whole modules below. `import Dama` alone exports only what a user needs.
@_exported import DamaEvaluation
@_exported import DamaImage
@_exported import DamaKernels
@_exported import DamaModels
@_exported import DamaPreference
@_exported import DamaSupport
@_exported import DamaText
@_exported import DamaTraining
