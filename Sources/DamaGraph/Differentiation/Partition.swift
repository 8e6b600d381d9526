import DamaSupport

/// Cuts a graph with its backward pass in two, and decides which values cross the cut.
struct Partition {
    private let original: Graph
    /// The original's nodes, then those of the backward pass.
    private var joint: Graph
    private let scopes: [String]
    private var firstBackward: Int

    init(_ original: Graph, _ joint: Graph, recompute scopes: [String]) {
        (self.original, self.joint, self.scopes) = (original, joint, scopes)
        firstBackward = original.nodes.count
        moveShapesForward()
    }

    /// Moves the computation of shapes into the forward half: a shape takes less memory than the value.
    private mutating func moveShapesForward() {
        var forward = Array(joint.nodes.prefix(firstBackward))
        var backward: [Node] = []
        for node in joint.nodes.dropFirst(firstBackward) {
            if node.op == "Shape", case .node(let index)? = node.inputs[0].map({ joint.values[$0.id].source }),
                index < firstBackward
            {
                forward.append(node)
            } else {
                backward.append(node)
            }
        }
        joint.nodes = forward + backward
        firstBackward = forward.count
        joint.numberSources()
    }

    /// - Parameter seeds: Inputs of the joint graph that only the backward half has.
    func split(
        seeds: [Value], _ gradients: [Differentiation.Gradient]
    ) throws(DamaError) -> Differentiation {
        let results = Array(joint.outputs.dropFirst(original.outputs.count))
        let live = joint.nodes(for: results, from: firstBackward)
        var backward = BackwardHalf(joint, firstBackward, scopes)
        for index in live { try backward.take(joint.nodes[index]) }

        let kept = backward.kept
        var forward = joint
        forward.nodes = Array(joint.nodes.prefix(firstBackward))
        forward.outputs = original.outputs + kept.filter { !original.outputs.contains($0) }
        forward = forward.withoutUnreadNodes()
        forward.prune()

        var second = backward.builder.graph
        second.name = "\(original.name).backward"
        second.regions = []
        for value in kept {
            second.values[value.id].source = .input
            second.inputs.append(value)
        }
        second.outputs = results
        second.putResultsLast()
        second.prune()
        // A seed stays an input even if nothing reads it, so that callers can pass every seed.
        for seed in seeds where !second.inputs.contains(seed) { second.inputs.append(seed) }
        return Differentiation(
            forward: forward, backward: second, activations: kept.map(joint.name(of:)),
            seeds: seeds.map(joint.name(of:)), gradients: gradients)
    }
}

extension Differentiation {
    /// The name of the input through which ``accumulating(_:)`` receives the value to add to.
    public static func before(_ gradient: String) -> String { "\(gradient).before" }

    /// A backward half that adds the gradients of `names` to earlier ones. It takes those as inputs (``before(_:)``),
    /// which may share the memory of the outputs.
    ///
    /// - Parameter names: Trainable values; ``Gradient/rows`` do not change.
    public func accumulating(_ names: Set<String>) throws(DamaError) -> Graph {
        let results = Set(gradients.filter { names.contains($0.name) }.compactMap(\.dense))
        let g = GraphBuilder(extending: backward)
        var sums: [Int: Value] = [:]
        /// The nodes of the sums, by the place of the node whose output they take.
        var added: [Int: [Node]] = [:]
        for (place, node) in backward.nodes.enumerated() {
            for value in node.outputs where results.contains(backward.name(of: value)) {
                let before = try g.input(Self.before(backward.name(of: value)), value.type, value.shape)
                if g.addToGradient(before, ofNode: place) { continue }
                let start = g.graph.nodes.count
                sums[value.id] = try g.add(value, before)
                added[place, default: []] += g.graph.nodes[start...]
            }
        }
        var graph = g.graph
        // Each sum takes the place of its gradient, so that the runtime computes the results in the same order: see
        // putResultsLast.
        let leaves = Set(backward.leaves)
        var (first, last): ([Node], [Node]) = ([], [])
        for (place, node) in graph.nodes.prefix(backward.nodes.count).enumerated() {
            if let own = added[place] {
                first.append(node)
                last += own
            } else if leaves.contains(place) {
                last.append(node)
            } else {
                first.append(node)
            }
        }
        graph.nodes = first + last
        graph.replaceOutputs(by: sums)
        graph.numberSources()
        return graph
    }
}

