import DamaSupport

/// Computes the gradients of an operator's inputs from those of its outputs.
///
/// Each rule is defined beside its operator, in `Operators/`.
struct GradientRule: Sendable {
    /// The operator, or the name of a ``Region``.
    let op: String
    /// The gradient of each input; `nil` if it is not needed or none flows.
    let apply: @Sendable (GradientContext) throws(DamaError) -> [Value?]

    init(_ op: String, _ apply: @escaping @Sendable (GradientContext) throws(DamaError) -> [Value?]) {
        self.op = op
        self.apply = apply
    }

    static let all: [String: GradientRule] = {
        let families = [
            elementwise, activations, matrixProduct, layout, rows, reductions, normalization, rotary, causalAttention,
            fused,
        ]
        return Dictionary(families.joined().map { ($0.op, $0) }) { first, _ in first }
    }()
}

/// The arguments of a rule: the operation, its gradients and the graph that receives the nodes of the backward pass.
final class GradientContext {
    let g: GraphBuilder
    let node: Node
    /// The gradient of each output; `nil` if the result does not depend on it.
    let gradients: [Value?]
    /// Whether the gradient of each input is requested.
    let needs: [Bool]
    /// Gradients of a weight's rows, which the host adds up.
    private(set) var rows: [(weight: Value, indices: Value, values: Value)] = []
    private let isWeight: (Value) -> Bool

    init(
        _ g: GraphBuilder, _ node: Node, gradients: [Value?], needs: [Bool], isWeight: @escaping (Value) -> Bool
    ) {
        (self.g, self.node, self.gradients, self.needs) = (g, node, gradients, needs)
        self.isWeight = isWeight
    }

    /// Input `index`, which the operator requires.
    func input(_ index: Int) throws(DamaError) -> Value {
        guard node.inputs.indices.contains(index), let value = node.inputs[index] else {
            throw .internal("\(node.name): \(node.op) lacks input \(index)")
        }
        return value
    }

    func output(_ index: Int) throws(DamaError) -> Value {
        guard node.outputs.indices.contains(index) else {
            throw .internal("\(node.name): \(node.op) lacks output \(index)")
        }
        return node.outputs[index]
    }

    /// The gradient of the first output.
    func gradient() throws(DamaError) -> Value {
        guard let gradient = gradients.first ?? nil else {
            throw .internal("\(node.name): no gradient of the first output of \(node.op)")
        }
        return gradient
    }

    /// The result of `body` if input `index` needs a gradient, else `nil`.
    func ifNeeded(_ index: Int, _ body: () throws(DamaError) -> Value) throws(DamaError) -> Value? {
        needs[index] ? try body() : nil
    }

    /// Records the gradient of a weight's rows, which the host adds up.
    func addRows(of weight: Value, at indices: Value, _ values: Value) throws(DamaError) {
        guard isWeight(weight) else {
            throw .unsupported(
                "\(node.name): the gradient of \(node.op) is defined only for rows of a weight; use "
                    + "selectRows for rows of another value")
        }
        rows.append((weight, indices, values))
    }

    /// Sums a gradient over the axes along which `target` was repeated by broadcasting.
    func unbroadcast(_ gradient: Value, to target: Value) throws(DamaError) -> Value {
        if gradient.shape == target.shape { return gradient }
        let leading = gradient.rank - target.rank
        let repeated = target.shape.indices.filter {
            target.shape[$0] == .fixed(1) && gradient.shape[leading + $0] != .fixed(1)
        }
        if leading == 0 { return try g.reduceSum(gradient, axes: repeated, keep: true) }
        let sum = try g.reduceSum(gradient, axes: Array(0..<leading) + repeated.map { leading + $0 })
        return try g.reshape(sum, target.shape, from: [target])
    }

    /// Zeros of the shape of `value`.
    func zeros(like value: Value) throws(DamaError) -> Value {
        try g.expand(g.scalar(0, value.type), value.shape, from: [value])
    }
}
