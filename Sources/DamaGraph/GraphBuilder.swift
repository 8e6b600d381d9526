import DamaSupport

/// Builds a ``Graph`` layer by layer.
///
/// ```swift
/// let g = GraphBuilder("mlp")
/// let x = try g.input("x", .float32, ["rows", 64])
/// let w = try g.weight("fc.weight", .float32, [256, 64])
/// try g.output("y", g.gelu(g.linear(x, w)))
/// let bytes = try g.graph.onnx()
/// ```
///
/// Types and shapes are checked and inferred as each operation is added. An error names the operation with the scopes
/// around it and gives the shapes, because the cause is usually a number in a model's config.json. Names and bytes
/// depend only on the calls. Not safe for use by two threads at once.
public final class GraphBuilder {
    public private(set) var graph: Graph
    private var scopes: [String] = []
    private var taken: Set<String> = []
    private var counters: [String: Int] = [:]
    private var constants: [ConstantTensor: Value] = [:]
    private var sizes: [String: Value] = [:]

    public init(_ name: String, kernels: GraphKernels = .none) {
        graph = Graph(name: name)
        graph.kernels = kernels
    }

    /// A builder that continues at the end of `graph`.
    init(extending graph: Graph) {
        self.graph = graph
        taken = Set(graph.values.map(\.name) + graph.nodes.map(\.name))
        for (id, entry) in graph.values.enumerated() {
            if case .constant(let tensor) = entry.source {
                constants[tensor] = Value(id: id, type: entry.type, shape: entry.shape)
            }
        }
    }

    // MARK: Names

    /// Puts `name` before the names of all nodes that `body` adds: `layers.0/attention/matmul`.
    public func scope<Result>(_ name: String, _ body: () throws(DamaError) -> Result) throws(DamaError) -> Result {
        scopes.append(name)
        defer { scopes.removeLast() }
        return try body()
    }

    /// The scopes and `base`, with a number if that name is taken.
    func uniqueName(_ base: String) -> String {
        let stem = (scopes + [base]).joined(separator: "/")
        var name = stem
        while taken.contains(name) {
            counters[stem, default: 0] += 1
            name = "\(stem)_\(counters[stem, default: 0])"
        }
        taken.insert(name)
        return name
    }

    // MARK: Values

    /// A tensor that is passed to each run.
    public func input(_ name: String, _ type: ElementType, _ shape: Shape) throws(DamaError) -> Value {
        let value = try declare(name, .input, type, shape)
        graph.inputs.append(value)
        return value
    }

    /// A parameter: the graph holds its name, type and shape; ``Graph/onnx(_:)`` receives the source of its numbers. A
    /// second call with the same name returns the same value, as tied weights need.
    public func weight(_ name: String, _ type: ElementType, _ shape: [Int]) throws(DamaError) -> Value {
        if let known = graph.weights.first(where: { graph.values[$0.id].name == name }) {
            guard known.type == type, known.shape == shape.map(Dimension.fixed) else {
                throw .model("weight \"\(name)\" is used as \(known.type) \(known.shape.text) and as \(type) \(shape)")
            }
            return known
        }
        let value = try declare(name, .weight, type, shape.map(Dimension.fixed))
        graph.weights.append(value)
        return value
    }

    /// Makes `value` an output of the graph under this name.
    ///
    /// - Returns: The value under the new name; a different value if `value` had to pass through a node.
    @discardableResult
    public func output(_ name: String, _ value: Value) throws(DamaError) -> Value {
        guard !taken.contains(name) || graph.values[value.id].name == name else {
            throw .internal("the graph \"\(graph.name)\" has two values named \"\(name)\"")
        }
        var value = value
        if case .node = graph.values[value.id].source, !graph.outputs.contains(value) {
            graph.values[value.id].name = name
            taken.insert(name)
        } else {
            value = emit("Identity", [value], value.type, value.shape)
            graph.values[value.id].name = name
            taken.insert(name)
        }
        graph.outputs.append(value)
        return value
    }

    private func declare(
        _ name: String, _ source: Graph.Source, _ type: ElementType, _ shape: Shape
    ) throws(DamaError) -> Value {
        guard taken.insert(name).inserted else {
            throw .internal("the graph \"\(graph.name)\" has two values named \"\(name)\"")
        }
        for case .fixed(let length) in shape where length < 0 {
            throw .model("\"\(name)\" has a negative length in its shape \(shape.text)")
        }
        return append(name, source, type, shape)
    }

    private func append(_ name: String, _ source: Graph.Source, _ type: ElementType, _ shape: Shape) -> Value {
        graph.values.append(Graph.Entry(name: name, source: source, type: type, shape: shape))
        return Value(id: graph.values.count - 1, type: type, shape: shape)
    }

    // MARK: Constants

    /// A tensor that the graph holds; equal ones are stored once.
    public func constant(_ tensor: ConstantTensor) -> Value {
        if let known = constants[tensor] { return known }
        var number = constants.count
        var name = "constant_\(number)"
        while !taken.insert(name).inserted {
            number += 1
            name = "constant_\(number)"
        }
        let value = append(name, .constant(tensor), tensor.type, tensor.shape.map(Dimension.fixed))
        constants[tensor] = value
        return value
    }

    public func constant(_ integers: [Int]) -> Value {
        constant(
            ConstantTensor(
                type: .int64, shape: [integers.count], bytes: integers.flatMap { littleEndianBytes(Int64($0)) }))
    }