/// The nodes of the backward half, and the values that they take from the forward half.
private struct BackwardHalf {
    let builder: GraphBuilder
    /// Values of the forward half that become activations, in the order in which they are first needed.
    private(set) var kept: [Value] = []
    private let joint: Graph
    private let firstBackward: Int
    private let scopes: [String]
    /// The counterparts of the forward half's values, by id.
    private var mapped: [Int: Value] = [:]
    private var keptIds: Set<Int> = []
    /// For each recomputed scope, a gradient that flows into it; the recomputation waits for that gradient.
    private var gates: [String: Value] = [:]
    private var waiting: [String: Value] = [:]

    init(_ joint: Graph, _ firstBackward: Int, _ scopes: [String]) {
        (self.joint, self.firstBackward, self.scopes) = (joint, firstBackward, scopes)
        var empty = joint
        empty.nodes = []
        builder = GraphBuilder(extending: empty)
    }

    /// Adds a node of the backward pass.
    mutating func take(_ node: Node) throws(DamaError) {
        var copy = node
        // "gradient/layers.0/…": the node's gradient is ready before anything in its scope is recomputed.
        let scope = scope(of: node.name.dropFirst("gradient/".count))
        if let scope, gates[scope] == nil {
            gates[scope] = node.inputs.compactMap(\.self).first { isBackward($0) && $0.type.isFloatingPoint }
        }
        for (position, input) in node.inputs.enumerated() {
            guard let input else { continue }
            copy.inputs[position] = try resolve(input, for: scope)
        }
        builder.append(copy)
    }

    /// The value as the backward half sees it: itself, kept, or recomputed.
    ///
    /// - Parameter user: The scope of the node that takes the value. A scope's values are recomputed only for nodes of
    ///   the same scope; for all others they are kept.
    private mutating func resolve(_ value: Value, for user: String?) throws(DamaError) -> Value {
        guard case .node(let index) = joint.values[value.id].source, index < firstBackward else { return value }
        let node = joint.nodes[index]
        let home = scope(of: node.name[...])
        if let home, home != user { return keep(value) }
        if let known = mapped[value.id] { return known }
        guard isCheap(node) || home != nil else { return keep(value) }
        var inputs: [Value?] = []
        for input in node.inputs { inputs.append(try input.map { input throws(DamaError) in try gated(input, home) }) }
        let outputs = builder.node(
            node.op, domain: node.domain, inputs, outputs: node.outputs.map { ($0.type, $0.shape) },
            attributes: node.attributes, name: "again/\(node.name)")
        for (old, new) in zip(node.outputs, outputs) { mapped[old.id] = new }
        return mapped[value.id] ?? value
    }

    /// An input of a node that is recomputed in `home`. A value from outside waits for the gradient, so that the
    /// runtime does not recompute all layers before it needs the first.
    private mutating func gated(_ input: Value, _ home: String?) throws(DamaError) -> Value {
        let inner = try resolve(input, for: home)
        guard let home, case .node(let index) = joint.values[input.id].source, index < firstBackward,
            scope(of: joint.nodes[index].name[...]) != home, input.type.isFloatingPoint, let gate = gates[home]
        else { return inner }
        if let known = waiting["\(home) \(input.id)"] { return known }
        let result = try builder.scope("again/\(home)") { () throws(DamaError) in
            // A reshape to the existing shape: the runtime has to wait for it, and it costs nothing.
            let all = builder.emit("Shape", [gate], .int64, [.fixed(gate.rank)])
            if gate.shape == inner.shape { return builder.emit("Reshape", [inner, all], inner.type, inner.shape) }
            let none = builder.emit(
                "Slice",
                [
                    all, builder.constant([0]), builder.constant([0]), builder.constant([0]),
                ], .int64, [0])
            let own = builder.emit("Shape", [inner], .int64, [.fixed(inner.rank)])
            return builder.emit(
                "Reshape", [inner, try builder.concat([none, own], axis: 0)], inner.type, inner.shape)
        }
        waiting["\(home) \(input.id)"] = result
        return result
    }

