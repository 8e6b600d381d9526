import DamaSupport

// Operators that move elements and compute nothing.

// MARK: Forward

extension GraphBuilder {
    /// The same elements in another shape. A symbol can stand for a length that follows from the others, for one that
    /// an input of the graph has, and for a product: `["batch", "sequence", 64]` as `["rows", 64]` and back.
    public func reshape(_ x: Value, _ shape: Shape) throws(DamaError) -> Value { try reshape(x, shape, from: []) }

    /// - Parameter sources: Further values that can provide a length.
    func reshape(_ x: Value, _ shape: Shape, from sources: [Value]) throws(DamaError) -> Value {
        if x.shape == shape { return x }
        try checkElements(x.shape, shape)
        var lengths: [Int] = []
        var open: [Int] = []
        for (axis, dimension) in shape.enumerated() {
            switch dimension {
            case .fixed(let length): lengths.append(length)
            // 0 copies the length of the same axis of x.
            case .symbol where axis < x.rank && x.shape[axis] == dimension: lengths.append(0)
            case .symbol:
                open.append(axis)
                lengths.append(-1)
            }
        }
        guard open.count > 1 else {
            return emit("Reshape", [x, constant(lengths)], x.type, shape)
        }
        // At most one length can be left open; the others are looked up.
        var pieces = lengths.map { constant([$0]) }
        var unknown: [Int] = []
        for axis in open {
            if let size = size(of: shape[axis], from: [x] + sources) {
                pieces[axis] = size
            } else {
                unknown.append(axis)
            }
        }
        guard unknown.count <= 1 else {
            let names = unknown.map { "\"\(shape[$0])\"" }.joined(separator: " and ")
            throw .internal("\(place("reshape")): no value gives the lengths \(names) of \(shape.text)")
        }
        return emit("Reshape", [x, try concat(pieces, axis: 0)], x.type, shape)
    }

    /// Rejects shapes whose numbers of elements are known to differ.
    private func checkElements(_ from: Shape, _ to: Shape) throws(DamaError) {
        func parts(_ shape: Shape) -> (fixed: Int, symbols: [String]) {
            let fixed = shape.compactMap(\.fixed).reduce(1) { $0.multipliedReportingOverflow(by: $1).partialValue }
            return (fixed, shape.filter { $0.fixed == nil }.map(\.description).sorted())
        }
        let (before, after) = (parts(from), parts(to))
        // If the two sides have different symbols, the shapes may still fit in a run.
        guard before.symbols != after.symbols || before.fixed == after.fixed else {
            throw .model("\(place("reshape")): \(from.text) and \(to.text) differ in the number of elements")
        }
    }

    /// x with its axes in another order: axis i of the result is axis `order[i]` of x.
    public func transpose(_ x: Value, _ order: [Int]) throws(DamaError) -> Value {
        guard order.sorted() == Array(0..<x.rank) else {
            throw .internal("\(place("transpose")): \(order) is not an order of the axes of \(x.shape.text)")
        }
        if order == Array(0..<x.rank) { return x }
        return emit("Transpose", [x], x.type, order.map { x.shape[$0] }, [("perm", .ints(order))])
    }

    /// The values concatenated along an axis; a negative axis counts from the end.
    public func concat(_ values: [Value], axis: Int) throws(DamaError) -> Value {
        guard let first = values.first else { throw .internal("\(place("concat")): no values to concatenate") }
        if values.count == 1 { return first }
        let axis = try normalized(axis, first, "concat")
        var shape = first.shape
        for value in values.dropFirst() {
            guard value.type == first.type, value.rank == first.rank else {
                throw .internal(
                    "\(place("concat")): \(first.type) \(first.shape.text) and \(value.type) "
                        + "\(value.shape.text) cannot be concatenated")
            }
            for other in shape.indices where other != axis && shape[other] != value.shape[other] {
                throw .model("\(place("concat")): \(first.shape.text) and \(value.shape.text) differ in axis \(other)")
            }
            shape[axis] = shape[axis] + value.shape[axis]
        }
        return emit("Concat", values, first.type, shape, [("axis", .int(axis))])
    }

