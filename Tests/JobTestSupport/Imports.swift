// Exports all modules below to every file of this target. `import Dama` alone exports what a user needs.
@_exported import DamaImage
@_exported import DamaKernels
@_exported import DamaModels
@_exported import DamaPreference
@_exported import DamaSupport
@_exported import DamaText
@_exported import DamaTraining
