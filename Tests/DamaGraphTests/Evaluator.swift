import DamaSupport
import Foundation

@testable import DamaGraph

/// Runs graphs in double precision, operator by operator as ONNX defines them, without regard to speed.
///
/// Central differences of single-precision kernels have errors of 1e-3; here they have 1e-9, so that a rule with a
/// wrong small term is found. Separate checks in single precision show that ONNX Runtime's kernels compute the same.
struct Evaluator {
    /// Operators that are a function of each number, by their names. ``GradientRuleTests`` checks the rule of each, for
    /// numbers above 0.
    static let functions: [String: @Sendable (Double) -> Double] = [
        "Neg": { -$0 },
        "Exp": { exp($0) },
        "Log": { log($0) },
        "Sqrt": { $0.squareRoot() },
        "Tanh": { tanh($0) },
        "Erf": { erf($0) },
        "Sigmoid": { 1 / (1 + exp(-$0)) },
    ]

    let graph: Graph

    func run(_ feeds: [String: Tensor]) throws -> [String: Tensor] {
        var values: [Int: Tensor] = [:]
        for value in graph.inputs + graph.weights { values[value.id] = feeds[graph.name(of: value)] }
        for id in graph.values.indices {
            if case .constant(let tensor) = graph.values[id].source { values[id] = decode(tensor) }
        }
        for node in graph.nodes {
            let inputs = try node.inputs.map { input -> Tensor? in
                guard let input else { return nil }
                guard let value = values[input.id] else { throw DamaError.internal("no \(graph.name(of: input))") }
                return value
            }
            let outputs = try evaluate(node, inputs)
            for (output, tensor) in zip(node.outputs, outputs) {
                for (axis, length) in output.shape.enumerated() {
                    if let fixed = length.fixed, fixed != tensor.shape[axis] || output.rank != tensor.shape.count {
                        throw DamaError.internal("\(node.name) gave \(tensor.shape) for \(output.shape.text)")
                    }
                }
                values[output.id] = tensor
            }
        }
        return Dictionary(uniqueKeysWithValues: graph.outputs.map { (graph.name(of: $0), values[$0.id]!) })
    }

    private func decode(_ tensor: ConstantTensor) -> Tensor {
        let values: [Double]
        switch tensor.type {
        case .int64: values = tensor.integers!.map(Double.init)
        case .float32:
            values = stride(from: 0, to: tensor.bytes.count, by: 4).map { start in
                Double(Float(bitPattern: tensor.bytes[start..<start + 4].reversed().reduce(0) { $0 << 8 | UInt32($1) }))
            }
        default: fatalError("no \(tensor.type) here")
        }
        return Tensor(values, tensor.shape, tensor.type)
    }

    // MARK: Operators

