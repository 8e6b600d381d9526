import DamaSupport

// The fused forms of operators. Each is called by the operator's own function if the builder uses fused kernels.

extension GraphBuilder {
    func fused(
        _ op: String, _ inputs: [Value], outputs: [(type: ElementType, shape: Shape)],
        _ attributes: [(name: String, value: Attribute)] = []
    ) -> [Value] {
        node(op, domain: FusedOperators.domain, inputs, outputs: outputs, attributes: attributes)
    }

    func fused(
        _ op: String, _ inputs: [Value], _ shape: Shape, _ attributes: [(name: String, value: Attribute)] = []
    ) -> Value {
        fused(op, inputs, outputs: [(inputs[0].type, shape)], attributes)[0]
    }

    /// The rotated heads [batch, heads, sequence, size] of x [batch, sequence, heads · size]; or with `inverse` x of the
    /// rotated heads.
    func fusedRotaryHeads(
        _ x: Value, _ positions: Value, _ cosine: Value, _ sine: Value, heads: Int, inverse: Bool, shape: Shape
    ) -> Value {
        fused(
            "RotaryHeads", [x, positions, cosine, sine], shape,
            [("heads", .int(heads)), ("inverse", .int(inverse ? 1 : 0))])
    }

    /// ``causalAttention(_:_:_:mask:scale:blocks:minimum:)`` in one block, for operands that it has checked.
    func fusedAttention(_ q: Value, _ k: Value, _ v: Value, _ mask: Value, _ scale: Float) throws(DamaError) -> Value {
        try region("FusedAttention", [q, k, v, mask], attributes: [("scale", .float(scale))]) { () throws(DamaError) in
            let shares = try fusedShares(sharingKeys(q, k), k, mask, scale)
            return [try mergeHeads(reshape(matmul(shares, v), q.shape, from: [q]))]
        }[0]
    }

    /// The softmax of the scores: [batch, key heads, heads / key heads · sequence, sequence].
    fileprivate func fusedShares(
        _ q: Value, _ k: Value, _ mask: Value, _ scale: Float
    ) throws(DamaError) -> Value {
        let scores = try matmul(q, k, transposeB: true, scale: scale)
        return fused("MaskSoftmax", [scores, mask], scores.shape)
    }

    /// [batch, heads, sequence, size] with the heads that share a key head one below the other, as one matrix:
    /// [batch, key heads, heads / key heads · sequence, size]. Its products with keys and values need no broadcasting,
    /// and those that add up over queries add up over these heads too.
    fileprivate func sharingKeys(_ x: Value, _ k: Value) throws(DamaError) -> Value {
        guard let heads = x.shape[1].fixed, let keyHeads = k.shape[1].fixed, keyHeads > 0, heads > keyHeads else {
            return x
        }
        let rows = [.fixed(heads / keyHeads), x.shape[2]].product
        return try reshape(x, [x.shape[0], k.shape[1], rows, x.shape[3]], from: [x])
    }

    /// ``causalAttention(_:_:_:mask:scale:blocks:minimum:)`` as one kernel, for operands that it has checked.
    func flashAttention(_ q: Value, _ k: Value, _ v: Value, _ mask: Value, _ scale: Float) throws(DamaError) -> Value {
        try flashAttention(q, k, withMergedHeads(v), mask, scale, mergedHeads: nil)
    }

    /// - Parameter heads: their number if q and k are merged as v is: [batch, sequence, heads · size].
    func flashAttention(
        _ q: Value, _ k: Value, _ v: Value, _ mask: Value?, _ scale: Float, mergedHeads heads: Int?
    ) throws(DamaError) -> Value {
        let shape = heads == nil ? [q.shape[0], q.shape[2], [q.shape[1], q.shape[3]].product] : q.shape
        let rows = heads.map { [q.shape[0], .fixed($0), q.shape[1]] } ?? Array(q.shape.prefix(3))
        var inputs = [q, k, v]
        if let mask { inputs += [mask, try maskTiles(mask)] }
        return fused(
            "FlashAttention", inputs, outputs: [(q.type, shape), (.float32, rows)],
            [("scale", .float(scale))] + (heads.map { [("heads", .int($0))] } ?? []))[0]
    }

    /// The rows of `table` for tokens, and those of `features` where a token is negative: [batch, sequence, width].
    package func tokenEmbeddings(
        _ table: Value, _ tokens: Value, _ features: Value, _ featureRows: Value
    ) throws(DamaError) -> Value {
        guard table.rank == 2, features.rank == 2, tokens.rank == 2, table.shape[1] == features.shape[1],
            featureRows.shape == tokens.shape
        else {
            throw .internal(
                "\(place("tokenEmbeddings")): the table \(table.shape.text), the features \(features.shape.text) and the "
                    + "tokens \(tokens.shape.text) do not fit")
        }
        return fused("TokenEmbeddings", [table, tokens, features, featureRows], tokens.shape + [table.shape[1]])
    }

