import DamaSupport

// MARK: Forward

extension GraphBuilder {
    /// exp(x) / Σ exp(x) along an axis.
    public func softmax(_ x: Value, axis: Int = -1) throws(DamaError) -> Value {
        try requireFloat("softmax", x)
        let axis = try normalized(axis, x, "softmax")
        return emit("Softmax", [x], x.type, x.shape, [("axis", .int(axis))])
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
        // Mean and 1/std are for the gradient; outputs that nobody reads are not written.
        return node(
            "LayerNormalization", [x, scale, bias],
            outputs: [(x.type, x.shape), (x.type, statistics), (x.type, statistics)],
            attributes: [("axis", .int(-1)), ("epsilon", .float(epsilon))])[0]
    }

    /// x / √(mean x² + ε) · scale over the last axis: Llama's normalisation.
    public func rmsNorm(_ x: Value, scale: Value, epsilon: Float) throws(DamaError) -> Value {
        try checkNorm("rmsNorm", x, [scale])
        // ONNX Runtime has this operator in ONNX's own domain, though ONNX has not.
        return node(
            "SimplifiedLayerNormalization", [x, scale],
            outputs: [(x.type, x.shape), (x.type, Array(x.shape.dropLast()) + [.fixed(1)])],
            attributes: [("axis", .int(-1)), ("epsilon", .float(epsilon)), ("stash_type", .int(1))])[0]
    }

    private func checkNorm(_ op: String, _ x: Value, _ parameters: [Value]) throws(DamaError) {
        try requireFloat(op, x)
        for parameter in parameters {
            guard let last = x.shape.last, parameter.shape == [last], parameter.type == x.type else {
                throw .model("\(place(op)): \(parameter.type) \(parameter.shape.text) does not fit the last axis of "
                    + "\(x.type) \(x.shape.text)")
            }
        }
    }
}
