import COnnxRuntime
import DamaSupport

/// Where sessions run and where tensors lie.
public enum Device: Hashable, Sendable, CustomStringConvertible {
    case cpu
    case cuda(Int32)

    /// Reads "cpu", "cuda" or "cuda:N".
    public init(_ text: String) throws(DamaError) {
        switch text {
        case "cpu": self = .cpu
        case "cuda": self = .cuda(0)
        default:
            let parts = text.split(separator: ":", omittingEmptySubsequences: false)
            guard parts.count == 2, parts[0] == "cuda", let id = Int32(parts[1]), id >= 0 else {
                throw .invalidArgument("unknown execution provider '\(text)'; expected 'cpu', 'cuda' or 'cuda:N'")
            }
            self = .cuda(id)
        }
    }

    public var description: String {
        switch self {
        case .cpu: "cpu"
        case .cuda(let id): "cuda:\(id)"
        }
    }

    /// ONNX Runtime's name of the provider.
    var providerName: String {
        switch self {
        case .cpu: "CPUExecutionProvider"
        case .cuda: "CUDAExecutionProvider"
        }
    }
}

extension OnnxRuntime {
    /// - Throws: ``DamaError/Code/unsupported`` if this runtime cannot run on `device`; the message names its
    ///   providers.
    public func requireProvider(for device: Device) throws(DamaError) {
        if case .cuda(let ordinal) = device, DeviceEmulation.backend(ordinal) != nil { return }
        guard providers.contains(device.providerName) else {
            throw .unsupported(
                "ONNX Runtime \(version) at \(path) cannot run on '\(device)': it has "
                    + "\(providers.joined(separator: ", "))"
                    + (device == .cpu ? "" : "; the wheel onnxruntime-gpu provides CUDAExecutionProvider"))
        }
    }

    /// The memory of a device. For the CPU it is the host's.
    ///
    /// - Throws: ``DamaError/Code/unsupported`` if there is no such device or the runtime cannot use it.
    package func backend(_ device: Device) throws(DamaError) -> any DeviceBackend {
        switch device {
        case .cpu: return Self.hostBackend
        case .cuda(let ordinal):
            if let emulated = DeviceEmulation.backend(ordinal) { return emulated }
            try requireProvider(for: device)
            let opened = try CudaBackend.open(ordinal)
            // Before weights are copied there.
            try requireCudaLibraries()
            return opened
        }
    }

    /// Whether sessions on `device` run on the CPU.
    func isHost(_ device: Device) -> Bool {
        switch device {
        case .cpu: true
        case .cuda(let ordinal): DeviceEmulation.backend(ordinal) != nil
        }
    }

    private static let hostBackend = HostBackend(.cpu, isGuarded: false)

    /// Describes memory on `device`; the caller releases it.
    func memoryInfo(_ device: Device) throws(DamaError) -> OpaquePointer {
        var info: OpaquePointer?
        switch device {
        case .cuda(let id) where DeviceEmulation.backend(id) == nil:
            try check(api.pointee.CreateMemoryInfo!("Cuda", OrtDeviceAllocator, id, OrtMemTypeDefault, &info))
        case .cpu, .cuda:
            try check(api.pointee.CreateCpuMemoryInfo!(OrtArenaAllocator, OrtMemTypeDefault, &info))
        }
        guard let info else { throw .internal("ONNX Runtime returned no memory description") }
        return info
    }
}
