import DamaGraph
import DamaRuntime
import DamaSupport
import Synchronization

/// A model's weights in the form that its sessions take. May be used from several threads.
///
/// All users of the same files share one instance, see ``shared(_:_:precision:)``: a policy and its reference, or two
/// scorers. So weights are converted once, and equal sessions are one session.
public final class ModelWeights: Sendable {
    public let store: WeightStore
    /// The type that graphs compute in.
    public let precision: Precision
    let runtime: OnnxRuntime
    private let values = Mutex<[String: TensorValue]>([:])
    let sessions = Mutex<[SessionKey: OpenSession]>([:])

    public init(_ store: WeightStore, _ runtime: OnnxRuntime, precision: Precision = .float32) {
        self.store = store
        self.runtime = runtime
        self.precision = precision
    }

    // MARK: Sharing

    private struct Identity: Hashable {
        let files: Set<MappedFile.Identity>
        let precision: Precision
    }

    private struct Opened: Sendable {
        weak let weights: ModelWeights?
    }

    private static let opened = Mutex<[Identity: Opened]>([:])

    /// The existing weights of the same files, if any are in use; otherwise new weights over `store`.
    ///
    /// A second mapping of a file would take no memory, but it would be counted twice and conversions repeated.
    public static func shared(
        _ store: WeightStore, _ runtime: OnnxRuntime, precision: Precision = .float32
    ) -> ModelWeights {
        let identity = Identity(files: store.files, precision: precision)
        return opened.withLock { opened in
            if let known = opened[identity]?.weights, known.runtime === runtime { return known }
            opened = opened.filter { $0.value.weights != nil }
            let weights = ModelWeights(store, runtime, precision: precision)
            opened[identity] = Opened(weights: weights)
            return weights
        }
    }

    // MARK: Values

    /// The tensor called `name` in the files, in host memory and in the type that graphs compute in. It is the mapped
    /// memory if the file has that type; otherwise it is converted once.
    ///
    /// - Throws: ``DamaError/Code/model`` if it is missing or its shape is not `shape`;
    ///   ``DamaError/Code/unsupported`` for a type that is not fp32, fp16 or bf16.
    public func value(_ name: String, shape: [Int]) throws(DamaError) -> TensorValue {
        let tensor = try store.tensor(name, expectedShape: shape)
        if let known = values.withLock({ $0[name] }) { return known }
        let value = try make(tensor)
        return values.withLock {
            // Another thread may have stored it in the meantime.
            if let known = $0[name] { return known }
            $0[name] = value
            return value
        }
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
}
