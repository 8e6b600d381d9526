import DamaSupport

@testable import DamaGraph

/// Runs a graph on lengths alone: the shape of every value, and the numbers of those that are lengths themselves.
/// Reports which operations sum over an empty axis.
///
/// The result of such a sum depends on the runtime: FusedMatMul of ONNX Runtime before 1.32 returns uninitialised
/// memory.
struct LengthEvaluator {
    /// What is known of a value: its shape, and its elements if it is a list of lengths.
    struct Known {
        var shape: [Int]
        var integers: [Int]?
    }

    struct Result {
        var outputs: [String: Known]
        /// Nodes that sum over an axis of length 0, whether or not the result has elements.
        var emptySums: [String]
        /// Those of them whose result has elements.
        var undefined: [String]
    }

    let graph: Graph

    /// - Parameter feeds: the inputs' shapes; integers only where the graph computes lengths with them.
    func run(_ feeds: [String: Known]) throws -> Result {
        var known: [Int: Known] = [:]
        for value in graph.inputs { known[value.id] = feeds[graph.name(of: value)] }
        for value in graph.weights { known[value.id] = Known(shape: value.shape.compactMap(\.fixed)) }
        for id in graph.values.indices {
            if case .constant(let tensor) = graph.values[id].source {
                known[id] = Known(shape: tensor.shape, integers: tensor.integers)
            }
        }
        var result = Result(outputs: [:], emptySums: [], undefined: [])
        for node in graph.nodes {
            let inputs = try node.inputs.map { input -> Known? in
                guard let input else { return nil }
                guard let value = known[input.id] else {
                    throw DamaError.internal("\(node.name): no \(graph.name(of: input))")
                }
                return value
            }
            let (outputs, summed) = try evaluate(node, inputs)
            if summed == 0 {
                result.emptySums.append(node.name)
                if outputs[0].shape.reduce(1, *) > 0 { result.undefined.append(node.name) }
            }
            for (output, value) in zip(node.outputs, outputs) {
                for (axis, length) in output.shape.enumerated()
                where length.fixed ?? value.shape[axis] != value.shape[axis] {
                    throw DamaError.internal("\(node.name) gave \(value.shape) for \(output.shape.text)")
                }
                known[output.id] = value
            }
        }
        for output in graph.outputs { result.outputs[graph.name(of: output)] = known[output.id] }
        return result
    }

