import DamaSupport

// MARK: Forward

extension GraphBuilder {
    public func reduceSum(_ x: Value, axes: [Int], keep: Bool = false) throws(DamaError) -> Value {
        try reduce("ReduceSum", x, axes, keep)
    }

    public func reduceMean(_ x: Value, axes: [Int], keep: Bool = false) throws(DamaError) -> Value {
        try reduce("ReduceMean", x, axes, keep)
    }

    /// log Σ exp(x), without overflow.
    public func reduceLogSumExp(_ x: Value, axes: [Int], keep: Bool = false) throws(DamaError) -> Value {
        try reduce("ReduceLogSumExp", x, axes, keep)
    }

    /// The largest element. It has no gradient rule.
    public func reduceMax(_ x: Value, axes: [Int], keep: Bool = false) throws(DamaError) -> Value {
        try reduce("ReduceMax", x, axes, keep)
    }

    private func reduce(_ op: String, _ x: Value, _ axes: [Int], _ keep: Bool) throws(DamaError) -> Value {
        var reduced: [Int] = []
        for axis in axes { reduced.append(try normalized(axis, x, op)) }
        guard !reduced.isEmpty, Set(reduced).count == reduced.count else {
            throw .internal("\(place(op)): \(axes) must be one or more different axes of \(x.shape.text)")
        }
        reduced.sort()
        let shape = x.shape.indices.compactMap { axis -> Dimension? in
            reduced.contains(axis) ? (keep ? .fixed(1) : nil) : x.shape[axis]
        }
        return emit(op, [x, constant(reduced)], x.type, shape, [("keepdims", .int(keep ? 1 : 0))])
    }
}

// MARK: Gradient

extension GradientRule {
    static let reductions = [
        GradientRule("ReduceSum") { c throws(DamaError) in
            let x = try c.input(0)
            return [try c.g.expand(keepingAxes(c, c.gradient()), x.shape, from: [x]), nil]
        },
        GradientRule("ReduceMean") { c throws(DamaError) in
            let (g, x) = (c.g, try c.input(0))
            var mean = try keepingAxes(c, c.gradient())
            for axis in try axes(c) {
                if let length = x.shape[axis].fixed {
                    mean = try g.divide(mean, Double(max(1, length)))
                } else {
                    guard let length = g.size(of: x.shape[axis], from: [x]) else {
                        throw .internal("\(c.node.name): no value gives the length \"\(x.shape[axis])\"")
                    }
                    mean = try g.divide(mean, g.cast(g.reshape(length, []), to: x.type))
                }
            }
            return [try g.expand(mean, x.shape, from: [x]), nil]
        },
        // ∂x = ∂y softmax(x) = ∂y exp(x − y)
        GradientRule("ReduceLogSumExp") { c throws(DamaError) in
            let g = c.g
            let share = try g.exp(g.subtract(c.input(0), keepingAxes(c, c.output(0))))
            return [try g.multiply(share, keepingAxes(c, c.gradient())), nil]
        },
    ]

    private static func axes(_ c: GradientContext) throws(DamaError) -> [Int] {
        guard let axes = c.g.graph.constant(try c.input(1))?.integers else {
            throw .internal("\(c.node.name): the axes of the reduction are not constant")
        }
        return axes
    }

    /// `value`, which has the shape of the result, with length 1 for the reduced axes.
    private static func keepingAxes(_ c: GradientContext, _ value: Value) throws(DamaError) -> Value {
        if c.node.int("keepdims", default: 1) != 0 { return value }
        let x = try c.input(0)
        let reduced = try axes(c)
        return try c.g.reshape(value, x.shape.indices.map { reduced.contains($0) ? 1 : x.shape[$0] }, from: [x])
    }
}