    /// The part `start ..< end` of an axis. A negative bound counts from the end; without `end` the part goes to the
    /// end.
    public func slice(_ x: Value, axis: Int, from start: Int = 0, to end: Int? = nil) throws(DamaError) -> Value {
        let axis = try normalized(axis, x, "slice")
        if start == 0, end == nil { return x }
        var shape = x.shape
        if let length = x.shape[axis].fixed {
            let first = start < 0 ? start + length : start
            let last = end.map { $0 < 0 ? $0 + length : $0 } ?? length
            guard 0 <= first, first <= last, last <= length else {
                throw .model(
                    "\(place("slice")): \(start) ..< \(end.map(String.init) ?? "end") is not within axis "
                        + "\(axis) of \(x.shape.text)")
            }
            shape[axis] = .fixed(last - first)
        } else {
            switch (start >= 0, end) {
            case (true, nil): shape[axis] = shape[axis] - start
            case (true, let end?) where end < 0: shape[axis] = shape[axis] - (start - end)
            case (true, let end?): shape[axis] = .fixed(max(0, end - start))
            case (false, nil): shape[axis] = .fixed(-start)
            case (false, let end?) where end < 0: shape[axis] = .fixed(max(0, end - start))
            default:
                throw .unsupported(
                    "\(place("slice")): a start from the end with an end from the start, of "
                        + x.shape.text)
            }
        }
        return emit(
            "Slice",
            [
                x, constant([start]), constant([end ?? Int(Int64.max)]), constant([axis]),
            ], x.type, shape)
    }

    /// x cut along an axis into parts of these lengths.
    public func split(_ x: Value, axis: Int, _ lengths: [Int]) throws(DamaError) -> [Value] {
        let axis = try normalized(axis, x, "split")
        guard x.shape[axis] == .fixed(lengths.reduce(0, +)), lengths.allSatisfy({ $0 >= 0 }) else {
            throw .model("\(place("split")): axis \(axis) of \(x.shape.text) has no parts of \(lengths)")
        }
        return split(x, axis, lengths.map(Dimension.fixed), constant(lengths))
    }

    func split(_ x: Value, _ axis: Int, _ parts: [Dimension], _ lengths: Value) -> [Value] {
        let outputs = parts.map { part in
            var shape = x.shape
            shape[axis] = part
            return (type: x.type, shape: shape)
        }
        return node("Split", [x, lengths], outputs: outputs, attributes: [("axis", .int(axis))])
    }

    /// x repeated along axes of length 1, and along new leading axes.
    public func expand(_ x: Value, _ shape: Shape) throws(DamaError) -> Value { try expand(x, shape, from: []) }

    /// - Parameter sources: Further values that can provide a length.
    func expand(_ x: Value, _ shape: Shape, from sources: [Value]) throws(DamaError) -> Value {
        if x.shape == shape { return x }
        guard try broadcast("expand", [x.shape, shape]) == shape else {
            throw .model("\(place("expand")): \(x.shape.text) does not expand to \(shape.text)")
        }
        return emit("Expand", [x, try lengths(of: shape, from: [x] + sources)], x.type, shape)
    }

    /// A shape as an int64 tensor.
    func lengths(of shape: Shape, from sources: [Value]) throws(DamaError) -> Value {
        if let fixed = shape.fixed { return constant(fixed) }
        var pieces: [Value] = []
        for dimension in shape {
            guard let piece = size(of: dimension, from: sources) else {
                throw .internal("\(place("shape")): no value gives the length \"\(dimension)\" of \(shape.text)")
            }
            pieces.append(piece)
        }
        return try concat(pieces, axis: 0)
    }

