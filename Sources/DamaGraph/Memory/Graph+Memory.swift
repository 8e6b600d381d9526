import DamaSupport

// How much memory a run of a graph takes, without running it.

extension Graph {
    /// The bytes of the value with this name: an input, a weight or an output; 0 if there is none.
    public func byteCount(named name: String, _ lengths: AxisLengths) throws(DamaError) -> Int {
        guard let value = value(named: name) else { return 0 }
        return try lengths.byteCount(value.type, value.shape)
    }

    /// The most bytes that a run holds at once, besides its inputs and weights: the values that later nodes read, and
    /// the outputs.
    ///
    /// The nodes run in ONNX Runtime's order. A reshaped value is the value itself, and an elementwise operator writes
    /// over an operand that nothing else reads, as the runtime plans it. What its allocator rounds up is not counted,
    /// nor are the workspaces of kernels.
    ///
    /// - Parameter bound: outputs that have memory of the caller's.
    public func peakByteCount(_ lengths: AxisLengths, bound: Set<String> = []) throws(DamaError) -> Int {
        var walk = MemoryWalk(self, bound)
        return try walk.run(lengths)
    }

    /// The nodes in the order in which ONNX Runtime runs them: depth first from the last node without readers, and from
    /// each node to its last input first (`GraphViewer`, `Graph::ReverseDFSFrom`).
    func executionOrder() -> [Int] {
        var sources: [Int: Int] = [:]
        var read: Set<Int> = []
        for (index, node) in nodes.enumerated() { for output in node.outputs { sources[output.id] = index } }
        for node in nodes {
            for case let input? in node.inputs { if let source = sources[input.id] { read.insert(source) } }
        }
        var stack = nodes.indices.filter { !read.contains($0) }.map { (node: $0, isDone: false) }
        var visited = [Bool](repeating: false, count: nodes.count)
        var order: [Int] = []
        while let (node, isDone) = stack.popLast() {
            if isDone {
                order.append(node)
                continue
            }
            if visited[node] { continue }
            visited[node] = true
            stack.append((node, true))
            let before = Set(nodes[node].inputs.compactMap { input in input.flatMap { sources[$0.id] } })
            for source in before.sorted() where !visited[source] { stack.append((source, false)) }
        }
        return order
    }
}

/// The memory of a run, node by node.
private struct MemoryWalk {
    private let graph: Graph
    private let order: [Int]
    /// The value whose memory a value has, if it is not its own.
    private var owner: [Int: Int] = [:]
    /// How often the memory of a value is still read; outputs are read once more, by the caller.
    private var uses: [Int: Int] = [:]
    private let bound: Set<Int>

    init(_ graph: Graph, _ bound: Set<String>) {
        self.graph = graph
        order = graph.executionOrder()
        self.bound = Set(graph.outputs.filter { bound.contains(graph.name(of: $0)) }.map(\.id))
        for index in order {
            let node = graph.nodes[index]
            if Self.views.contains(node.op), let input = node.inputs.first ?? nil, let output = node.outputs.first {
                // An output has memory of its own.
                if !graph.outputs.contains(output) { owner[output.id] = owner[input.id] ?? input.id }
            }
            for case let input? in node.inputs { uses[owner[input.id] ?? input.id, default: 0] += 1 }
        }
        for output in graph.outputs { uses[owner[output.id] ?? output.id, default: 0] += 1 }
    }

    private static let views: Set = ["Reshape", "Identity", "Squeeze", "Unsqueeze"]
    /// Operators whose output may take the memory of an operand.
    private static let inPlace: [String: [Int]] = {
        var table: [String: [Int]] = [
            "MaskSoftmax": [0], "AddedProduct": [0], "AddedRmsNorm": [0, 1], "AddBias": [0], "SoftmaxGrad": [1],
            "SwiGLU": [0],
            "SwiGLUGrad": [0],
            "TokenLogProbabilitiesGrad": [0],
        ]
        for op in ["Add", "Sub", "Mul", "Div"] { table[op] = [0, 1] }
        for op in ["Neg", "Exp", "Sigmoid", "Tanh", "Erf"] { table[op] = [0] }
        return table
    }()

    mutating func run(_ lengths: AxisLengths) throws(DamaError) -> Int {
        /// The bytes of the memory that is in use, by its first value.
        var live: [Int: Int] = [:]
        var (now, peak) = (0, 0)
        for index in order {
            let node = graph.nodes[index]
            for output in node.outputs where owner[output.id] == nil && !bound.contains(output.id) {
                let isRead = uses[output.id, default: 0] > 0
                // Optional outputs that nothing reads are not written.
                guard isRead || output == node.outputs[0] else { continue }
                let bytes = try lengths.byteCount(output.type, output.shape)
                if let operand = overwritten(node, output, live, bytes) {
                    live[operand] = nil
                    // The operand's last reader is this node, which must not release what is now the output's.
                    uses[operand] = .max / 2
                } else {
                    now += bytes
                }
                live[output.id] = bytes
            }
            peak = max(peak, now)
            for case let input? in node.inputs { release(input, &live, &now) }
            for output in node.outputs where uses[owner[output.id] ?? output.id, default: 0] == 0 {
                if let bytes = live.removeValue(forKey: output.id) { now -= bytes }
            }
        }
        return peak
    }

    /// The operand whose memory the output takes.
    private func overwritten(_ node: Node, _ output: Value, _ live: [Int: Int], _ bytes: Int) -> Int? {
        guard output == node.outputs[0], !graph.outputs.contains(output), let places = Self.inPlace[Self.base(node.op)]
        else { return nil }
        for place in places where place < node.inputs.count {
            guard let input = node.inputs[place] else { continue }
            let memory = owner[input.id] ?? input.id
            let own = node.inputs.count { $0.map { (owner[$0.id] ?? $0.id) == memory } ?? false }
            if live[memory] == bytes, uses[memory] == own { return memory }
        }
        return nil
    }

    private mutating func release(_ input: Value, _ live: inout [Int: Int], _ now: inout Int) {
        let memory = owner[input.id] ?? input.id
        uses[memory, default: 0] -= 1
        if uses[memory] == 0, let bytes = live.removeValue(forKey: memory) { now -= bytes }
    }

    /// An operator's name without the type of a fused one.
    private static func base(_ op: String) -> String {
        for suffix in ["_f16", "_bf16"] where op.hasSuffix(suffix) { return String(op.dropLast(suffix.count)) }
        return op
    }
}
