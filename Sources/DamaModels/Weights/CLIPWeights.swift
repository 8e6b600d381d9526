import DamaGraph
import DamaRuntime
import DamaSupport
import Glibc

/// Brings a safetensors directory's weights into sessions without a copy of ours.
///
/// The session maps the files itself and keeps matrices in its kernels' own order alone, so that the memory is once the
/// size of the weights. fp16 and bf16 become fp32 when the session is made.
struct CLIPWeights {
    private let store: WeightStore
    private let converted: RuntimeWeights

    init(_ store: WeightStore, _ runtime: OnnxRuntime) {
        self.store = store
        self.converted = RuntimeWeights(store, runtime)
        self.runtime = runtime
    }

    private let runtime: OnnxRuntime

    /// A session of the graph that `build` makes with the given source of weights.
    func session(
        named name: String, options: SessionOptions,
        build: (@escaping (GraphBuilder) -> CLIPGraph.WeightSource) throws(DamaError) -> Graph
    ) throws(DamaError) -> Session {
        let graph = try build { g in
            { name, shape throws(DamaError) in
                let tensor = try store.tensor(name, expectedShape: shape)
                guard let type = Self.type(tensor.type) else {
                    throw .unsupported(
                        "\(store.path): tensor \"\(name)\" is \(tensor.type.name); F32, F16 and BF16 can be used")
                }
                guard Self.offset(tensor) != nil else { return try g.weight(name, .float32, shape) }
                let weight = try g.weight(name, type, shape)
                return type == .float32 ? weight : g.cast(weight, to: .float32)
            }
        }
        var placements: [String: WeightPlacement] = [:]
        var options = options
        for weight in graph.weights {
            let name = graph.name(of: weight)
            let tensor = try store.tensor(name)
            if let offset = Self.offset(tensor) {
                placements[name] = .file(path: try Self.absolute(tensor.owner.path), offset: offset)
            } else {
                placements[name] = .initializers
                options.initializers[name] = try converted.value(name, shape: tensor.shape)
            }
        }
        let model = graph.onnx { placements[$0] ?? .inputs }
        return try Session(runtime, model: model, name: name, options: options)
    }

    private static func type(_ type: WeightType) -> ElementType? {
        switch type {
        case .float32: .float32
        case .float16: .float16
        case .bfloat16: .bfloat16
        case .other: nil
        }
    }

    /// Where the tensor stands in its file; `nil` where that is no multiple of its elements' size.
    private static func offset(_ tensor: TensorView) -> Int? {
        guard let start = tensor.owner.bytes.baseAddress, let address = tensor.bytes.baseAddress,
            let size = type(tensor.type)?.size
        else { return nil }
        let offset = address - start
        return offset.isMultiple(of: size) ? offset : nil
    }

    private static func absolute(_ path: String) throws(DamaError) -> String {
        guard let resolved = realpath(path, nil) else { throw .io("cannot resolve \(path): \(describeErrno())") }
        defer { free(resolved) }
        return String(cString: resolved)
    }
}

func exponential(_ x: Float) -> Float { expf(x) }
