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
            throw .internal("\(place(op)): \(axes) are no axes of \(x.shape.text) to reduce")
        }
        reduced.sort()
        let shape = x.shape.indices.compactMap { axis -> Dimension? in
            reduced.contains(axis) ? (keep ? .fixed(1) : nil) : x.shape[axis]
        }
        return emit(op, [x, constant(reduced)], x.type, shape, [("keepdims", .int(keep ? 1 : 0))])
    }
}
