import CDamaCuda
import COnnxRuntime
import DamaSupport
import Synchronization

/// The fused operators (domain "dama") of this process's runtime.
enum FusedKernels {
    private struct Domain: @unchecked Sendable {
        var pointer: OpaquePointer
    }
    private static let shared = Mutex<Domain?>(nil)

    /// Makes the operators known to the sessions of `options`. The domain is made once, and lives until the process
    /// ends: sessions read it.
    static func register(_ options: OpaquePointer, _ runtime: OnnxRuntime) throws(DamaError) {
        let domain = shared.withLock { known -> Result<OpaquePointer, DamaError> in
            if let known { return .success(known.pointer) }
            var created: UnsafeMutableRawPointer?
            do throws(DamaError) {
                try runtime.check(cdama_operators_create(runtime.api, &created).map(OpaquePointer.init))
            } catch {
                return .failure(error)
            }
            guard let created else { return .failure(.internal("ONNX Runtime returned no domain of operators")) }
            let pointer = OpaquePointer(created)
            known = Domain(pointer: pointer)
            return .success(pointer)
        }
        try runtime.check(runtime.api.pointee.AddCustomOpDomain!(options, domain.get()))
    }
}

/// The kernels for CUDA devices, which NVRTC compiles at run time.
public enum CudaKernels {
    public enum Status: Equatable, Sendable {
        case available
        /// The reason in one line. Graphs are then built in the plain form.
        case unavailable(String)
    }

    /// Whether the kernels run on the device of this number. The first call for a kind of device compiles them, which
    /// takes some seconds, or reads them from the user's cache.
    public static func status(device: Int32 = 0) -> Status {
        guard let reason = cdama_cuda_kernels_status(device) else { return .available }
        return .unavailable(String(cString: reason))
    }

    /// Whether graphs on `device` are written with fused kernels.
    package static func areUsed(on device: Device) -> Bool {
        guard case .cuda(let ordinal) = device else { return false }
        return DeviceEmulation.backend(ordinal) != nil || status(device: ordinal) == .available
    }

    /// Whether attention on `device` is one of them: its kernels compute in float16 and bfloat16, on devices of compute
    /// capability 8.0 and later.
    package static func haveAttention(on device: Device, _ precision: Precision) -> Bool {
        guard case .cuda(let ordinal) = device, precision != .float32 else { return false }
        return DeviceEmulation.backend(ordinal) != nil || cdama_cuda_has_attention(ordinal) != 0
    }
}
