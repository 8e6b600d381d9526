import DamaGraph
import DamaRuntime
import DamaSupport
import Glibc

extension ModelWeights {
    /// Where a session takes its weights from.
    public enum Placement: Hashable, Sendable {
        /// The session maps the files itself. If its kernels reorder a matrix, it keeps only the reordered copy. It
        /// converts fp16 and bf16 to fp32 when it is created. The memory is once the size of the weights. Use it if
        /// only one session reads the weights, as with CLIP's towers.
        case mappedFile
        /// Values in host memory, which all sessions with this placement share: scoring, generation, and the forward
        /// and backward runs of training. A session whose kernels reorder matrices (``SessionOptions/prepacking``) also
        /// has a copy of those.
        case host
        /// Values in the memory of the session's device, which all sessions on it share. Sessions on a device other than
        /// the CPU always have this placement.
        case device
    }

    /// A session of `graph` with these weights. An existing session with the same graph, placement and options is
    /// returned again.
    ///
    /// - Parameters:
    ///   - graph: a graph in float32, which becomes one of ``precision``.
    ///   - natural: inputs and outputs that have the type that the graph computes in; see ``Graph/lowered(to:natural:types:)``.
    ///   - name: the model's name in messages.
    ///   - fileName: the name in the files of a weight of the graph.
    ///   - options: all options except ``SessionOptions/initializers``, which this function sets.
    /// - Throws: ``DamaError/Code/model`` for a weight that is missing or has the wrong shape;
    ///   ``DamaError/Code/unsupported`` for a weight whose type is not supported.
    public func session(
        _ graph: Graph, named name: String, placement: Placement, options: SessionOptions = SessionOptions(),
        natural: Set<String> = [], fileName: (String) -> String = { $0 }
    ) throws(DamaError) -> Session {
        let graph = try graph.withoutUnreadNodes().fusingNorms().lowered(to: precision, natural: natural)
        var options = options
        options.initializers = [:]
        if graph.kernels.fused { options.registersKernels = true }
        options.packsInputs = true
        let placement = options.device == .cpu ? placement : .device
        // The optimizer would look for the numbers of these weights on the host.
        if placement == .device {
            options.configuration["optimization.disable_specified_optimizers"] = "ConstantFolding"
        }
        var places: [String: WeightPlacement] = [:]
        var files: [String] = []
        for weight in graph.weights {
            let name = graph.name(of: weight)
            let (file, shape) = (fileName(name), weight.shape.compactMap(\.fixed))
            files.append(file)
            if placement == .mappedFile, let place = try place(of: store.tensor(file, expectedShape: shape)) {
                places[name] = place
            } else {
                options.initializers[name] = try value(file, shape: shape, on: options.device)
            }
        }
        let model = graph.onnx { places[$0] ?? .initializers }
        let key = SessionKey(model: model, files: files, placement: placement, settings: options.settings)
        let result = sessions.withLock { sessions -> Result<Session, DamaError> in
            do throws(DamaError) {
                if let known = sessions[key]?.session { return .success(known) }
                sessions = sessions.filter { $0.value.session != nil }
                let session = try Session(runtime, model: model, name: name, options: options)
                sessions[key] = OpenSession(session: session)
                return .success(session)
            } catch {
                return .failure(error)
            }
        }
        return try result.get()
    }

    /// Identifies a session of these weights.
    struct SessionKey: Hashable {
        private let model: [UInt8]
        private let files: [String]
        private let placement: Placement
        private let settings: SessionOptions.Settings

        /// - Parameter files: the names in the files of the graph's weights.
        init(model: [UInt8], files: [String], placement: Placement, settings: SessionOptions.Settings) {
            var hash = SHA256()
            hash.update(model)
            self.model = hash.digest
            self.files = files
            self.placement = placement
            self.settings = settings
        }
    }

    struct OpenSession: Sendable {
        weak let session: Session?
    }

    // MARK: Files

    /// Where a session can map the tensor; `nil` if it cannot, because the tensor is not aligned to its elements' size,
    /// the path now names another file, or the tensor has to be rounded, which only ``value(_:shape:)`` checks.
    private func place(of tensor: TensorView) throws(DamaError) -> WeightPlacement? {
        guard let type = tensor.type.elementType else {
            throw .unsupported(
                "\(store.path): tensor \"\(tensor.name)\" has the type \(tensor.type.name); it must be F32, F16 or "
                    + "BF16")
        }
        guard let start = tensor.owner.bytes.baseAddress, let address = tensor.bytes.baseAddress,
            (address - start).isMultiple(of: type.size), tensor.owner.isCurrent,
            precision == .float32 || type == precision.elementType
        else { return nil }
        return .file(path: try Self.absolute(tensor.owner.path), offset: address - start, stored: type)
    }

    private static func absolute(_ path: String) throws(DamaError) -> String {
        guard let resolved = realpath(path, nil) else { throw .io("cannot resolve \(path): \(describeErrno())") }
        defer { free(resolved) }
        return String(cString: resolved)
    }
}
