import COnnxRuntime
import DamaSupport

/// How a session is made.
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
    /// 0: the process's shared pool. Otherwise, where the shared pool has another size, a pool of the session's own.
    public var threads = 0
    /// Whether kernels may keep weights in an order of their own: faster, at the price of a copy of each matrix.
    public var prepacking = true
    /// Whether memory is kept from one run to the next.
    public var arena = true
    /// Values of the graph's initializers whose data it says is external. They are kept alive; on the CPU they are used where
    /// they lie (see ``copiesInitializers``).
    public var initializers: [String: TensorValue] = [:]
    /// Whether ``initializers`` become a part of the graph when the session is made, and so are copied to the device that
    /// uses them. They must where that is not the CPU: a value that lies elsewhere the runtime does not take, and looks for
    /// the file that the graph names.
    public var copiesInitializers: Bool {
        get { forcedCopies ?? (device != .cpu) }
        set { forcedCopies = newValue }
    }
    private var forcedCopies: Bool?
    /// Further entries as in ONNX Runtime's `onnxruntime_session_options_config_keys.h`.
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
        private let configuration: [String: String]

        init(_ options: SessionOptions) {
            device = options.device
            optimization = options.optimization
            threads = options.threads
            prepacking = options.prepacking
            arena = options.arena
            copiesInitializers = options.copiesInitializers
            configuration = options.configuration
        }
    }

    package var settings: Settings { Settings(self) }

    /// The C options; the caller releases them.
    func make(_ runtime: OnnxRuntime, modelHasNoFolder: Bool) throws(DamaError) -> OpaquePointer {
        let api = runtime.api
        var created: OpaquePointer?
        try runtime.check(api.pointee.CreateSessionOptions!(&created))
        guard let options = created else { throw .internal("ONNX Runtime gave no session options") }
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
            // A second pool that spins would take the processors from the first.
            configuration["session.intra_op.allow_spinning"] = "0"
        }
        // Memory patterns are kept for each combination of input shapes, and here every batch has its own.
        try runtime.check(api.pointee.DisableMemPattern!(options))
        if !arena { try runtime.check(api.pointee.DisableCpuMemArena!(options)) }
        if !prepacking { configuration["session.disable_prepacking"] = "1" }
        // Our graphs name their weights' files from the root. A model that comes from a file keeps its own folder.
        if modelHasNoFolder { configuration["session.model_external_initializers_file_folder_path"] = "/" }
        for (key, value) in configuration {
            try runtime.check(api.pointee.AddSessionConfigEntry!(options, key, value))
        }
        try appendProvider(options, runtime)
        try addInitializers(options, runtime)
    }

    private func appendProvider(_ options: OpaquePointer, _ runtime: OnnxRuntime) throws(DamaError) {
        try runtime.requireProvider(for: device)
        guard case .cuda(let id) = device else { return }
        let api = runtime.api
        var cuda: OpaquePointer?
        try runtime.check(api.pointee.CreateCUDAProviderOptions!(&cuda))
        defer { api.pointee.ReleaseCUDAProviderOptions!(cuda) }
        try withCStrings(["device_id"]) { keys throws(DamaError) in
            try withCStrings([String(id)]) { values throws(DamaError) in
                try runtime.check(api.pointee.UpdateCUDAProviderOptions!(cuda, keys, values, 1))
            }
        }
        try runtime.check(api.pointee.SessionOptionsAppendExecutionProvider_CUDA_V2!(options, cuda))
    }

    private func addInitializers(_ options: OpaquePointer, _ runtime: OnnxRuntime) throws(DamaError) {
        let api = runtime.api
        guard copiesInitializers else {
            // Used where they lie, but the optimizer does not see them: what it would fold must not depend on these alone.
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

/// Calls `body` with the strings as C has them.
func withCStrings<Result>(
    _ strings: [String], _ body: (UnsafePointer<UnsafePointer<CChar>?>?) throws(DamaError) -> Result
) throws(DamaError) -> Result {
    var bytes: [CChar] = []
    var offsets: [Int] = []
    for string in strings {
        offsets.append(bytes.count)
        bytes.append(contentsOf: string.utf8CString)
    }
    let table = bytes
    let result = table.withUnsafeBufferPointer { buffer -> Swift.Result<Result, DamaError> in
        let pointers = offsets.map { offset in buffer.baseAddress.map { $0 + offset } }
        return pointers.withUnsafeBufferPointer { pointers in
            do throws(DamaError) {
                return .success(try body(pointers.baseAddress))
            } catch {
                return .failure(error)
            }
        }
    }
    return try result.get()
}