    private func evaluate(_ node: Node, _ inputs: [Tensor?]) throws -> [Tensor] {
        let x = inputs[0]!
        func map(_ f: (Double) -> Double) -> [Tensor] { [Tensor(x.values.map(f), x.shape, x.type)] }
        func zip(_ f: (Double, Double) -> Double) -> [Tensor] { [x.broadcast(inputs[1]!, f)] }
        func compare(_ f: (Double, Double) -> Bool) -> [Tensor] {
            [Tensor(x.broadcast(inputs[1]!) { f($0, $1) ? 1 : 0 }, type: .bool)]
        }
        let integers = { (index: Int) in inputs[index]!.values.map { Int($0) } }
        if let function = Self.functions[node.op] { return map(function) }
        switch node.op {
        case "Identity", "Cast": return [Tensor(x, type: node.outputs[0].type)]
        case "Add": return zip(+)
        case "Sub": return zip(-)
        case "Mul": return zip(*)
        case "Div": return x.type == .int64 ? zip { ($0 / $1).rounded(.towardZero) } : zip(/)
        case "Min": return zip(Swift.min)
        case "Max": return zip(Swift.max)
        case "Greater": return compare(>)
        case "Less": return compare(<)
        case "Equal": return compare(==)
        case "QuickGelu":
            let slope = Double(node.float("alpha", default: 1.702))
            return map { $0 / (1 + exp(-slope * $0)) }
        case "Gelu":
            if node.string("approximate") == "tanh" {
                return map { 0.5 * $0 * (1 + tanh((2 / Double.pi).squareRoot() * ($0 + 0.044715 * $0 * $0 * $0))) }
            }
            return map { 0.5 * $0 * (1 + erf($0 / 2.0.squareRoot())) }
        case "Where":
            let a = x.broadcast(inputs[1]!) { $0 != 0 ? $1 : 0 }
            let b = x.broadcast(inputs[2]!) { $0 != 0 ? 0 : $1 }
            return [Tensor(a.broadcast(b, +), type: node.outputs[0].type)]
        case "MatMul", "FusedMatMul":
            return [product(node, x, inputs[1]!)]
        case "Shape":
            let end = node.attribute("end") == nil ? x.shape.count : node.int("end")
            let part = Array(x.shape[node.int("start")..<end])
            return [Tensor(integers: part, [part.count])]
        case "Range":
            let values = Array(stride(from: x.values[0], to: inputs[1]!.values[0], by: inputs[2]!.values[0]))
            return [Tensor(values, [values.count], .int64)]
        case "Reshape":
            var shape = integers(1)
            for axis in shape.indices where shape[axis] == 0 { shape[axis] = x.shape[axis] }
            if let open = shape.firstIndex(of: -1) {
                shape[open] = 1
                shape[open] = x.values.count / shape.reduce(1, *)
            }
            return [Tensor(x.values, shape, x.type)]
        case "Expand":
            return [
                Tensor(
                    x.broadcast(Tensor([Double](repeating: 0, count: integers(1).reduce(1, *)), integers(1)), +),
                    type: x.type)
            ]
        case "Transpose":
            let order = node.ints("perm")
            return [
                x.remap(order.map { x.shape[$0] }) { index in
                    var source = index
                    for (axis, from) in order.enumerated() { source[from] = index[axis] }
                    return source
                }
            ]
        case "Concat":
            let axis = node.int("axis")
            return [try inputs.dropFirst().reduce(x) { try $0.joined($1!, axis) }]
        case "Slice":
            let axis = integers(3)[0]
            let length = x.shape[axis]
            func bound(_ value: Int) -> Int { max(0, min(length, value < 0 ? value + length : value)) }
            let end = inputs[2]!.values[0] > 1e18 ? length : bound(integers(2)[0])
            return [x.part(axis, bound(integers(1)[0])..<end)]
        case "Split":
            var start = 0
            return integers(1).map { length in
                start += length
                return x.part(node.int("axis"), start - length..<start)
            }
        case "Pad":
            let (pads, axis) = (integers(1), integers(3)[0])
            var result = x
            for (count, before) in [(pads[0], true), (pads[1], false)] {
                var shape = x.shape
                shape[axis] = count
                let zeros = Tensor([Double](repeating: 0, count: shape.reduce(1, *)), shape)
                result = try before ? zeros.joined(result, axis) : result.joined(zeros, axis)
            }
            return [result]
        case "Gather":
            let (axis, indices) = (node.int("axis"), inputs[1]!)
            let shape = x.shape[..<axis] + indices.shape + x.shape[(axis + 1)...]
            return [
                x.remap(Array(shape)) { index in
                    let position = Array(index[axis..<axis + indices.shape.count])
                    return index[..<axis] + [Int(indices[position])] + index[(axis + indices.shape.count)...]
                }
            ]
        case "GatherElements":
            let (axis, indices) = (node.int("axis"), inputs[1]!)
            return [
                x.remap(indices.shape) { index in
                    var source = index
                    source[axis] = Int(indices[index])
                    return source
                }
            ]
        case "ScatterElements":
            let (axis, indices, updates) = (node.int("axis"), inputs[1]!, inputs[2]!)
            var result = x
            for flat in updates.values.indices {
                var index = indices.index(flat)
                index[axis] = Int(indices.values[flat])
                result.values[result.flat(index)] = updates.values[flat]
            }
            return [result]
        case "ReduceSum", "ReduceMean", "ReduceLogSumExp", "ReduceMax":
            return [reduce(node, x, integers(1))]
        case "Softmax", "LogSoftmax":
            let axis = node.int("axis", default: -1)
            let scores = x.values.map { exp($0) }
            let sums = Tensor(scores, x.shape).summed([axis < 0 ? axis + x.shape.count : axis], keep: true)
            let shares = Tensor(scores, x.shape).broadcast(sums, /)
            return [node.op == "Softmax" ? shares : Tensor(shares.values.map { log($0) }, x.shape)]
        case "LayerNormalization", "SimplifiedLayerNormalization":
            let last = [x.shape.count - 1]
            let count = Double(x.shape[last[0]])
            var mean = Tensor(x.summed(last, keep: true).values.map { $0 / count }, Array(x.shape.dropLast()) + [1])
            if node.op != "LayerNormalization" { mean.values = mean.values.map { _ in 0 } }
            let centred = x.broadcast(mean, -)
            let variance = Tensor(centred.values.map { $0 * $0 / count }, x.shape).summed(last, keep: true)
            let epsilon = Double(node.float("epsilon", default: 1e-5))
            let inverse = Tensor(variance.values.map { 1 / ($0 + epsilon).squareRoot() }, variance.shape)
            let normal = centred.broadcast(inverse, *).broadcast(inputs[1]!, *)
            return node.op == "LayerNormalization"
                ? [normal.broadcast(inputs[2]!, +), mean, inverse] : [normal, inverse]
        case "RotaryEmbedding":
            return [rotate(node, x, inputs[1]!, inputs[2]!, inputs[3]!)]
        default: throw DamaError.internal("the evaluator does not know \(node.op)")
        }
    }

