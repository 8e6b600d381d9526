import DamaSupport

/// A graph cut into a forward and a backward half.
///
/// The halves run one after the other, because the gradients that flow back may depend on the results of the whole
/// batch. The forward half returns its outputs and the activations that the backward half takes as inputs.
public struct Differentiation: Sendable {
    /// The outputs of the original graph, then ``activations``.
    public var forward: Graph
    /// Takes the activations, the ``seeds`` and the inputs and weights of the original graph that it needs; returns the
    /// ``gradients``.
    public var backward: Graph
    /// Names of the values that pass from the forward half to the backward half.
    public var activations: [String]
    /// Names of the backward half's inputs that carry the gradients of the outputs, in the requested order.
    public var seeds: [String]
    /// The gradients of the trainable values, in the order in which those were named.
    public var gradients: [Gradient]

    /// Where to find the gradient of a value.
    public struct Gradient: Sendable {
        /// The weight or the input.
        public var name: String
        /// The output of the backward half that holds the gradient; `nil` if all of it comes as rows.
        public var dense: String?
        /// Rows to add to it, or to zeros: ``RowGradients/add(_:at:to:)``.
        public var rows: [Rows]
    }

    /// Gradients of some rows of an embedding. The host adds them up: the ONNX Runtime kernels that could do it race if
    /// an index occurs twice.
    public struct Rows: Sendable {
        /// The int64 value with the row indices: an input of the graph, or an output of the backward half.
        public var indices: String
        /// The output of the backward half with one row for each index.
        public var values: String
    }
}

extension Graph {
    /// Differentiates in reverse mode (Linnainmaa, 1970): the gradients of Σ seed · output, for the seeds that are
    /// passed to the backward half.
    ///
    /// Only operations on a path from a trainable value to one of the outputs are differentiated, and only the
    /// activations that their rules need are kept.
    ///
    /// - Parameters:
    ///   - outputs: Names of the outputs to differentiate.
    ///   - trainable: Names of weights or inputs.
    ///   - scopes: Names of scopes, usually layers, whose inner values are recomputed in the backward half instead of
    ///     kept. Only the values that cross the border of such a scope are kept.
    /// - Throws: ``DamaError/Code/unsupported`` for an operator on the path that has no rule; the message names the
    ///   operator and its node. ``DamaError/Code/invalidArgument`` for a name that is not in the graph, and for a
    ///   trainable value that does not influence the outputs.
    public func differentiate(
        outputs names: [String], trainable: [String], recompute scopes: [String] = []
    ) throws(DamaError) -> Differentiation {
        var targets: [Value] = []
        for name in names {
            guard let output = outputs.first(where: { self.name(of: $0) == name }) else {
                throw .invalidArgument("the graph \"\(self.name)\" has no output \"\(name)\"")
            }
            guard output.type.isFloatingPoint else {
                throw .invalidArgument(
                    "the output \"\(name)\" is \(output.type); only a floating-point output can be differentiated")
            }
            targets.append(output)
        }
        var leaves: [Value] = []
        for name in trainable {
            guard let leaf = (weights + inputs).first(where: { self.name(of: $0) == name }) else {
                throw .invalidArgument("the graph \"\(self.name)\" has no weight and no input \"\(name)\"")
            }
            leaves.append(leaf)
        }
        for list in [names, trainable] {
            var seen: Set<String> = []
            if let twice = list.first(where: { !seen.insert($0).inserted }) {
                throw .invalidArgument("\"\(twice)\" is named twice")
            }
        }
        guard !targets.isEmpty, !leaves.isEmpty else {
            throw .invalidArgument(
                "nothing to differentiate: \(targets.count) outputs, \(leaves.count) trainable values")
        }
        var sweep = ReverseSweep(self, leaves)
        let seeds = try sweep.run(from: targets)
        let gradients = try sweep.collect()
        return try Partition(self, sweep.g.graph, recompute: scopes).split(seeds: seeds, gradients)
    }
}

/// One pass over a graph from its last node to its first.
private struct ReverseSweep {
    let graph: Graph
    let leaves: [Value]
    private let leafIds: Set<Int>
    /// The original nodes, followed by those of the backward pass.
    let g: GraphBuilder
    /// Whether a value depends on a trainable one.
    private var depends: [Bool]
    private var gradients: [Int: Value] = [:]
    private var rows: [Int: [(indices: Value, values: Value)]] = [:]

