// `import Dama` is all a user needs: the modules beneath are re-exported.
@_exported import DamaImage
@_exported import DamaKernels
@_exported import DamaModels
@_exported import DamaPreference
@_exported import DamaSupport
@_exported import DamaText
@_exported import DamaTraining

@_exported import enum DamaRuntime.Device
@_exported import class DamaRuntime.OnnxRuntime
@_exported import class DamaRuntime.RunOptions
