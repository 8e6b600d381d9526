import COnnxRuntime
import DamaSupport

/// Inputs and outputs bound to a session once, for runs whose values stay on their device. Not safe for use by two
/// threads at once.
public final class Binding {
    public let session: Session
    private let binding: OpaquePointer
    /// Keeps the bound values alive.
    private var bound: [String: TensorValue] = [:]
    private var outputNames: [String] = []
    /// Where outputs lie that the runtime allocates.
    private var devices: [String: Device] = [:]
    private var runtime: OnnxRuntime { session.runtime }

    public init(_ session: Session) throws(DamaError) {
        var binding: OpaquePointer?
        try session.runtime.check(session.runtime.api.pointee.CreateIoBinding!(session.session, &binding))
        guard let binding else { throw .internal("ONNX Runtime returned no binding") }
        self.session = session
        self.binding = binding
    }

    deinit { session.runtime.api.pointee.ReleaseIoBinding!(binding) }

    /// Binds an input to its value; a second call replaces it.
    public func bind(input name: String, to value: TensorValue) throws(DamaError) {
        try runtime.check(runtime.api.pointee.BindInput!(binding, name, value.value))
        bound[name] = value
    }

    /// Binds an output to existing memory.
    public func bind(output name: String, to value: TensorValue) throws(DamaError) {
        try runtime.check(runtime.api.pointee.BindOutput!(binding, name, value.value))
        bound[name] = value
        devices[name] = value.device
        if !outputNames.contains(name) { outputNames.append(name) }
    }

    /// Lets the runtime allocate an output on `device` in each run.
    public func bind(output name: String, on device: Device) throws(DamaError) {
        let info = try runtime.memoryInfo(device)
        defer { runtime.api.pointee.ReleaseMemoryInfo!(info) }
        try runtime.check(runtime.api.pointee.BindOutputToDevice!(binding, name, info))
        bound[name] = nil
        devices[name] = device
        if !outputNames.contains(name) { outputNames.append(name) }
    }

    public func run(options: RunOptions? = nil) throws(DamaError) {
        try runtime.checkProcess()
        let backend = try runtime.backend(session.device)
        do throws(DamaError) {
            try backend.working { () throws(DamaError) in
                try runtime.check(
                    CallingThread.lend {
                        runtime.api.pointee.RunWithBinding!(session.session, options?.options, binding)
                    })
            }
        } catch {
            let cause = (backend as? CudaBackend)?.explain(error) ?? error
            throw options?.explain(cause) ?? cause
        }
    }

    /// The outputs of the last run by name.
    public func outputs() throws(DamaError) -> [String: TensorValue] {
        let api = runtime.api
        var allocator: UnsafeMutablePointer<OrtAllocator>?
        try runtime.check(api.pointee.GetAllocatorWithDefaultOptions!(&allocator))
        var values: UnsafeMutablePointer<OpaquePointer?>?
        var count = 0
        try runtime.check(api.pointee.GetBoundOutputValues!(binding, allocator, &values, &count))
        defer { if let values { OnnxRuntime.discard(api, api.pointee.AllocatorFree!(allocator, values)) } }
        let tensors = try session.adopt((0..<count).map { values?[$0] }, on: outputNames.map { devices[$0] ?? .cpu })
        guard tensors.count == outputNames.count else {
            throw .internal("ONNX Runtime returned \(tensors.count) outputs for \(outputNames.count) names")
        }
        return Dictionary(zip(outputNames, tensors)) { _, last in last }
    }
}
