import DamaRuntime
import DamaSupport

/// Where a trained graph runs, and in which precision.
struct GraphPlace {
    let runtime: OnnxRuntime
    let device: Device
    var precision = Precision.float32
    /// Inputs and outputs that have the type that the graph computes in; the others are fp32.
    var natural: Set<String> = []
}
