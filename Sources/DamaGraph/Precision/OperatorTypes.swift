import DamaSupport

/// The types of an operator's inputs and outputs in a graph of reduced precision.
struct OperatorTypes: Sendable {
    enum Kind: Sendable {
        /// Takes the precision's type.
        case computing
        /// Moves numbers or does a little arithmetic on them: takes the type of its operands.
        case following
        /// Stays in float32 throughout.
        case single
    }

    var kind: Kind
    /// Positions of inputs and outputs that are float32 with every precision.
    var singleInputs: Set<Int> = []
    var singleOutputs: Set<Int> = []
    /// Whether ONNX Runtime's CUDA provider has no kernel for bfloat16; the node is float32 then.
    var lacksBFloat16 = false

    static func of(_ node: Node) -> OperatorTypes {
        all["\(node.domain)::\(node.op)"] ?? OperatorTypes(kind: .computing)
    }

    func isSupported(_ type: ElementType) -> Bool { !(lacksBFloat16 && type == .bfloat16) }

    /// Operators by "domain::op"; one that is not listed takes the precision's type everywhere.
    ///
    /// ReduceSum, ReduceMean, Softmax and the matrix products of ONNX Runtime add up in float32 whatever their type.
    private static let all: [String: OperatorTypes] = {
        var table: [String: OperatorTypes] = [
            // Probabilities and logarithms need float32's precision, and some have no kernels for bfloat16.
            "::LogSoftmax": OperatorTypes(kind: .single),
            "::ReduceLogSumExp": OperatorTypes(kind: .single),
            "::Exp": OperatorTypes(kind: .single),
            "::Log": OperatorTypes(kind: .single),
            "::Erf": OperatorTypes(kind: .single),
            // The mean and 1/std.
            "::LayerNormalization": OperatorTypes(kind: .computing, singleOutputs: [1, 2]),
            "::SimplifiedLayerNormalization": OperatorTypes(kind: .computing, singleOutputs: [1]),
            "::Pad": OperatorTypes(kind: .following, lacksBFloat16: true),
            "::ReduceMax": OperatorTypes(kind: .following, lacksBFloat16: true),
        ]
        for op in ["Equal", "Less", "LessOrEqual", "Greater", "GreaterOrEqual"] {
            table["::\(op)"] = OperatorTypes(kind: .following, lacksBFloat16: true)
        }
        for op in [
            "Add", "Sub", "Mul", "Div", "Neg", "Max", "Min", "Where", "Cast", "Identity", "Reshape", "Transpose",
            "Slice", "Concat", "Split", "Expand", "Squeeze", "Unsqueeze", "Gather", "GatherElements", "ScatterElements",
            "ReduceSum", "ReduceMean",
        ] { table["::\(op)"] = OperatorTypes(kind: .following) }
        for (op, single) in FusedOperators.float32 {
            table["\(FusedOperators.domain)::\(op)"] = OperatorTypes(
                kind: .computing, singleInputs: single.inputs, singleOutputs: single.outputs)
        }
        return table
    }()

    /// The operator's name when it computes in `type`: the library's own operators have a name for each type.
    static func name(_ node: Node, _ type: ElementType) -> String {
        guard node.domain == FusedOperators.domain else { return node.op }
        return FusedOperators.name(node.op, for: type) ?? node.op
    }
}