    /// The attention mask of packed responses: [batch, 1, sequence, sequence], 0 where a query sees a key.
    ///
    /// - Parameters:
    ///   - segments: int64 [batch, sequence]: 0 in the prefix, 1, 2, … in the responses, −1 in the padding.
    ///   - positions: int64 [batch, sequence].
    ///   - window: the positions that a query sees, its own included; `nil` for all.
    ///   - hidden: what hides a key.
    package func packedMask(
        _ segments: Value, _ positions: Value, window: Int?, hidden: Double
    ) throws(DamaError) -> Value {
        guard segments.rank == 2, positions.shape == segments.shape else {
            throw .internal(
                "\(place("packedMask")): segments \(segments.shape.text) and positions \(positions.shape.text)")
        }
        let shape: Shape = [segments.shape[0], 1, segments.shape[1], segments.shape[1]]
        return fused(
            "PackedMask", [segments, positions], outputs: [(.float32, shape)],
            [("window", .int(window ?? 0)), ("scale", .float(Float(hidden)))])[0]
    }

    /// activation(x + bias) + residual.
    ///
    /// - Throws: ``DamaError/Code/model`` if the shapes do not fit; the message gives them.
    func fusedBias(
        _ x: Value, _ bias: Value, _ activation: Activation?, _ residual: Value?
    ) throws(DamaError) -> Value {
        guard bias.shape == Array(x.shape.suffix(1)), residual.map({ $0.shape == x.shape }) ?? true else {
            throw .model(
                "\(place("linear")): the product \(x.shape.text), the bias \(bias.shape.text) and the residual "
                    + "\(residual?.shape.text ?? "none") do not fit")
        }
        return fused(
            "AddBias", [x, bias] + (residual.map { [$0] } ?? []), x.shape,
            [("activation", .int(activation?.rawValue ?? 0))])
    }

    /// What the mask does to its tiles, which is the same in all layers.
    private func maskTiles(_ mask: Value) throws(DamaError) -> Value {
        let known = graph.nodes.first { $0.op == "MaskTiles" && $0.inputs == [mask] }
        if let known { return known.outputs[0] }
        let shape: Shape = [mask.shape[0], mask.shape[2].tiles, mask.shape[3].tiles]
        return try outsideScopes { () throws(DamaError) in
            fused("MaskTiles", [mask], outputs: [(.int64, shape)])[0]
        }
    }

    /// [batch, sequence, heads · size] of [batch, heads, sequence, size]: what was split before, if it was.
    private func withMergedHeads(_ x: Value) throws(DamaError) -> Value {
        let shape: Shape = [x.shape[0], x.shape[2], [x.shape[1], x.shape[3]].product]
        guard case .node(let place) = graph.values[x.id].source, graph.nodes[place].op == "Transpose",
            graph.nodes[place].ints("perm") == [0, 2, 1, 3],
            let split = graph.nodes[place].inputs[0], case .node(let first) = graph.values[split.id].source,
            graph.nodes[first].op == "Reshape", let whole = graph.nodes[first].inputs[0], whole.shape == shape
        else { return try mergeHeads(x) }
        return whole
    }

    /// scale · aᵀ b in float32 whatever the type of a and b, for a weight like `weight`. Another kernel may add it to
    /// an earlier gradient: ``addToGradient(_:ofNode:)``.
    ///
    /// - Parameters:
    ///   - a: [rows, rows of the weight]
    ///   - b: [rows, columns of the weight]
    func fusedWeightGradient(
        _ a: Value, _ b: Value, _ scale: Float, like weight: Value
    ) throws(DamaError) -> Value {
        fused(
            "WeightGradient", [a, b], outputs: [(.float32, weight.shape)],
            [("transA", .int(1)), ("transB", .int(0)), ("scale", .float(scale))])[0]
    }

    /// Adds the gradient of a weight that a node computes to `before`, within the node.
    ///
    /// - Returns: Whether that is possible.
    func addToGradient(_ before: Value, ofNode place: Int) -> Bool {
        guard graph.nodes[place].op.hasPrefix("WeightGradient"), graph.nodes[place].inputs.count == 2 else {
            return false
        }
        appendInput(before, toNode: place)
        return true
    }

    /// Adds `residual` to a gradient that a fused kernel has computed, within that kernel.
    ///
    /// - Returns: Whether that is possible.
    func addResidual(_ residual: Value, to gradient: Value) -> Bool {
        guard case .node(let index) = graph.values[gradient.id].source, graph.nodes[index].op == "RmsNormGrad",
            graph.nodes[index].inputs.count == 4
        else { return false }
        if case .node(let other) = graph.values[residual.id].source, other >= index { return false }
        appendInput(residual, toNode: index)
        return true
    }
}

