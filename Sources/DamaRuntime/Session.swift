import COnnxRuntime
import DamaSupport

/// A model that is ready to run. Safe for use by several threads at once.
public final class Session: @unchecked Sendable {
    /// An input or an output of a model.
    public struct Port: Sendable, Equatable {
        public var name: String
        /// `nil` for an unknown type, and for a port that is not a tensor.
        public var elementType: ElementType?
        /// `nil` for a dimension that varies.
        public var shape: [Int?]

        /// The shape as messages show it: `[?, 4, ?, 8]`.
        package var shapeText: String { "[\(shape.map { $0.map(String.init) ?? "?" }.joined(separator: ", "))]" }
    }

    public let runtime: OnnxRuntime
    public let inputs: [Port]
    public let outputs: [Port]
    public let device: Device

    let session: OpaquePointer
    /// Weights that the session uses, or may use, in place: newer runtimes copy only small ones into the graph.
    private let initializers: [TensorValue]
    private let packsInputs: Bool

    // MARK: Making

    /// Creates a session from the bytes of an ONNX model.
    ///
    /// - Parameter name: The model's name in messages.
    public convenience init(
        _ runtime: OnnxRuntime, model bytes: [UInt8], name: String, options: SessionOptions = SessionOptions()
    ) throws(DamaError) {
        try self.init(runtime, options, name, hasNoFolder: true) { settings, session in
            bytes.withUnsafeBytes {
                runtime.api.pointee.CreateSessionFromArray!(
                    runtime.environment, $0.baseAddress, $0.count, settings, &session)
            }
        }
    }

    /// Creates a session from an ONNX file; external data is looked up beside it.
    public convenience init(
        _ runtime: OnnxRuntime, path: String, options: SessionOptions = SessionOptions()
    ) throws(DamaError) {
        // The runtime's own message is right for a missing file, but not for a folder.
        guard Files.exists(path), !Files.isDirectory(path) else { throw .io("\(path) is not a file") }
        try self.init(runtime, options, path, hasNoFolder: false) { settings, session in
            runtime.api.pointee.CreateSession!(runtime.environment, path, settings, &session)
        }
    }

    private init(
        _ runtime: OnnxRuntime, _ options: SessionOptions, _ name: String, hasNoFolder: Bool,
        create: (OpaquePointer, inout OpaquePointer?) -> OrtStatusPtr?
    ) throws(DamaError) {
        try runtime.checkProcess()
        let settings = try options.make(runtime, modelHasNoFolder: hasNoFolder)
        defer { runtime.api.pointee.ReleaseSessionOptions!(settings) }
        var created: OpaquePointer?
        do throws(DamaError) {
            try runtime.backend(options.device).working { () throws(DamaError) in
                try runtime.check(CallingThread.lend { create(settings, &created) })
            }
        } catch {
            // Whatever code the runtime gives, it rejects the model here.
            throw DamaError(error.code == .invalidArgument ? .model : error.code, "\(name): \(error.message)")
        }
        guard let session = created else { throw .internal("ONNX Runtime returned no session") }
        do throws(DamaError) {
            inputs = try Self.ports(
                runtime, session, runtime.api.pointee.SessionGetInputCount!,
                runtime.api.pointee.SessionGetInputName!, runtime.api.pointee.SessionGetInputTypeInfo!)
            outputs = try Self.ports(
                runtime, session, runtime.api.pointee.SessionGetOutputCount!,
                runtime.api.pointee.SessionGetOutputName!, runtime.api.pointee.SessionGetOutputTypeInfo!)
        } catch {
            runtime.api.pointee.ReleaseSession!(session)
            throw error
        }
        self.runtime = runtime
        self.session = session
        self.device = options.device
        self.initializers = Array(options.initializers.values)
        self.packsInputs = options.packsInputs
    }

    deinit { runtime.api.pointee.ReleaseSession!(session) }

    // MARK: Running

    /// Runs the model and returns the requested outputs in that order, on the CPU unless they are ``resident``.
    ///
    /// - Parameters:
    ///   - targets: Tensors to write outputs into, by the outputs' names; the others get memory of their own. Their
    ///     contents after an error are undefined.
    ///   - resident: outputs that stay on the session's device.
    /// - Throws: ``DamaError/cancelled`` if `options` were cancelled; otherwise the runtime's error.
    public func run(
        _ inputs: [String: TensorValue], outputs: [String], into targets: [String: TensorValue] = [:],
        resident: Set<String> = [], options: RunOptions? = nil
    ) throws(DamaError) -> [TensorValue] {
        let entries = Array(inputs)
        return try run(
            RunPorts(inputs: entries.map(\.key), outputs: outputs, resident: resident), entries.map(\.value),
            into: targets.isEmpty ? [] : outputs.map { targets[$0] }, options: options)
    }

