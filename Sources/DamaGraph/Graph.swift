import DamaSupport

/// A reference to a value of the graph that is being built: an input, a weight, a constant or a node's output.
public struct Value: Hashable, Sendable {
    /// Position in ``Graph/values``.
    let id: Int
    public let type: ElementType
    public let shape: Shape

    public var rank: Int { shape.count }

    public static func == (a: Value, b: Value) -> Bool { a.id == b.id }
    public func hash(into hasher: inout Hasher) { hasher.combine(id) }
}

/// A small tensor that the graph itself holds.
public struct ConstantTensor: Hashable, Sendable {
    public var type: ElementType
    public var shape: [Int]
    /// Row-major, little-endian.
    public var bytes: [UInt8]

    /// The elements of an int64 constant.
    var integers: [Int]? {
        guard type == .int64, bytes.count % 8 == 0 else { return nil }
        return stride(from: 0, to: bytes.count, by: 8).map { start in
            var word: UInt64 = 0
            for index in 0..<8 { word |= UInt64(bytes[start + index]) << UInt64(8 * index) }
            return Int(Int64(bitPattern: word))
        }
    }
}

/// A setting of a node.
public enum Attribute: Hashable, Sendable {
    case int(Int)
    case float(Float)
    case string(String)
    case ints([Int])
}

/// One operation.
public struct Node: Sendable {
    /// Unique in the graph; stable from build to build: `layers.0/mlp/matmul`.
    public var name: String
    public var op: String
    /// Empty for ONNX's own operators, `com.microsoft` for ONNX Runtime's.
    public var domain: String
    /// `nil` for an optional input that is left out.
    public var inputs: [Value?]
    public var outputs: [Value]
    /// In the order in which they were given, so that the bytes of a model do not change from build to build.
    public var attributes: [(name: String, value: Attribute)]

    func attribute(_ name: String) -> Attribute? { attributes.first { $0.name == name }?.value }

    func int(_ name: String, default fallback: Int = 0) -> Int {
        if case .int(let value)? = attribute(name) { value } else { fallback }
    }

    func float(_ name: String, default fallback: Float) -> Float {
        if case .float(let value)? = attribute(name) { value } else { fallback }
    }

    func string(_ name: String) -> String? { if case .string(let value)? = attribute(name) { value } else { nil } }
    func ints(_ name: String) -> [Int] { if case .ints(let value)? = attribute(name) { value } else { [] } }
}

/// Consecutive nodes that share one gradient rule, which is cheaper or more exact than the rules of the single nodes.
struct Region: Sendable {
    var rule: String
    var nodes: Range<Int>
    var inputs: [Value]
    var outputs: [Value]
    /// Attributes for the rule, like those of a node.
    var attributes: [(name: String, value: Attribute)]
}

/// A computation as data: ``GraphBuilder`` builds it, ``differentiate(outputs:trainable:recompute:)`` transforms it and
/// ``onnx(weights:)`` writes it.
public struct Graph: Sendable {
    /// Where a value comes from.
    enum Source: Sendable {
        case input
        /// A parameter of the model; the graph does not hold its numbers.
        case weight
        case constant(ConstantTensor)
        case node(Int)
    }

    struct Entry: Sendable {
        var name: String
        var source: Source
        var type: ElementType
        var shape: Shape
    }

    public var name: String
    var values: [Entry] = []
    /// The nodes, in an order in which they can run.
    public internal(set) var nodes: [Node] = []
    var regions: [Region] = []
    public internal(set) var inputs: [Value] = []
    public internal(set) var weights: [Value] = []
    public internal(set) var outputs: [Value] = []
    /// The kernels that operators and gradients are written with.
    public internal(set) var kernels = GraphKernels.none

    /// The outermost scopes in the order of their nodes, usually layers: the parts that training can recompute.
    public var scopes: [String] {
        var known: [String] = []
        var seen: Set<Substring> = []
        for node in nodes {
            guard let slash = node.name.firstIndex(of: "/"), seen.insert(node.name[..<slash]).inserted else { continue }
            known.append(String(node.name[..<slash]))
        }
        return known
    }

    public func name(of value: Value) -> String { values[value.id].name }

    /// The input, weight or output of this name.
    public func value(named name: String) -> Value? {
        (inputs + weights + outputs).first { values[$0.id].name == name }
    }

    /// Replaces the outputs with these ids by other values, which take over the names of the outputs.
    mutating func replaceOutputs(by others: [Int: Value]) {
        for (position, output) in outputs.enumerated() {
            guard let other = others[output.id] else { continue }
            let name = values[output.id].name
            values[output.id].name = values[other.id].name
            values[other.id].name = name
            outputs[position] = other
        }
    }

    func constant(_ value: Value) -> ConstantTensor? {
        if case .constant(let tensor) = values[value.id].source { tensor } else { nil }
    }
}
