import COnnxRuntime
import DamaSupport

/// Inputs and outputs bound to a session once, for runs whose values stay on their device. Not safe for use by two
/// threads at once.
public final class Binding {
    public let session: Session
    private let binding: OpaquePointer
    /// Keeps the bound values alive.
    private var bound: [String: TensorValue] = [:]
    /// The outputs, in the runtime's order, and where each lies.
    private var outputNames: [String] = []
    private var devices: [Device] = []
    private var places: [String: Int] = [:]
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
        place(name, on: value.device)
    }

    /// Lets the runtime allocate an output on `device` in each run.
    public func bind(output name: String, on device: Device) throws(DamaError) {
        let info = try runtime.memoryInfo(device)
        defer { runtime.api.pointee.ReleaseMemoryInfo!(info) }
        try runtime.check(runtime.api.pointee.BindOutputToDevice!(binding, name, info))
        bound[name] = nil
        place(name, on: device)
    }

    private func place(_ output: String, on device: Device) {
        if let place = places[output] {
            devices[place] = device
        } else {
            places[output] = outputNames.count
            outputNames.append(output)
            devices.append(device)
        }
    }

    /// Binds all that a single run takes and returns, as ``Session/run(_:_:into:options:)`` has it. Nothing may have been
    /// bound before, and the caller keeps the values and the targets alive.
    func bind(_ ports: RunPorts, _ values: [TensorValue], into targets: [TensorValue?]) throws(DamaError) {
        let api = runtime.api
        for (name, value) in zip(ports.inputNames.pointers, values) {
            try runtime.check(api.pointee.BindInput!(binding, name, value.value))
        }
        let here = try runtime.memoryInfo(session.device)
        defer { api.pointee.ReleaseMemoryInfo!(here) }
        let host = try runtime.memoryInfo(.cpu)
        defer { api.pointee.ReleaseMemoryInfo!(host) }
        devices.reserveCapacity(ports.outputs.count)
        for (index, name) in ports.outputNames.pointers.enumerated() {
            if targets.indices.contains(index), let target = targets[index] {
                try runtime.check(api.pointee.BindOutput!(binding, name, target.value))
                devices.append(target.device)
            } else {
                try runtime.check(api.pointee.BindOutputToDevice!(binding, name, ports.stays[index] ? here : host))
                devices.append(ports.stays[index] ? session.device : .cpu)
            }
        }
        outputNames = ports.outputs
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
        Dictionary(zip(outputNames, try results())) { _, last in last }
    }

    /// The outputs of the last run in the order of their first binding.
    ///
    /// - Parameter targets: tensors that the outputs were bound to, by their places; empty for none.
    func results(into targets: [TensorValue?] = []) throws(DamaError) -> [TensorValue] {
        let api = runtime.api
        var allocator: UnsafeMutablePointer<OrtAllocator>?
        try runtime.check(api.pointee.GetAllocatorWithDefaultOptions!(&allocator))
        var values: UnsafeMutablePointer<OpaquePointer?>?
        var count = 0
        try runtime.check(api.pointee.GetBoundOutputValues!(binding, allocator, &values, &count))
        defer { if let values { OnnxRuntime.discard(api, api.pointee.AllocatorFree!(allocator, values)) } }
        var found = UnsafeBufferPointer(start: values, count: values == nil ? 0 : count).map { $0 }
        // What the runtime returns is a handle of its own, also of a target.
        for index in found.indices where targets.indices.contains(index) && targets[index] != nil {
            if let handle = found[index] { api.pointee.ReleaseValue!(handle) }
            found[index] = nil
        }
        let tensors = try session.adopt(found, into: targets, on: devices)
        guard tensors.count == outputNames.count else {
            throw .internal("ONNX Runtime returned \(tensors.count) outputs for \(outputNames.count) names")
        }
        return tensors
    }
}
