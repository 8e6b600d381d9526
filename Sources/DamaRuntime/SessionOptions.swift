import COnnxRuntime
import DamaSupport

/// How a session is created.
public struct SessionOptions: Sendable {
    /// How far the runtime rewrites the graph when it loads it.
    public enum Optimization: Sendable {
        case none, basic, extended, all

        var level: GraphOptimizationLevel {
            switch self {
            case .none: ORT_DISABLE_ALL
            case .basic: ORT_ENABLE_BASIC
            case .extended: ORT_ENABLE_EXTENDED
            case .all: ORT_ENABLE_ALL
            }
        }
    }

    public var device: Device = .cpu
    public var optimization: Optimization = .all
    /// 0 for the process's shared pool. Another number gives the session its own pool, unless the shared pool has this
    /// size.
    public var threads = 0
    /// Whether kernels may keep weights in an order of their own: faster, at the cost of a copy of each matrix.
    public var prepacking = true
    /// Whether memory is kept from one run to the next.
    public var arena = true
    /// Values of the graph's initializers whose data is external. They are kept alive and used in place (see
    /// ``copiesInitializers``).
    public var initializers: [String: TensorValue] = [:]
    /// Whether ``initializers`` become a part of the graph when the session is created, and so are copied to the device
    /// that uses them. Without it they must lie on the session's device: the runtime does not accept a value in other
    /// memory, and looks for the file that the graph names.
    public var copiesInitializers = false
    /// Whether the session knows the fused operators of the domain "dama".
    public var registersKernels = false
    /// Whether the small inputs of a run go to the session's device in one copy: for graphs that read all inputs there.
    /// What a kernel reads on the host would be copied back.
    package var packsInputs = false
    /// Further entries of ONNX Runtime's `onnxruntime_session_options_config_keys.h`.
    public var configuration: [String: String] = [:]

    public init() {}

    /// All that two sessions of one model and one set of initializers can differ in.
    package struct Settings: Hashable, Sendable {
        private let device: Device
        private let optimization: Optimization
        private let threads: Int
        private let prepacking: Bool
        private let arena: Bool
        private let copiesInitializers: Bool
        private let registersKernels: Bool
        private let packsInputs: Bool
        private let configuration: [String: String]

        init(_ options: SessionOptions) {
            device = options.device
            optimization = options.optimization
            threads = options.threads
            prepacking = options.prepacking
            arena = options.arena
            copiesInitializers = options.copiesInitializers
            registersKernels = options.registersKernels
            packsInputs = options.packsInputs
            configuration = options.configuration
        }
    }

    package var settings: Settings { Settings(self) }

    /// The C options; the caller releases them.
    func make(_ runtime: OnnxRuntime, modelHasNoFolder: Bool) throws(DamaError) -> OpaquePointer {
        let api = runtime.api
        var created: OpaquePointer?
        try runtime.check(api.pointee.CreateSessionOptions!(&created))
        guard let options = created else { throw .internal("ONNX Runtime returned no session options") }
        do throws(DamaError) {
            try fill(options, runtime, modelHasNoFolder)
        } catch {
            api.pointee.ReleaseSessionOptions!(options)
            throw error
        }
        return options
    }

    private func fill(
        _ options: OpaquePointer, _ runtime: OnnxRuntime, _ modelHasNoFolder: Bool
    ) throws(DamaError) {
        let api = runtime.api
        try runtime.check(api.pointee.SetSessionGraphOptimizationLevel!(options, optimization.level))
        try runtime.check(api.pointee.SetSessionExecutionMode!(options, ORT_SEQUENTIAL))
        var configuration = configuration
        if threads == 0 || threads == runtime.threads {
            try runtime.check(api.pointee.DisablePerSessionThreads!(options))
        } else {
            try runtime.check(api.pointee.SetIntraOpNumThreads!(options, Int32(clamping: threads)))
            // A second pool of spinning threads would compete with the first for the processors.
            configuration["session.intra_op.allow_spinning"] = "0"
        }
        // Memory patterns are kept for each combination of input shapes, and every batch here has its own.
        try runtime.check(api.pointee.DisableMemPattern!(options))
        if !arena { try runtime.check(api.pointee.DisableCpuMemArena!(options)) }
        if !prepacking { configuration["session.disable_prepacking"] = "1" }
        // This library's graphs name the files of weights from the root. A model from a file keeps its own folder.
        if modelHasNoFolder { configuration["session.model_external_initializers_file_folder_path"] = "/" }
        for (key, value) in configuration {
            try runtime.check(api.pointee.AddSessionConfigEntry!(options, key, value))
        }
        try runtime.requireProvider(for: device)
        if case .cuda(let ordinal) = device, DeviceEmulation.backend(ordinal) == nil {
            try runtime.appendCuda(options, CudaBackend.open(ordinal))
        }
        if registersKernels { try FusedKernels.register(options, runtime) }
        try addInitializers(options, runtime)
    }

    private func addInitializers(_ options: OpaquePointer, _ runtime: OnnxRuntime) throws(DamaError) {
        let api = runtime.api
        // The CPU computes float16 by conversion, and the runtime converts weights when it creates the session: it has
        // to see their numbers.
        let converts = runtime.isHost(device) && initializers.contains { $0.value.elementType == .float16 }
        guard copiesInitializers || converts else {
            // Used in place, but the optimizer does not see them: what it would fold must not depend on these alone.
            for (name, tensor) in initializers {
                try runtime.check(api.pointee.AddInitializer!(options, name, tensor.value))
            }
            return
        }
        guard !initializers.isEmpty else { return }
        let entries = Array(initializers)
        let values = entries.map { Optional($0.value.value) }
        try withCStrings(entries.map(\.key)) { names throws(DamaError) in
            try runtime.check(api.pointee.AddExternalInitializers!(options, names, values, values.count))
        }
        withExtendedLifetime(entries) {}
    }
}
