import DamaGraph
import DamaRuntime
import DamaSupport
import Synchronization

/// A model's weights as sessions take them: fp32 where they are mapped, fp16 and bf16 converted once.
///
/// Several sessions of one model, a policy and its reference for instance, share one of these and so one copy: see
/// ``shared(_:_:)``. May be used from several threads.
public final class RuntimeWeights: Sendable {
    public let store: WeightStore
    private let runtime: OnnxRuntime
    private let values = Mutex<[String: TensorValue]>([:])

    public init(_ store: WeightStore, _ runtime: OnnxRuntime) {
        self.store = store
        self.runtime = runtime
    }

    // MARK: Sharing

    private struct Opened: Sendable {
        weak let weights: RuntimeWeights?
    }

    private static let opened = Mutex<[Set<MappedFile.Identity>: Opened]>([:])

    /// The weights of the very same files where some are in use; otherwise new ones over `store`.
    ///
    /// A second mapping of a file would cost no memory, but it would be counted twice, and a conversion done twice costs.
    public static func shared(_ store: WeightStore, _ runtime: OnnxRuntime) -> RuntimeWeights {
        let files = store.files
        return opened.withLock { opened in
            if let known = opened[files]?.weights, known.runtime === runtime { return known }
            opened = opened.filter { $0.value.weights != nil }
            let weights = RuntimeWeights(store, runtime)
            opened[files] = Opened(weights: weights)
            return weights
        }
    }

    // MARK: Values

    /// The tensor called `name` in the files, as fp32.
    ///
    /// - Throws: ``DamaError/Code/model`` where it is missing or its shape is not `shape`.
    public func value(_ name: String, shape: [Int]) throws(DamaError) -> TensorValue {
        let tensor = try store.tensor(name, expectedShape: shape)
        if let known = values.withLock({ $0[name] }) { return known }
        let value = try make(tensor)
        values.withLock { $0[name] = value }
        return value
    }

    /// The values of all weights of `graph`, for ``SessionOptions/initializers``.
    ///
    /// - Parameter fileName: the name in the files of a weight of the graph.
    public func initializers(
        of graph: Graph, fileName: (String) -> String = { $0 }
    ) throws(DamaError) -> [String: TensorValue] {
        var initializers: [String: TensorValue] = [:]
        for weight in graph.weights {
            let name = graph.name(of: weight)
            initializers[name] = try value(fileName(name), shape: weight.shape.compactMap(\.fixed))
        }
        return initializers
    }

    private func make(_ tensor: TensorView) throws(DamaError) -> TensorValue {
        let isAligned = UInt(bitPattern: tensor.bytes.baseAddress).isMultiple(of: 4)
        if tensor.type == .float32, isAligned {
            return try TensorValue(
                runtime, borrowing: tensor.bytes, type: .float32, shape: tensor.shape, owner: tensor.owner)
        }
        // Sessions take initializers only from memory that is not the runtime's own.
        let memory = try FloatMemory(count: tensor.count)
        try tensor.copyFloats(into: memory.elements)
        return try TensorValue(
            runtime, borrowing: memory.bytes, type: .float32, shape: tensor.shape,
            owner: memory)
    }
}
