// `import Dama` is all a user needs: the modules beneath are re-exported.
@_exported import DamaImage
@_exported import DamaModels
@_exported import DamaPreference
@_exported import DamaSupport
@_exported import DamaText