    init(_ graph: Graph, _ leaves: [Value]) {
        self.graph = graph
        self.leaves = leaves
        leafIds = Set(leaves.map(\.id))
        g = GraphBuilder(extending: graph)
        depends = [Bool](repeating: false, count: graph.values.count)
        for leaf in leaves { depends[leaf.id] = true }
        for node in graph.nodes where node.inputs.contains(where: { $0.map { depends[$0.id] } ?? false }) {
            // No gradient flows through integers and booleans.
            for output in node.outputs where output.type.isFloatingPoint { depends[output.id] = true }
        }
    }

    mutating func run(from targets: [Value]) throws(DamaError) -> [Value] {
        var seeds: [Value] = []
        for target in targets {
            let seed = try g.input("\(graph.name(of: target)).seed", target.type, target.shape)
            seeds.append(seed)
            if depends[target.id] { try accumulate(seed, target, "seed") }
        }
        // The outermost region that ends at a node.
        var ends: [Int: Region] = [:]
        for region in graph.regions where !region.nodes.isEmpty {
            let end = region.nodes.upperBound - 1
            if ends[end].map({ $0.nodes.lowerBound > region.nodes.lowerBound }) ?? true { ends[end] = region }
        }
        var index = graph.nodes.count - 1
        while index >= 0 {
            if let region = ends[index] {
                try visit(
                    Node(
                        name: graph.nodes[index].name, op: region.rule, domain: "", inputs: region.inputs,
                        outputs: region.outputs, attributes: region.attributes))
                index = region.nodes.lowerBound - 1
            } else {
                try visit(graph.nodes[index])
                index -= 1
            }
        }
        return seeds
    }

    private mutating func visit(_ node: Node) throws(DamaError) {
        let outputGradients = node.outputs.map { gradients[$0.id] }
        let needs = node.inputs.map { $0.map { depends[$0.id] } ?? false }
        guard outputGradients.contains(where: { $0 != nil }), needs.contains(true) else { return }
        let isFused = node.domain == FusedOperators.domain
        guard let rule = GradientRule.all[isFused ? "\(node.domain).\(node.op)" : node.op] else {
            throw .unsupported(
                "\(node.name): the operator \(node.op) has no gradient rule, and lies between a "
                    + "trainable value and an output")
        }
        let context = GradientContext(
            g, node, gradients: outputGradients, needs: needs, isWeight: { [leafIds] in leafIds.contains($0.id) })
        let results = try g.scope("gradient/\(node.name)") { () throws(DamaError) in try rule.apply(context) }
        for row in context.rows { rows[row.weight.id, default: []].append((row.indices, row.values)) }
        for (position, result) in results.enumerated() {
            guard let result, needs[position], let input = node.inputs[position] else { continue }
            try accumulate(result, input, node.name)
        }
    }

    private mutating func accumulate(_ gradient: Value, _ value: Value, _ node: String) throws(DamaError) {
        guard gradient.shape == value.shape, gradient.type == value.type else {
            throw .internal(
                "\(node): a gradient of \(gradient.type) \(gradient.shape.text) for a value of "
                    + "\(value.type) \(value.shape.text)")
        }
        if let other = gradients[value.id], !g.addResidual(other, to: gradient) {
            gradients[value.id] = try g.scope("gradient/\(node)") { () throws(DamaError) in try g.add(other, gradient) }
        } else {
            gradients[value.id] = gradient
        }
    }

    /// Adds the gradients of the leaves to the outputs.
    func collect() throws(DamaError) -> [Differentiation.Gradient] {
        var result: [Differentiation.Gradient] = []
        for leaf in leaves {
            let name = graph.name(of: leaf)
            var gradient = Differentiation.Gradient(name: name, dense: nil, rows: [])
            if let dense = gradients[leaf.id] {
                gradient.dense = "\(name).gradient"
                try g.output("\(name).gradient", dense)
            }
            for (number, row) in (rows[leaf.id] ?? []).enumerated() {
                let values = number == 0 ? "\(name).row_gradients" : "\(name).row_gradients_\(number)"
                try g.output(values, row.values)
                var indices = g.graph.name(of: row.indices)
                if case .input = g.graph.values[row.indices.id].source {
                } else {
                    indices = "\(values).indices"
                    try g.output(indices, g.emit("Identity", [row.indices], row.indices.type, row.indices.shape))
                }
                gradient.rows.append(Differentiation.Rows(indices: indices, values: values))
            }
            guard gradient.dense != nil || !gradient.rows.isEmpty else {
                throw .invalidArgument("\"\(name)\" has no influence on the outputs that are differentiated")
            }
            result.append(gradient)
        }
        return result
    }
}