    /// The axis counted from the front; a negative one counts from the end.
    func normalized(_ axis: Int, _ x: Value, _ op: String) throws(DamaError) -> Int {
        let positive = axis < 0 ? axis + x.rank : axis
        guard x.shape.indices.contains(positive) else {
            throw .internal("\(place(op)): \(x.shape.text) has no axis \(axis)")
        }
        return positive
    }
}

// MARK: Gradient

extension GradientRule {
    static let layout = [
        GradientRule("Reshape") { c throws(DamaError) in
            let x = try c.input(0)
            return [try c.g.reshape(c.gradient(), x.shape, from: [x]), nil]
        },
        GradientRule("Transpose") { c throws(DamaError) in
            let order = c.node.ints("perm")
            var inverse = order
            for (axis, source) in order.enumerated() { inverse[source] = axis }
            return [try c.g.transpose(c.gradient(), inverse)]
        },
        GradientRule("Expand") { c throws(DamaError) in [try c.unbroadcast(c.gradient(), to: c.input(0)), nil] },
        GradientRule("Concat") { c throws(DamaError) in
            let axis = c.node.int("axis")
            let parts = c.node.inputs.compactMap(\.self)
            var lengths: [Value] = []
            for part in parts {
                guard let length = c.g.size(of: part.shape[axis], from: [part]) else {
                    throw .internal("\(c.node.name): no value gives the length \"\(part.shape[axis])\"")
                }
                lengths.append(length)
            }
            let fixed = parts.map { $0.shape[axis] }.fixed
            let split: Value
            if let fixed { split = c.g.constant(fixed) } else { split = try c.g.concat(lengths, axis: 0) }
            let pieces = c.g.split(try c.gradient(), axis, parts.map { $0.shape[axis] }, split)
            return zip(pieces, c.needs).map { $1 ? $0 : nil }
        },
        GradientRule("Split") { c throws(DamaError) in
            var pieces: [Value] = []
            for (gradient, output) in zip(c.gradients, c.node.outputs) {
                if let gradient { pieces.append(gradient) } else { pieces.append(try c.zeros(like: output)) }
            }
            return [try c.g.concat(pieces, axis: c.node.int("axis")), nil]
        },
        GradientRule("Slice") { c throws(DamaError) in try padded(c) },
    ]

    /// The gradient of a slice: itself, and zeros before and after.
    private static func padded(_ c: GradientContext) throws(DamaError) -> [Value?] {
        let (g, x) = (c.g, try c.input(0))
        guard let start = g.graph.constant(try c.input(1))?.integers?.first,
            let end = g.graph.constant(try c.input(2))?.integers?.first,
            let axis = g.graph.constant(try c.input(3))?.integers?.first
        else { throw .internal("\(c.node.name): the bounds of the slice are not constant") }
        /// The number of elements beyond a bound that counts from the other end.
        func rest(_ count: Int) throws(DamaError) -> Value {
            if let length = x.shape[axis].fixed { return g.constant([length - count]) }
            guard let length = g.size(of: x.shape[axis], from: [x]) else {
                throw .internal("\(c.node.name): no value gives the length \"\(x.shape[axis])\"")
            }
            return g.emit("Sub", [length, g.constant([count])], .int64, [1])
        }
        let before = start >= 0 ? g.constant([start]) : try rest(-start)
        let after = end < 0 ? g.constant([-end]) : end == Int(Int64.max) ? g.constant([0]) : try rest(end)
        let pads: Value
        if let before = g.graph.constant(before)?.integers, let after = g.graph.constant(after)?.integers {
            pads = g.constant(before + after)
        } else {
            pads = try g.concat([before, after], axis: 0)
        }
        let gradient = g.emit(
            "Pad", [try c.gradient(), pads, nil, g.constant([axis])], x.type, x.shape, [("mode", .string("constant"))])
        return [gradient, nil, nil, nil]
    }
}