    private mutating func keep(_ value: Value) -> Value {
        if keptIds.insert(value.id).inserted { kept.append(value) }
        return value
    }

    /// Whether a node is cheap enough to run again: keeping its result would store the same numbers twice.
    private func isCheap(_ node: Node) -> Bool {
        switch node.op {
        case "Reshape", "Identity", "Expand": true
        // The shape of an input; the shape of a value within the graph is smaller than the value.
        case "Shape": node.inputs.allSatisfy { $0.map { !isForward($0) } ?? true }
        // A mask that is an input takes a quarter of its numbers' memory.
        case "Cast": node.inputs.allSatisfy { $0.map { !isForward($0) } ?? true }
        // A few numbers for each mask.
        case "MaskTiles": node.inputs.allSatisfy { $0.map { !isForward($0) } ?? true }
        // Arithmetic on lengths.
        case "Concat", "Add", "Sub", "Mul", "Div", "Min", "Max": node.outputs.allSatisfy { $0.type == .int64 }
        default: false
        }
    }

    private func isForward(_ value: Value) -> Bool {
        if case .node(let index) = joint.values[value.id].source { index < firstBackward } else { false }
    }

    private func isBackward(_ value: Value) -> Bool {
        if case .node(let index) = joint.values[value.id].source { index >= firstBackward } else { false }
    }

    private func scope(of name: Substring) -> String? {
        scopes.first { name.hasPrefix($0) && name.dropFirst($0.count).first == "/" }
    }
}

extension Graph {
    /// Positions of the nodes from `start` on that `results` depend on, in order.
    fileprivate func nodes(for results: [Value], from start: Int) -> [Int] {
        var wanted = [Bool](repeating: false, count: values.count)
        for result in results { wanted[result.id] = true }
        var live: [Int] = []
        for index in nodes.indices.reversed() where index >= start {
            guard nodes[index].outputs.contains(where: { wanted[$0.id] }) else { continue }
            live.append(index)
            for case let input? in nodes[index].inputs { wanted[input.id] = true }
        }
        return live.reversed()
    }

    /// The graph without the nodes that no output depends on, which a runtime would run all the same. It cannot be
    /// differentiated any more.
    public func withoutUnreadNodes() -> Graph {
        var result = self
        result.keepNodes(at: nodes(for: outputs, from: 0))
        return result
    }

    /// Drops all nodes but those at `places`, in this order. The rules of regions do not hold any more.
    mutating func keepNodes(at places: [Int]) {
        nodes = places.map { nodes[$0] }
        regions = []
        numberSources()
    }

    /// Moves the nodes whose outputs no node reads to the end, in reverse order.
    ///
    /// ONNX Runtime runs what the last of these nodes needs, then what the next to last needs, and so on (a depth-first
    /// walk from the leaves). In the order of the backward pass it would run down to the first layer before it computed
    /// the gradient of a single matrix, with the inputs of all these gradients still in memory.
    fileprivate mutating func putResultsLast() {
        let last = leaves
        let isLast = Set(last)
        nodes = nodes.indices.filter { !isLast.contains($0) }.map { nodes[$0] } + last.reversed().map { nodes[$0] }
    }

    /// Positions of the nodes whose outputs no node reads, in order.
    fileprivate var leaves: [Int] {
        var read = Set<Int>()
        for node in nodes { for case let input? in node.inputs { read.insert(input.id) } }
        return nodes.indices.filter { index in !nodes[index].outputs.contains { read.contains($0.id) } }
    }

    /// Drops the inputs and weights that no node reads, and renumbers the sources of values.
    fileprivate mutating func prune() {
        var used = Set(outputs.map(\.id))
        for node in nodes { for case let input? in node.inputs { used.insert(input.id) } }
        numberSources()
        inputs.removeAll { !used.contains($0.id) }
        weights.removeAll { !used.contains($0.id) }
    }

    /// Sets the source of each value to the current position of its node.
    mutating func numberSources() {
        for (index, node) in nodes.enumerated() {
            for output in node.outputs { values[output.id].source = .node(index) }
        }
    }
}
