import DamaSupport

// MARK: Forward

extension GraphBuilder {
    /// a + b, with broadcasting.
    public func add(_ a: Value, _ b: Value) throws(DamaError) -> Value { try elementwise("Add", a, b) }
    /// a − b, with broadcasting.
    public func subtract(_ a: Value, _ b: Value) throws(DamaError) -> Value { try elementwise("Sub", a, b) }
    /// a · b element by element, with broadcasting.
    public func multiply(_ a: Value, _ b: Value) throws(DamaError) -> Value { try elementwise("Mul", a, b) }
    /// a / b, with broadcasting.
    public func divide(_ a: Value, _ b: Value) throws(DamaError) -> Value { try elementwise("Div", a, b) }

    public func add(_ a: Value, _ b: Double) throws(DamaError) -> Value { try add(a, scalar(b, a.type)) }
    public func subtract(_ a: Double, _ b: Value) throws(DamaError) -> Value { try subtract(scalar(a, b.type), b) }
    public func multiply(_ a: Value, _ b: Double) throws(DamaError) -> Value { try multiply(a, scalar(b, a.type)) }
    public func divide(_ a: Value, _ b: Double) throws(DamaError) -> Value { try divide(a, scalar(b, a.type)) }

    public func negate(_ x: Value) throws(DamaError) -> Value { try unary("Neg", x) }
    public func exp(_ x: Value) throws(DamaError) -> Value { try unary("Exp", x) }
    public func log(_ x: Value) throws(DamaError) -> Value { try unary("Log", x) }
    public func sqrt(_ x: Value) throws(DamaError) -> Value { try unary("Sqrt", x) }

    /// `a` where the condition holds, `b` elsewhere; all three broadcast.
    public func `where`(_ condition: Value, _ a: Value, _ b: Value) throws(DamaError) -> Value {
        guard condition.type == .bool else {
            throw .internal("\(place("where")): the condition is \(condition.type), not bool")
        }
        guard a.type == b.type else {
            throw .internal("\(place("where")): the branches are \(a.type) and \(b.type)")
        }
        let shape = try broadcast("where", [condition.shape, a.shape, b.shape])
        return emit("Where", [condition, a, b], a.type, shape)
    }

    /// x in another type; `x` itself if it already has that type.
    public func cast(_ x: Value, to type: ElementType) -> Value {
        x.type == type ? x : emit("Cast", [x], type, x.shape, [("to", .int(Int(type.rawValue)))])
    }

    /// Whether a = b, a < b, a > b …: `Equal`, `Less`, `LessOrEqual`, `Greater`, `GreaterOrEqual`.
    public func compare(_ op: String, _ a: Value, _ b: Value) throws(DamaError) -> Value {
        guard a.type == b.type else {
            throw .internal("\(place(op)): the operands are \(a.type) and \(b.type)")
        }
        return emit(op, [a, b], .bool, try broadcast(op, [a.shape, b.shape]))
    }

    func unary(_ op: String, _ x: Value) throws(DamaError) -> Value {
        try requireFloat(op, x)
        return emit(op, [x], x.type, x.shape)
    }

    private func elementwise(_ op: String, _ a: Value, _ b: Value) throws(DamaError) -> Value {
        guard a.type == b.type else {
            throw .internal("\(place(op)): the operands are \(a.type) and \(b.type)")
        }
        return emit(op, [a, b], a.type, try broadcast(op, [a.shape, b.shape]))
    }

    func requireFloat(_ op: String, _ x: Value) throws(DamaError) {
        guard x.type.isFloatingPoint else {
            throw .internal("\(place(op)): the operand is \(x.type), not a floating-point type")
        }
    }

    /// The shape that all of `shapes` broadcast to. A symbol broadcasts only to itself: if its length could be 1 in a
    /// run, it would be unknown which gradients must be summed.
    func broadcast(_ op: String, _ shapes: [Shape]) throws(DamaError) -> Shape {
        var result: Shape = []
        for shape in shapes {
            if shape.count > result.count {
                result.insert(contentsOf: repeatElement(.fixed(1), count: shape.count - result.count), at: 0)
            }
            let offset = result.count - shape.count
            for (axis, dimension) in shape.enumerated() where dimension != .fixed(1) {
                let known = result[offset + axis]
                guard known == .fixed(1) || known == dimension else {
                    throw .model("\(place(op)): the shapes \(shapes.map(\.text).joined(separator: " and ")) do not fit")
                }
                result[offset + axis] = dimension
            }
        }
        return result
    }
}

// MARK: Gradient

extension GradientRule {
    static let elementwise = [
        GradientRule("Add") { c throws(DamaError) in
            let gradient = try c.gradient()
            return [
                try c.ifNeeded(0) { () throws(DamaError) in try c.unbroadcast(gradient, to: c.input(0)) },
                try c.ifNeeded(1) { () throws(DamaError) in try c.unbroadcast(gradient, to: c.input(1)) },
            ]
        },
        GradientRule("Sub") { c throws(DamaError) in
            let gradient = try c.gradient()
            return [
                try c.ifNeeded(0) { () throws(DamaError) in try c.unbroadcast(gradient, to: c.input(0)) },
                try c.ifNeeded(1) { () throws(DamaError) in
                    try c.g.negate(c.unbroadcast(gradient, to: c.input(1)))
                },
            ]
        },
        GradientRule("Mul") { c throws(DamaError) in
            let (a, b, gradient) = (try c.input(0), try c.input(1), try c.gradient())
            return [
                try c.ifNeeded(0) { () throws(DamaError) in try c.unbroadcast(c.g.multiply(gradient, b), to: a) },
                try c.ifNeeded(1) { () throws(DamaError) in try c.unbroadcast(c.g.multiply(gradient, a), to: b) },
            ]
        },
        // y = a / b: ∂y/∂a = 1 / b, ∂y/∂b = −y / b
        GradientRule("Div") { c throws(DamaError) in
            let (a, b) = (try c.input(0), try c.input(1))
            let quotient = try c.g.divide(c.gradient(), b)
            return [
                try c.ifNeeded(0) { () throws(DamaError) in try c.unbroadcast(quotient, to: a) },
                try c.ifNeeded(1) { () throws(DamaError) in
                    try c.g.negate(c.unbroadcast(c.g.multiply(quotient, c.output(0)), to: b))
                },
            ]
        },
        GradientRule("Neg") { c throws(DamaError) in [try c.g.negate(c.gradient())] },
        GradientRule("Exp") { c throws(DamaError) in [try c.g.multiply(c.gradient(), c.output(0))] },
        GradientRule("Log") { c throws(DamaError) in [try c.g.divide(c.gradient(), c.input(0))] },
        GradientRule("Sqrt") { c throws(DamaError) in
            [try c.g.divide(c.g.multiply(c.gradient(), 0.5), c.output(0))]
        },
        GradientRule("Identity") { c throws(DamaError) in [try c.gradient()] },
        GradientRule("Cast") { c throws(DamaError) in [try c.g.cast(c.gradient(), to: c.input(0).type)] },
        GradientRule("Where") { c throws(DamaError) in
            let (condition, gradient) = (try c.input(0), try c.gradient())
            let zero = try c.g.scalar(0, gradient.type)
            return [
                nil,
                try c.ifNeeded(1) { () throws(DamaError) in
                    try c.unbroadcast(c.g.where(condition, gradient, zero), to: c.input(1))
                },
                try c.ifNeeded(2) { () throws(DamaError) in
                    try c.unbroadcast(c.g.where(condition, zero, gradient), to: c.input(2))
                },
            ]
        },
    ]
}