    private func product(_ node: Node, _ a: Tensor, _ b: Tensor) -> Tensor {
        func swapped(_ x: Tensor) -> Tensor {
            var shape = x.shape
            shape.swapAt(shape.count - 1, shape.count - 2)
            return x.remap(shape) { index in
                var index = index
                index.swapAt(index.count - 1, index.count - 2)
                return index
            }
        }
        let a = node.int("transA") != 0 ? swapped(a) : a
        let b = node.int("transB") != 0 ? swapped(b) : b
        let (rows, inner) = (a.shape[a.shape.count - 2], a.shape[a.shape.count - 1])
        let columns = b.shape[b.shape.count - 1]
        let scale = Double(node.float("alpha", default: 1))
        // The index of the matrix of a and of b for each matrix of the result.
        func number(_ shape: [Int]) -> Tensor {
            let batch = Array(shape.dropLast(2))
            return Tensor((0..<batch.reduce(1, *)).map(Double.init), batch)
        }
        let (lefts, rights) = (
            number(a.shape).broadcast(number(b.shape)) { left, _ in left },
            number(a.shape).broadcast(number(b.shape)) { _, right in right }
        )
        var result = [Double](repeating: 0, count: lefts.values.count * rows * columns)
        for (batch, (left, right)) in Swift.zip(lefts.values, rights.values).enumerated() {
            for row in 0..<rows {
                for column in 0..<columns {
                    var sum = 0.0
                    for k in 0..<inner {
                        sum +=
                            a.values[(Int(left) * rows + row) * inner + k]
                            * b.values[(Int(right) * inner + k) * columns + column]
                    }
                    result[(batch * rows + row) * columns + column] = scale * sum
                }
            }
        }
        return Tensor(result, lefts.shape + [rows, columns])
    }

    private func reduce(_ node: Node, _ x: Tensor, _ axes: [Int]) -> Tensor {
        let keep = node.int("keepdims", default: 1) != 0
        let count = Double(axes.reduce(1) { $0 * x.shape[$1] })
        switch node.op {
        case "ReduceSum": return x.summed(axes, keep: keep)
        case "ReduceMean":
            let sum = x.summed(axes, keep: keep)
            return Tensor(sum.values.map { $0 / count }, sum.shape)
        default:
            let sum = Tensor(x.values.map { exp($0) }, x.shape).summed(axes, keep: keep)
            return Tensor(sum.values.map { log($0) }, sum.shape)
        }
    }