extension GradientRule {
    /// The rule of a fused operator has the operator's name after its domain.
    static let fused = [
        GradientRule("dama.RotaryHeads") { c throws(DamaError) in
            let x = try c.input(0)
            return [
                try c.g.fusedRotaryHeads(
                    c.gradient(), c.input(1), c.input(2), c.input(3), heads: c.node.int("heads"), inverse: true,
                    shape: x.shape), nil, nil, nil,
            ]
        },
        // As CausalAttention, for all keys at once: p is computed again.
        GradientRule("FusedAttention") { c throws(DamaError) in
            let (g, q, k, v, mask) = (c.g, try c.input(0), try c.input(1), try c.input(2), try c.input(3))
            let (gradient, scale) = (try c.gradient(), c.node.float("scale", default: 1))
            let heads = q.shape[1].fixed ?? 1
            let sums = g.fused(
                "RowDot", [gradient, try c.output(0)], outputs: [(.float32, Array(q.shape.prefix(3)))],
                [("heads", .int(heads))])[0]
            let (queries, flowing) = (try g.sharingKeys(q, k), try g.sharingKeys(g.splitHeads(gradient, heads), k))
            let shares = try g.fusedShares(queries, k, mask, scale)
            let scores = g.fused(
                "SoftmaxGrad", [shares, try g.matmul(flowing, v, transposeB: true), sums], shares.shape)
            return [
                try c.ifNeeded(0) { () throws(DamaError) in
                    try g.reshape(g.matmul(scores, k, scale: scale), q.shape, from: [q])
                },
                try c.ifNeeded(1) { () throws(DamaError) in
                    try g.matmul(scores, queries, transposeA: true, scale: scale)
                },
                try c.ifNeeded(2) { () throws(DamaError) in try g.matmul(shares, flowing, transposeA: true) },
                nil,
            ]
        },
        GradientRule("dama.FlashAttention") { c throws(DamaError) in
            guard c.gradients[1] == nil else {
                throw .unsupported("\(c.node.name): the sums of FlashAttention have no gradient")
            }
            let (g, operands, gradient) = (c.g, [try c.input(0), try c.input(1), try c.input(2)], try c.gradient())
            let masks = c.node.inputs.count > 3 ? [try c.input(3), try c.input(4)] : []
            let normalizers = try c.output(1)
            let dots = g.fused(
                "RowDot", [gradient, try c.output(0)], outputs: [(.float32, normalizers.shape)],
                [("heads", .int(normalizers.shape[1].fixed ?? 1))])[0]
            let gradients = g.fused(
                "FlashAttentionGrad", operands + [gradient, normalizers, dots] + masks,
                outputs: operands.map { ($0.type, $0.shape) }, c.node.attributes)
            return gradients + [Value?](repeating: nil, count: masks.count)
        },
        // u = x + b, y = f(u) + r: ∂x = ∂y f′(u), ∂b = Σ ∂x over rows, ∂r = ∂y.
        GradientRule("dama.AddBias") { c throws(DamaError) in
            let (g, x, bias, gradient) = (c.g, try c.input(0), try c.input(1), try c.gradient())
            var inner = gradient
            if let activation = Activation(rawValue: c.node.int("activation")), c.needs[0] || c.needs[1] {
                inner = try g.multiply(gradient, slope(g, g.add(x, bias), activation))
            }
            let residual = c.node.inputs.count > 2 ? [gradient] : []
            return [inner, try c.ifNeeded(1) { () throws(DamaError) in try c.unbroadcast(inner, to: bias) }] + residual
        },
        GradientRule("dama.SwiGLU") { c throws(DamaError) in
            let (gate, up) = (try c.input(0), try c.input(1))
            let gradients = c.g.fused(
                "SwiGLUGrad", [try c.gradient(), gate, up], outputs: [(gate.type, gate.shape), (up.type, up.shape)])
            return [gradients[0], gradients[1]]
        },
        GradientRule("dama.TokenLogProbabilities") { c throws(DamaError) in
            guard c.gradients[1] == nil else {
                throw .unsupported("\(c.node.name): the normalizers of TokenLogProbabilities have no gradient")
            }
            let logits = try c.input(0)
            return [
                c.g.fused(
                    "TokenLogProbabilitiesGrad", [logits, try c.input(1), try c.output(1), try c.gradient()],
                    logits.shape), nil,
            ]
        },
    ]

    /// The rule of RmsNorm.
    static func fusedRmsNorm(_ c: GradientContext) throws(DamaError) -> [Value?] {
        let (g, x, scale, r) = (c.g, try c.input(0), try c.input(1), try c.output(1))
        let gradient = try c.gradient()
        return [
            try c.ifNeeded(0) { () throws(DamaError) in g.fused("RmsNormGrad", [gradient, x, scale, r], x.shape) },
            try c.ifNeeded(1) { () throws(DamaError) in g.fused("RmsNormScaleGrad", [gradient, x, r], scale.shape) },
        ]
    }
}
