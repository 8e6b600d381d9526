import DamaSupport

/// A low-rank addition to a weight matrix, trained in its place: LoRA (Hu et al., 2021).
///
/// x Wᵀ becomes x Wᵀ + scale · (x Aᵀ) Bᵀ, with W [out, in], A [rank, in] and B [out, rank]. The weight `q_proj.weight`
/// gets `q_proj.lora_A.weight` and `q_proj.lora_B.weight`, as PEFT names them.
///
/// With dropout A takes x ∘ m, where m is an input of the graph (``mask``), and the product is multiplied by the input
/// ``Graph/dropoutScale``: 1 / (1 − p) in training, as in PEFT.
public struct Adapter: Hashable, Sendable {
    /// The weight's name; it ends in `.weight`.
    public var weight: String
    public var rank: Int
    /// alpha / rank in the paper's terms.
    public var scale: Float
    public var hasDropout: Bool

    public init(weight: String, rank: Int, scale: Float, hasDropout: Bool = false) {
        (self.weight, self.rank, self.scale, self.hasDropout) = (weight, rank, scale, hasDropout)
    }

    /// The weight's name without `.weight`.
    public var module: String { weight.hasSuffix(".weight") ? String(weight.dropLast(7)) : weight }
    public var nameA: String { "\(module).lora_A.weight" }
    public var nameB: String { "\(module).lora_B.weight" }
    /// The input with the mask of dropout, in the shape of x: uint8, 1 keeps a number and 0 drops it.
    public var mask: String { "\(module).lora_dropout" }
}

extension Graph {
    /// The input, a scalar, by which the change of adapters with dropout is multiplied.
    public static let dropoutScale = "lora_dropout.scale"

    /// The graph with an adapter beside each weight that `adapters` name.
    ///
    /// - Throws: ``DamaError/Code/invalidArgument`` for a weight that is not in the graph or is not the matrix of a
    ///   linear layer, and for a rank below 1.
    public func adding(_ adapters: [Adapter]) throws(DamaError) -> Graph {
        let g = GraphBuilder(extending: withoutNodes)
        var parts: [Int: (a: Value, b: Value, adapter: Adapter)] = [:]
        for adapter in adapters {
            guard let weight = weights.first(where: { name(of: $0) == adapter.weight }) else {
                throw .invalidArgument("the graph \"\(name)\" has no weight \"\(adapter.weight)\" to adapt")
            }
            guard adapter.rank >= 1, let shape = weight.shape.fixed, shape.count == 2 else {
                throw .invalidArgument(
                    "an adapter of rank \(adapter.rank) does not fit \"\(adapter.weight)\" "
                        + "\(weight.shape.text); it takes a matrix and a rank of at least 1")
            }
            parts[weight.id] = (
                try g.weight(adapter.nameA, weight.type, [adapter.rank, shape[1]]),
                try g.weight(adapter.nameB, weight.type, [shape[0], adapter.rank]), adapter
            )
        }
        var unused = Set(parts.keys)
        /// The values that take the place of others, by the id of the replaced value.
        var replaced: [Int: Value] = [:]
        /// The new position of each node.
        var places: [Int] = []
        let inner = regions.reduce(into: Set<Int>()) { $0.formUnion($1.nodes) }
        for (index, node) in nodes.enumerated() {
            var copy = node
            copy.inputs = node.inputs.map { input in input.map { replaced[$0.id] ?? $0 } }
            places.append(g.graph.nodes.count)
            g.append(copy)
            guard node.op == "FusedMatMul", node.int("transB") == 1, node.int("transA") == 0, !inner.contains(index),
                let weight = node.inputs[1], let part = parts[weight.id], let x = copy.inputs[0]
            else { continue }
            unused.remove(weight.id)
            let scopes = node.name.split(separator: "/").dropLast().joined(separator: "/")
            replaced[node.outputs[0].id] = try g.scope(scopes.isEmpty ? "adapter" : scopes) { () throws(DamaError) in
                let low = try g.adapterInput(x, part.adapter, part.a)
                let change = try g.matmul(low, part.b, transposeB: true, scale: part.adapter.scale)
                return try g.add(node.outputs[0], change)
            }
        }
        if let left = unused.sorted().first, let part = parts[left] {
            throw .invalidArgument("the weight \"\(part.adapter.weight)\" is not the matrix of a linear layer")
        }
        var result = g.graph
        result.regions = regions.filter { !$0.nodes.isEmpty }.map { region in
            Region(
                rule: region.rule,
                nodes: places[region.nodes.lowerBound]..<places[region.nodes.upperBound - 1] + 1,
                inputs: region.inputs.map { replaced[$0.id] ?? $0 }, outputs: region.outputs,
                attributes: region.attributes)
        }
        result.replaceOutputs(by: replaced)
        result.numberSources()
        return result
    }

    private var withoutNodes: Graph {
        var copy = self
        (copy.nodes, copy.regions) = ([], [])
        return copy
    }
}

extension GraphBuilder {
    /// x Aᵀ, or scale · (x ∘ m) Aᵀ with dropout.
    fileprivate func adapterInput(_ x: Value, _ adapter: Adapter, _ a: Value) throws(DamaError) -> Value {
        guard adapter.hasDropout else { return try matmul(x, a, transposeB: true) }
        let scale: Value
        if let known = graph.inputs.first(where: { graph.name(of: $0) == Graph.dropoutScale }) {
            scale = known
        } else {
            scale = try input(Graph.dropoutScale, x.type, [])
        }
        let mask = try input(adapter.mask, .uint8, x.shape)
        let low = try matmul(multiply(x, cast(mask, to: x.type)), a, transposeB: true)
        return try multiply(low, scale)
    }
}