    /// As ``run(_:outputs:into:resident:options:)``, for ports that many runs have.
    ///
    /// - Parameters:
    ///   - values: the inputs in the order of the ports.
    ///   - targets: for each output the tensor to write it into, or `nil`; empty for none.
    package func run(
        _ ports: RunPorts, _ values: [TensorValue], into targets: [TensorValue?] = [], options: RunOptions? = nil
    ) throws(DamaError) -> [TensorValue] {
        guard values.count == ports.inputs.count, targets.isEmpty || targets.count == ports.outputs.count else {
            throw .internal(
                "\(values.count) values and \(targets.count) targets for \(ports.inputs.count) inputs and "
                    + "\(ports.outputs.count) outputs")
        }
        if device != .cpu {
            let binding = try Binding(self)
            let values = packsInputs ? try InputParcel.sent(values, to: device, runtime) : values
            defer { withExtendedLifetime((values, targets)) {} }
            try binding.bind(ports, values, into: targets)
            try binding.run(options: options)
            return try binding.results(into: targets)
        }
        try runtime.checkProcess()
        let handles = values.map { Optional($0.value) }
        var results =
            targets.isEmpty ? [OpaquePointer?](repeating: nil, count: ports.outputs.count) : targets.map { $0?.value }
        do throws(DamaError) {
            try runtime.check(
                CallingThread.lend {
                    runtime.api.pointee.Run!(
                        session, options?.options, ports.inputNames.pointers, handles, handles.count,
                        ports.outputNames.pointers, results.count, &results)
                })
        } catch {
            throw options?.explain(error) ?? error
        }
        withExtendedLifetime((ports, values)) {}
        return try adopt(results, into: targets)
    }

    /// Takes ownership of values that the runtime created; if one of them is rejected, none leaks.
    ///
    /// - Parameters:
    ///   - targets: tensors that the runtime wrote into, by the places of their values; those stay the caller's.
    ///   - devices: where each counts as lying; empty asks the runtime.
    func adopt(
        _ values: [OpaquePointer?], into targets: [TensorValue?] = [], on devices: [Device] = []
    ) throws(DamaError) -> [TensorValue] {
        var tensors: [TensorValue] = []
        tensors.reserveCapacity(values.count)
        var failure: DamaError?
        for (position, value) in values.enumerated() {
            if targets.indices.contains(position), let target = targets[position] {
                tensors.append(target)
                continue
            }
            guard let value else {
                failure = failure ?? .internal("ONNX Runtime returned no value for an output")
                continue
            }
            guard failure == nil else {
                runtime.api.pointee.ReleaseValue!(value)
                continue
            }
            do throws(DamaError) {
                tensors.append(
                    try TensorValue(
                        runtime, owning: value, on: devices.indices.contains(position) ? devices[position] : nil))
            } catch {
                failure = error
            }
        }
        if let failure { throw failure }
        return tensors
    }

    // MARK: Describing

    private typealias GetCount = @convention(c) (OpaquePointer?, UnsafeMutablePointer<Int>?) -> OrtStatusPtr?
    private typealias GetName =
        @convention(c) (
            OpaquePointer?, Int, UnsafeMutablePointer<OrtAllocator>?,
            UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>?
        ) -> OrtStatusPtr?
    private typealias GetType =
        @convention(c) (OpaquePointer?, Int, UnsafeMutablePointer<OpaquePointer?>?) -> OrtStatusPtr?

    private static func ports(
        _ runtime: OnnxRuntime, _ session: OpaquePointer, _ getCount: GetCount, _ getName: GetName, _ getType: GetType
    ) throws(DamaError) -> [Port] {
        let api = runtime.api
        var allocator: UnsafeMutablePointer<OrtAllocator>?
        try runtime.check(api.pointee.GetAllocatorWithDefaultOptions!(&allocator))
        var count = 0
        try runtime.check(getCount(session, &count))
        var ports: [Port] = []
        for index in 0..<count {
            var text: UnsafeMutablePointer<CChar>?
            try runtime.check(getName(session, index, allocator, &text))
            var port = Port(name: text.map { String(cString: $0) } ?? "", elementType: nil, shape: [])
            if let text { OnnxRuntime.discard(api, api.pointee.AllocatorFree!(allocator, text)) }
            var info: OpaquePointer?
            try runtime.check(getType(session, index, &info))
            defer { api.pointee.ReleaseTypeInfo!(info) }
            // Borrowed from `info`; NULL if the port is not a tensor.
            var tensor: OpaquePointer?
            try runtime.check(api.pointee.CastTypeInfoToTensorInfo!(info, &tensor))
            if let tensor { (port.elementType, port.shape) = try runtime.typeAndShape(tensor) }
            ports.append(port)
        }
        return ports
    }
}