    private func rotate(_ node: Node, _ x: Tensor, _ positions: Tensor, _ cosine: Tensor, _ sine: Tensor) -> Tensor {
        let half = cosine.shape[1]
        var result = x
        for flat in x.values.indices {
            let index = x.index(flat)
            let (position, column) = (Int(positions[[index[0], index[1]]]), index[2] % (2 * half))
            let (c, s) = (cosine[[position, column % half]], sine[[position, column % half]])
            result.values[flat] =
                column < half
                ? x.values[flat] * c - x.values[flat + half] * s : x.values[flat] * c + x.values[flat - half] * s
        }
        return result
    }
}

// MARK: - Arithmetic on tensors

extension Tensor {
    init(_ other: Tensor, type: ElementType) {
        self.init(other.values, other.shape, type)
    }

    func index(_ flat: Int) -> [Int] {
        var (rest, index) = (flat, shape)
        for axis in shape.indices.reversed() {
            index[axis] = rest % shape[axis]
            rest /= shape[axis]
        }
        return index
    }

    func flat(_ index: [Int]) -> Int { Swift.zip(index, shape).reduce(0) { $0 * $1.1 + $1.0 } }

    subscript(_ index: [Int]) -> Double { values[flat(index)] }

    /// Element i of the result is element `source(i)` of this.
    func remap(_ shape: [Int], _ source: ([Int]) -> [Int]) -> Tensor {
        var result = Tensor([Double](repeating: 0, count: shape.reduce(1, *)), shape, type)
        for flat in result.values.indices { result.values[flat] = self[source(result.index(flat))] }
        return result
    }

    func broadcast(_ other: Tensor, _ f: (Double, Double) -> Double) -> Tensor {
        let rank = max(shape.count, other.shape.count)
        let a = [Int](repeating: 1, count: rank - shape.count) + shape
        let b = [Int](repeating: 1, count: rank - other.shape.count) + other.shape
        let lengths = Swift.zip(a, b).map { $0 == 1 ? $1 : $0 }
        func at(_ index: [Int], _ shape: [Int]) -> Int {
            Swift.zip(index, shape).reduce(0) { $0 * $1.1 + ($1.1 == 1 ? 0 : $1.0) }
        }
        var result = Tensor([Double](repeating: 0, count: lengths.reduce(1, *)), lengths, type)
        for flat in result.values.indices {
            let index = result.index(flat)
            result.values[flat] = f(values[at(index, a)], other.values[at(index, b)])
        }
        return result
    }

    func summed(_ axes: [Int], keep: Bool) -> Tensor {
        let kept = shape.indices.map { axes.contains($0) ? 1 : shape[$0] }
        var result = Tensor([Double](repeating: 0, count: kept.reduce(1, *)), kept)
        for flat in values.indices {
            var index = index(flat)
            for axis in axes { index[axis] = 0 }
            result.values[result.flat(index)] += values[flat]
        }
        if !keep { result.shape = shape.indices.filter { !axes.contains($0) }.map { shape[$0] } }
        return result
    }

    func part(_ axis: Int, _ range: Range<Int>) -> Tensor {
        var lengths = shape
        lengths[axis] = range.count
        return remap(lengths) { index in
            var index = index
            index[axis] += range.lowerBound
            return index
        }
    }

    func joined(_ other: Tensor, _ axis: Int) throws -> Tensor {
        var lengths = shape
        lengths[axis] += other.shape[axis]
        var result = Tensor([Double](repeating: 0, count: lengths.reduce(1, *)), lengths, type)
        for flat in result.values.indices {
            var index = result.index(flat)
            if index[axis] < shape[axis] {
                result.values[flat] = self[index]
            } else {
                index[axis] -= shape[axis]
                result.values[flat] = other[index]
            }
        }
        return result
    }
}
