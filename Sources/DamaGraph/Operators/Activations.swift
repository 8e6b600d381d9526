import DamaSupport

/// An activation behind a linear layer. The numbers are those of `cdama_activation`.
public enum Activation: Int, Sendable {
    /// x σ(1.702 x), the GELU of OpenAI's CLIP.
    case quickGelu = 1
    /// x Φ(x)
    case gelu = 2
    /// The form of x Φ(x) with tanh.
    case tanhGelu = 3
}

// MARK: Forward

extension GraphBuilder {
    public func activated(_ x: Value, _ activation: Activation) throws(DamaError) -> Value {
        switch activation {
        case .quickGelu: try quickGelu(x)
        case .gelu: try gelu(x)
        case .tanhGelu: try gelu(x, approximate: true)
        }
    }

    public func sigmoid(_ x: Value) throws(DamaError) -> Value { try unary("Sigmoid", x) }
    public func tanh(_ x: Value) throws(DamaError) -> Value { try unary("Tanh", x) }
    public func erf(_ x: Value) throws(DamaError) -> Value { try unary("Erf", x) }

    /// x Φ(x); `approximate` selects the form with tanh.
    public func gelu(_ x: Value, approximate: Bool = false) throws(DamaError) -> Value {
        try requireFloat("gelu", x)
        return emit("Gelu", [x], x.type, x.shape, approximate ? [("approximate", .string("tanh"))] : [])
    }

    /// x σ(1.702 x), the GELU of OpenAI's CLIP.
    public func quickGelu(_ x: Value) throws(DamaError) -> Value { try swish(x, slope: 1.702) }

    /// x σ(x), Llama's activation.
    public func silu(_ x: Value) throws(DamaError) -> Value { try swish(x, slope: 1) }

    /// silu(gate) · x, the inner half of Llama's feed-forward layers (SwiGLU; Shazeer, 2020).
    ///
    /// Equal to ``multiply(_:_:)`` of ``silu(_:)``, but training keeps one value of this width less.
    public func swiglu(_ gate: Value, _ x: Value) throws(DamaError) -> Value {
        if graph.kernels.fused, gate.shape == x.shape, gate.type == x.type {
            return fused("SwiGLU", [gate, x], gate.shape)
        }
        return try region("SwiGLU", [gate, x]) { () throws(DamaError) in [try multiply(silu(gate), x)] }[0]
    }

    /// x σ(slope · x) in one kernel.
    private func swish(_ x: Value, slope: Float) throws(DamaError) -> Value {
        try requireFloat("swish", x)
        return emit("QuickGelu", domain: "com.microsoft", [x], x.type, x.shape, [("alpha", .float(slope))])
    }
}

// MARK: Gradient

extension GradientRule {
    static let activations = [
        // σ′ = σ (1 − σ)
        GradientRule("Sigmoid") { c throws(DamaError) in
            let y = try c.output(0)
            return [try c.g.multiply(c.g.multiply(c.gradient(), y), c.g.subtract(1, y))]
        },
        // tanh′ = 1 − tanh²
        GradientRule("Tanh") { c throws(DamaError) in
            let y = try c.output(0)
            return [try c.g.multiply(c.gradient(), c.g.subtract(1, c.g.multiply(y, y)))]
        },
        // erf′ = 2 / √π exp(−x²)
        GradientRule("Erf") { c throws(DamaError) in
            let x = try c.input(0)
            let bell = try c.g.exp(c.g.negate(c.g.multiply(x, x)))
            return [try c.g.multiply(c.gradient(), c.g.multiply(bell, 2 / Double.pi.squareRoot()))]
        },
        GradientRule("Gelu") { c throws(DamaError) in
            let activation: Activation = c.node.string("approximate") == "tanh" ? .tanhGelu : .gelu
            return [try c.g.multiply(c.gradient(), slope(c.g, c.input(0), activation))]
        },
        GradientRule("QuickGelu") { c throws(DamaError) in
            let slope = try swishSlope(c.g, c.input(0), Double(c.node.float("alpha", default: 1.702)))
            return [try c.g.multiply(c.gradient(), slope)]
        },
        // y = s x with s = a σ(a): ∂a = ∂y x (σ + s (1 − σ)), ∂x = ∂y s. s costs one product, so it is not kept.
        GradientRule("SwiGLU") { c throws(DamaError) in
            let (g, a, gradient) = (c.g, try c.input(0), try c.gradient())
            let sigmoid = try g.sigmoid(a)
            let swish = try g.multiply(a, sigmoid)
            return [
                try c.ifNeeded(0) { () throws(DamaError) in
                    let slope = try g.add(sigmoid, g.multiply(swish, g.subtract(1, sigmoid)))
                    return try g.multiply(g.multiply(gradient, c.input(1)), slope)
                },
                try c.ifNeeded(1) { () throws(DamaError) in try g.multiply(gradient, swish) },
            ]
        },
    ]

    /// The derivative of an activation at x.
    static func slope(_ g: GraphBuilder, _ x: Value, _ activation: Activation) throws(DamaError) -> Value {
        switch activation {
        case .quickGelu: try swishSlope(g, x, 1.702)
        case .gelu: try geluSlope(g, x)
        case .tanhGelu: try geluTanhSlope(g, x)
        }
    }

    /// With σ = σ(a x), (x σ)′ = σ + a x σ (1 − σ).
    private static func swishSlope(_ g: GraphBuilder, _ x: Value, _ a: Double) throws(DamaError) -> Value {
        let sigmoid = try g.sigmoid(a == 1 ? x : g.multiply(x, a))
        var rest = try g.multiply(g.multiply(x, sigmoid), g.subtract(1, sigmoid))
        if a != 1 { rest = try g.multiply(rest, a) }
        return try g.add(sigmoid, rest)
    }

    /// (x Φ(x))′ = Φ(x) + x φ(x)
    private static func geluSlope(_ g: GraphBuilder, _ x: Value) throws(DamaError) -> Value {
        let distribution = try g.multiply(g.add(g.erf(g.multiply(x, 0.5.squareRoot())), 1), 0.5)
        let density = try g.multiply(g.exp(g.multiply(g.multiply(x, x), -0.5)), 1 / (2 * Double.pi).squareRoot())
        return try g.add(distribution, g.multiply(x, density))
    }

    /// With u = 2 √(2/π) (x + 0.044715 x³) the form with tanh is x σ(u), and (x σ(u))′ = σ + x σ (1 − σ) u′.
    private static func geluTanhSlope(_ g: GraphBuilder, _ x: Value) throws(DamaError) -> Value {
        let linear = 2 * (2 / Double.pi).squareRoot()
        let cubic = linear * 0.044715
        let square = try g.multiply(x, x)
        let sigmoid = try g.sigmoid(g.multiply(x, g.add(g.multiply(square, cubic), linear)))
        let inner = try g.multiply(x, g.add(g.multiply(square, 3 * cubic), linear))
        return try g.add(sigmoid, g.multiply(g.multiply(sigmoid, g.subtract(1, sigmoid)), inner))
    }
}
