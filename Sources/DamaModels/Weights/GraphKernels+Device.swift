import DamaGraph
import DamaRuntime
import DamaSupport

extension GraphKernels {
    /// The kernels that graphs on `device` are written with.
    package init(on device: Device, _ precision: Precision) {
        self.init(
            fused: CudaKernels.areUsed(on: device), flash: CudaKernels.haveAttention(on: device, precision))
    }
}
