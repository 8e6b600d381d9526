import DamaSupport

// MARK: Forward

extension GraphBuilder {
    /// exp(x) / Σ exp(x) along an axis.
    public func softmax(_ x: Value, axis: Int = -1) throws(DamaError) -> Value {
        try requireFloat("softmax", x)
        let axis = try normalized(axis, x, "softmax")
        return emit("Softmax", [x], x.type, x.shape, [("axis", .int(axis))])
    }

    /// softmax(scores) v over the last axis of the scores: the second half of attention.
    public func softmaxProduct(_ scores: Value, _ v: Value) throws(DamaError) -> Value {
        try region("SoftmaxProduct", [scores, v]) { () throws(DamaError) in
            let shares = try softmax(scores)
            return [try matmul(shares, v), shares]
        }[0]
    }

    public func logSoftmax(_ x: Value, axis: Int = -1) throws(DamaError) -> Value {
        try requireFloat("logSoftmax", x)
        let axis = try normalized(axis, x, "logSoftmax")
        return emit("LogSoftmax", [x], x.type, x.shape, [("axis", .int(axis))])
    }

    /// (x − mean) / √(variance + ε) · scale + bias over the last axis.
    public func layerNorm(_ x: Value, scale: Value, bias: Value, epsilon: Float) throws(DamaError) -> Value {
        try checkNorm("layerNorm", x, [scale, bias])
        let statistics = Array(x.shape.dropLast()) + [.fixed(1)]
        let outputs = [(x.type, x.shape), (x.type, statistics), (x.type, statistics)]
        if hasNormKernel(x) {
            return fused("LayerNorm", [x, scale, bias], outputs: outputs, [("epsilon", .float(epsilon))])[0]
        }
        // Mean and 1/std are for the gradient; outputs that nothing reads are not written.
        return node(
            "LayerNormalization", [x, scale, bias], outputs: outputs,
            attributes: [("axis", .int(-1)), ("epsilon", .float(epsilon))])[0]
    }

    /// x / √(mean x² + ε) · scale over the last axis: Llama's normalisation.
    public func rmsNorm(_ x: Value, scale: Value, epsilon: Float) throws(DamaError) -> Value {
        try checkNorm("rmsNorm", x, [scale])
        let outputs = [(x.type, x.shape), (x.type, Array(x.shape.dropLast()) + [.fixed(1)])]
        if hasNormKernel(x) {
            return fused("RmsNorm", [x, scale], outputs: outputs, [("epsilon", .float(epsilon))])[0]
        }
        // ONNX Runtime defines this operator in ONNX's own domain; ONNX itself does not.
        return node(
            "SimplifiedLayerNormalization", [x, scale], outputs: outputs,
            attributes: [("axis", .int(-1)), ("epsilon", .float(epsilon)), ("stash_type", .int(1))])[0]
    }

    private func hasNormKernel(_ x: Value) -> Bool {
        graph.kernels.fused && x.shape.last?.fixed.map { $0 <= FusedOperators.longestNorm } ?? false
    }

    private func checkNorm(_ op: String, _ x: Value, _ parameters: [Value]) throws(DamaError) {
        try requireFloat(op, x)
        for parameter in parameters {
            guard let last = x.shape.last, parameter.shape == [last], parameter.type == x.type else {
                throw .model(
                    "\(place(op)): \(parameter.type) \(parameter.shape.text) does not fit the last axis of "
                        + "\(x.type) \(x.shape.text)")
            }
        }
    }
}

// MARK: Gradient

extension GradientRule {
    static let normalization = [
        // ∂x = y (∂y − Σ ∂y y)
        GradientRule("Softmax") { c throws(DamaError) in
            let (g, y, axis) = (c.g, try c.output(0), c.node.int("axis", default: -1))
            let product = try g.multiply(c.gradient(), y)
            let share = try g.multiply(y, g.reduceSum(product, axes: [axis], keep: true))
            return [try g.subtract(product, share)]
        },
        // o = p v with p = softmax(s): ∂s = p (∂p − Σ ∂p p) with ∂p = ∂o vᵀ, and Σ ∂p p = Σ ∂o o, a sum over one head's
        // numbers instead of all keys (Dao et al., 2022). Both have the batch axes of the scores.
        GradientRule("SoftmaxProduct") { c throws(DamaError) in
            let (g, v, shares, gradient) = (c.g, try c.input(1), try c.output(1), try c.gradient())
            return [
                try c.ifNeeded(0) { () throws(DamaError) in
                    let sum = try g.reduceSum(g.multiply(gradient, c.output(0)), axes: [-1], keep: true)
                    return try g.multiply(shares, g.subtract(g.matmul(gradient, v, transposeB: true), sum))
                },
                try c.ifNeeded(1) { () throws(DamaError) in
                    try c.unbroadcast(g.matmul(shares, gradient, transposeA: true), to: v)
                },
            ]
        },
        // ∂x = ∂y − exp(y) Σ ∂y
        GradientRule("LogSoftmax") { c throws(DamaError) in
            let (g, axis) = (c.g, c.node.int("axis", default: -1))
            let gradient = try c.gradient()
            let share = try g.multiply(g.exp(c.output(0)), g.reduceSum(gradient, axes: [axis], keep: true))
            return [try g.subtract(gradient, share)]
        },
        GradientRule("LayerNormalization") { c throws(DamaError) in try layerNorm(c) },
        GradientRule("dama.LayerNorm") { c throws(DamaError) in try layerNorm(c) },
        GradientRule("dama.RmsNorm") { c throws(DamaError) in try fusedRmsNorm(c) },
        // With r = 1 / √(mean x² + ε) and h = ∂y scale: ∂x = r h − x r³ mean(h x)
        GradientRule("SimplifiedLayerNormalization") { c throws(DamaError) in
            let (g, x, scale, r) = (c.g, try c.input(0), try c.input(1), try c.output(1))
            let gradient = try c.gradient()
            return [
                try c.ifNeeded(0) { () throws(DamaError) in
                    let h = try g.multiply(gradient, scale)
                    let cube = try g.multiply(g.multiply(r, r), r)
                    let mean = try g.reduceMean(g.multiply(h, x), axes: [-1], keep: true)
                    return try g.subtract(g.multiply(h, r), g.multiply(x, g.multiply(mean, cube)))
                },
                try c.ifNeeded(1) { () throws(DamaError) in
                    try c.unbroadcast(g.multiply(gradient, g.multiply(x, r)), to: scale)
                },
            ]
        },
    ]

    /// With n = (x − mean) / std and h = ∂y scale: ∂x = (h − mean h − n mean(h n)) / std
    private static func layerNorm(_ c: GradientContext) throws(DamaError) -> [Value?] {
        let (g, x, scale) = (c.g, try c.input(0), try c.input(1))
        let gradient = try c.gradient()
        let normal = try g.multiply(g.subtract(x, c.output(1)), c.output(2))
        return [
            try c.ifNeeded(0) { () throws(DamaError) in
                let h = try g.multiply(gradient, scale)
                let along = try g.multiply(normal, g.reduceMean(g.multiply(h, normal), axes: [-1], keep: true))
                let centred = try g.subtract(h, g.reduceMean(h, axes: [-1], keep: true))
                return try g.multiply(g.subtract(centred, along), c.output(2))
            },
            try c.ifNeeded(1) { () throws(DamaError) in
                try c.unbroadcast(g.multiply(gradient, normal), to: scale)
            },
            try c.ifNeeded(2) { () throws(DamaError) in try c.unbroadcast(gradient, to: c.input(2)) },
        ]
    }
}
