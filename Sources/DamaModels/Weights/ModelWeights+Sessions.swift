import DamaGraph
import DamaRuntime
import DamaSupport
import Glibc

extension ModelWeights {
    /// Where a session has its weights from.
    public enum Placement: Hashable, Sendable {
        /// The session maps the files itself. Of a matrix that its kernels want in an order of their own it keeps that
        /// alone, and fp16 and bf16 become fp32 when it is made: the memory is once the size of the weights. For the only
        /// session that reads these weights, CLIP's towers for instance.
        case mappedFile
        /// Values in host memory, which all sessions with this placement share: scoring, generation, and the halves of
        /// training. A session whose kernels keep matrices in an order of their own (``SessionOptions/prepacking``) has a
        /// copy of those beside it.
        case host
    }

    /// A session of `graph` with these weights. One that is in use already is given again: same graph, placement and
    /// options.
    ///
    /// - Parameters:
    ///   - graph: Its weights have the type of ``precision``.
    ///   - name: What messages call the model.
    ///   - fileName: The name in the files of a weight of the graph.
    ///   - options: All but ``SessionOptions/initializers``, which are set here.
    /// - Throws: ``DamaError/Code/model`` for a weight that is missing or of another shape;
    ///   ``DamaError/Code/unsupported`` for one whose type cannot be used.
    public func session(
        _ graph: Graph, named name: String, placement: Placement, options: SessionOptions = SessionOptions(),
        fileName: (String) -> String = { $0 }
    ) throws(DamaError) -> Session {
        var options = options
        options.initializers = [:]
        var places: [String: WeightPlacement] = [:]
        var files: [String] = []
        for weight in graph.weights {
            let name = graph.name(of: weight)
            let (file, shape) = (fileName(name), weight.shape.compactMap(\.fixed))
            files.append(file)
            if placement == .mappedFile, let place = try place(of: store.tensor(file, expectedShape: shape)) {
                places[name] = place
            } else {
                options.initializers[name] = try value(file, shape: shape)
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

    /// What makes two sessions of these weights the same.
    struct SessionKey: Hashable {
        private let model: [UInt8]
        private let files: [String]
        private let placement: Placement
        private let settings: SessionOptions.Settings

        /// - Parameter files: The names in the files of the graph's weights.
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

    /// Where a session can map the tensor; `nil` where it cannot: it starts at no multiple of its elements' size, or
    /// there is another file at the path by now.
    private func place(of tensor: TensorView) throws(DamaError) -> WeightPlacement? {
        guard let type = Self.type(tensor.type) else {
            throw .unsupported(
                "\(store.path): tensor \"\(tensor.name)\" is \(tensor.type.name); F32, F16 and BF16 can be used")
        }
        guard let start = tensor.owner.bytes.baseAddress, let address = tensor.bytes.baseAddress,
            (address - start).isMultiple(of: type.size), tensor.owner.isCurrent
        else { return nil }
        return .file(path: try Self.absolute(tensor.owner.path), offset: address - start, stored: type)
    }

    private static func type(_ type: WeightType) -> ElementType? {
        switch type {
        case .float32: .float32
        case .float16: .float16
        case .bfloat16: .bfloat16
        case .other: nil
        }
    }

    private static func absolute(_ path: String) throws(DamaError) -> String {
        guard let resolved = realpath(path, nil) else { throw .io("cannot resolve \(path): \(describeErrno())") }
        defer { free(resolved) }
        return String(cString: resolved)
    }
}