    /// The outputs, and how many terms each of their elements sums.
    private func evaluate(_ node: Node, _ inputs: [Known?]) throws -> (outputs: [Known], summed: Int) {
        guard let x = inputs.first ?? nil else { throw DamaError.internal("\(node.name) has no input") }
        func integers(_ index: Int) throws -> [Int] {
            guard let list = inputs[index]?.integers else {
                throw DamaError.internal("\(node.name): the lengths in input \(index) are not known")
            }
            return list
        }
        func axis(_ axis: Int) -> Int { axis < 0 ? axis + x.shape.count : axis }
        func plain(_ shape: [Int], _ integers: [Int]? = nil, sums: Int = 1) -> ([Known], Int) {
            ([Known](repeating: Known(shape: shape, integers: integers), count: node.outputs.count), sums)
        }
        func lengths(_ f: (Int, Int) -> Int) -> [Int]? {
            guard let a = x.integers, let b = inputs[1]?.integers, a.count == b.count else { return nil }
            return zip(a, b).map(f)
        }
        if Evaluator.functions[node.op] != nil { return plain(x.shape, x.integers) }
        switch node.op {
        case "Identity", "Cast", "QuickGelu", "Gelu", "RotaryEmbedding", "ScatterElements":
            return plain(x.shape, x.integers)
        case "Add": return plain(try broadcast(node, inputs), lengths(+))
        case "Sub": return plain(try broadcast(node, inputs), lengths(-))
        case "Mul": return plain(try broadcast(node, inputs), lengths(*))
        case "Div": return plain(try broadcast(node, inputs), lengths { $1 == 0 ? 0 : $0 / $1 })
        case "Min": return plain(try broadcast(node, inputs), lengths(min))
        case "Max": return plain(try broadcast(node, inputs), lengths(max))
        case "Greater", "Less", "Equal", "Where": return plain(try broadcast(node, inputs))
        case "MatMul", "FusedMatMul": return try product(node, x.shape, inputs[1]?.shape ?? [])
        case "Shape":
            let end = node.attribute("end") == nil ? x.shape.count : node.int("end")
            let part = Array(x.shape[node.int("start")..<end])
            return plain([part.count], part)
        case "Reshape":
            var shape = try integers(1)
            for axis in shape.indices where shape[axis] == 0 { shape[axis] = x.shape[axis] }
            let count = x.shape.reduce(1, *)
            if let open = shape.firstIndex(of: -1) {
                shape[open] = 1
                shape[open] = count / max(1, shape.reduce(1, *))
            }
            guard shape.reduce(1, *) == count else { throw DamaError.internal("\(node.name): \(x.shape) as \(shape)") }
            return plain(shape, x.integers)
        case "Expand": return plain(try broadcast(node, [x, Known(shape: integers(1))]))
        case "Transpose": return plain(node.ints("perm").map { x.shape[$0] })
        case "Concat":
            var shape = x.shape
            let parts = inputs.compactMap(\.self)
            shape[axis(node.int("axis"))] = parts.reduce(0) { $0 + $1.shape[axis(node.int("axis"))] }
            let lists = parts.compactMap(\.integers)
            return plain(shape, lists.count == parts.count ? Array(lists.joined()) : nil)
        case "Slice":
            let axis = axis(try integers(3)[0])
            var shape = x.shape
            func bound(_ value: Int) -> Int { max(0, min(shape[axis], value < 0 ? value + shape[axis] : value)) }
            let range = (bound(try integers(1)[0]), bound(try integers(2)[0]))
            shape[axis] = max(0, range.1 - range.0)
            return plain(shape, x.integers.map { Array($0[range.0..<max(range.0, range.1)]) })
        case "Split":
            let outputs = try integers(1).map { length in
                var shape = x.shape
                shape[axis(node.int("axis"))] = length
                return Known(shape: shape)
            }
            return (outputs, 1)
        case "Pad":
            var shape = x.shape
            let pads = try integers(1)
            let axes = inputs.count > 3 ? try integers(3) : Array(shape.indices)
            for (index, axis) in axes.enumerated() { shape[axis] += pads[index] + pads[index + axes.count] }
            return plain(shape)
        case "Gather":
            let axis = axis(node.int("axis"))
            return plain(x.shape[..<axis] + (inputs[1]?.shape ?? []) + x.shape[(axis + 1)...])
        case "GatherElements": return plain(inputs[1]?.shape ?? [])
        case "ReduceSum", "ReduceMean", "ReduceLogSumExp", "ReduceMax":
            let axes = try integers(1)
            let keep = node.int("keepdims", default: 1) != 0
            let shape = x.shape.indices.compactMap { axes.contains($0) ? (keep ? 1 : nil) : x.shape[$0] }
            return plain(shape, sums: axes.reduce(1) { $0 * x.shape[$1] })
        case "Softmax", "LogSoftmax": return plain(x.shape, sums: x.shape[axis(node.int("axis", default: -1))])
        case "LayerNormalization", "SimplifiedLayerNormalization":
            let statistics = Known(shape: x.shape.dropLast() + [1])
            let outputs = [Known(shape: x.shape)] + node.outputs.dropFirst().map { _ in statistics }
            return (outputs, x.shape.last ?? 1)
        case "GroupQueryAttention":
            let cache = inputs[3] ?? Known(shape: [])
            return ([Known(shape: x.shape), cache, inputs[4] ?? cache], min(x.shape[1], cache.shape[2]))
        default: throw DamaError.internal("the evaluator of lengths does not know \(node.op)")
        }
    }

    private func broadcast(_ node: Node, _ inputs: [Known?]) throws -> [Int] {
        var result: [Int] = []
        for shape in inputs.compactMap(\.self).map(\.shape) {
            result = [Int](repeating: 1, count: max(0, shape.count - result.count)) + result
            for (axis, length) in shape.enumerated() where length != 1 {
                let place = result.count - shape.count + axis
                guard result[place] == 1 || result[place] == length else {
                    throw DamaError.internal("\(node.name): \(inputs.map { $0?.shape ?? [] }) do not broadcast")
                }
                result[place] = length
            }
        }
        return result
    }

    private func product(_ node: Node, _ a: [Int], _ b: [Int]) throws -> (outputs: [Known], summed: Int) {
        func matrix(_ shape: [Int], _ transposed: Bool) -> (rows: Int, columns: Int) {
            let (first, second) = (shape[shape.count - 2], shape[shape.count - 1])
            return transposed ? (second, first) : (first, second)
        }
        let left = matrix(a, node.int("transA") != 0)
        let right = matrix(b, node.int("transB") != 0)
        guard left.columns == right.rows else { throw DamaError.internal("\(node.name): \(a) and \(b)") }
        let batch = try broadcast(node, [Known(shape: Array(a.dropLast(2))), Known(shape: Array(b.dropLast(2)))])
        return ([Known(shape: batch + [left.rows, right.columns])], left.columns)
    }
}