    public func constant(_ floats: [Float], shape: [Int]) throws(DamaError) -> Value {
        var count = 1
        for length in shape { count = count.multipliedReportingOverflow(by: length).partialValue }
        guard floats.count == count else {
            throw .internal("a constant of shape \(shape) has \(count) elements; \(floats.count) were given")
        }
        return constant(
            ConstantTensor(
                type: .float32, shape: shape, bytes: floats.flatMap { littleEndianBytes($0.bitPattern) }))
    }

    /// A number of the floating-point type `type`.
    public func scalar(_ number: Double, _ type: ElementType) throws(DamaError) -> Value {
        let bytes: [UInt8]
        switch type {
        case .float32: bytes = littleEndianBytes(Float(number).bitPattern)
        case .float64: bytes = littleEndianBytes(number.bitPattern)
        case .float16: bytes = littleEndianBytes(Float16(number).bitPattern)
        case .bfloat16: bytes = littleEndianBytes(BFloat16(Float(number)).bits)
        case .int64:
            guard let integer = Int64(exactly: number) else { throw .internal("\(number) is not an int64") }
            bytes = littleEndianBytes(integer)
        default: throw .internal("no constant of type \(type) can be made from a number")
        }
        return constant(ConstantTensor(type: type, shape: [], bytes: bytes))
    }

    // MARK: Nodes

    /// Adds a node of an operator that has no function here. The caller is responsible for its types and shapes, and it
    /// has no gradient rule.
    public func node(
        _ op: String, domain: String = "", _ inputs: [Value?], outputs: [(type: ElementType, shape: Shape)],
        attributes: [(name: String, value: Attribute)] = [], name: String? = nil
    ) -> [Value] {
        let name = uniqueName(name ?? op.lowercasedASCII)
        let index = graph.nodes.count
        let values = outputs.enumerated().map { position, output in
            append(position == 0 ? name : "\(name):\(position)", .node(index), output.type, output.shape)
        }
        graph.nodes.append(
            Node(
                name: name, op: op, domain: domain, inputs: inputs, outputs: values, attributes: attributes))
        return values
    }

    /// Adds a node whose values already belong to the graph.
    func append(_ node: Node) { graph.nodes.append(node) }

    /// Gives a node another input, which precedes it in the graph.
    func appendInput(_ value: Value, toNode index: Int) { graph.nodes[index].inputs.append(value) }

    func emit(
        _ op: String, domain: String = "", _ inputs: [Value?], _ type: ElementType, _ shape: Shape,
        _ attributes: [(name: String, value: Attribute)] = []
    ) -> Value {
        node(op, domain: domain, inputs, outputs: [(type, shape)], attributes: attributes)[0]
    }

    /// Gives the nodes that `body` adds one common gradient rule. Only the values that `body` returns may be used by
    /// other nodes.
    func region(
        _ rule: String, _ inputs: [Value], attributes: [(name: String, value: Attribute)] = [],
        _ body: () throws(DamaError) -> [Value]
    ) throws(DamaError) -> [Value] {
        let start = graph.nodes.count
        let outputs = try body()
        graph.regions.append(
            Region(
                rule: rule, nodes: start..<graph.nodes.count, inputs: inputs, outputs: outputs, attributes: attributes))
        return outputs
    }

    /// The name of an operation in messages before it is a node: the scopes and the operator.
    func place(_ op: String) -> String { (scopes + [op]).joined(separator: "/") }

    // MARK: Lengths at run time

    /// The length of the axis as an int64 tensor of shape [1].
    public func size(of value: Value, axis: Int) throws(DamaError) -> Value {
        sizeNode(value, try normalized(axis, value, "size"))
    }

    private func sizeNode(_ value: Value, _ axis: Int) -> Value {
        if case .fixed(let length) = value.shape[axis] { return constant([length]) }
        return emit("Shape", [value], .int64, [1], [("start", .int(axis)), ("end", .int(axis + 1))])
    }

    /// The length that a symbol stands for, from an input or from one of `values` that has it; `nil` if none has.
    func size(of dimension: Dimension, from values: [Value]) -> Value? {
        guard case .symbol(let symbol) = dimension else { return dimension.fixed.map { constant([$0]) } }
        if let known = sizes[symbol] { return known }
        // Inputs first: the backward graph has them in any case.
        for value in graph.inputs + values {
            guard let axis = value.shape.firstIndex(of: dimension) else { continue }
            let size = sizeNode(value, axis)
            sizes[symbol] = size
            return size
        }
        return nil
    }

    /// The length of an axis that follows from other lengths; the first request computes it with `make`.
    func size(
        of symbol: String, _ make: () throws(DamaError) -> Value
    ) throws(DamaError) -> Value {
        if let known = sizes[symbol] { return known }
        let size = try outsideScopes(make)
        sizes[symbol] = size
        return size
    }

    /// Adds nodes that belong to no layer: others use them too, and they must not take them from a layer that is
    /// recomputed.
    func outsideScopes<Result>(_ body: () throws(DamaError) -> Result) throws(DamaError) -> Result {
        let outer = scopes
        scopes = []
        defer { scopes = outer }
        return try body()
    }
}

func littleEndianBytes<T: FixedWidthInteger>(_ value: T) -> [UInt8] {
    withUnsafeBytes(of: value.littleEndian) { Array($0) }
}

extension String {
    /// `lowercased()` without Unicode's tables.
    var lowercasedASCII: String {
        String(decoding: utf8.map { (65...90).contains($0) ? $0 | 32 : $0 }, as: UTF8.self)
    }
}
