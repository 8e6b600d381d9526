import DamaSupport

// MARK: Forward

extension GraphBuilder {
    public func sigmoid(_ x: Value) throws(DamaError) -> Value { try unary("Sigmoid", x) }
    public func tanh(_ x: Value) throws(DamaError) -> Value { try unary("Tanh", x) }
    public func erf(_ x: Value) throws(DamaError) -> Value { try unary("Erf", x) }

    /// x Φ(x); `approximate` takes the form with tanh.
    public func gelu(_ x: Value, approximate: Bool = false) throws(DamaError) -> Value {
        try requireFloat("gelu", x)
        return emit("Gelu", [x], x.type, x.shape, approximate ? [("approximate", .string("tanh"))] : [])
    }

    /// x σ(1.702 x), the GELU of OpenAI's CLIP.
    public func quickGelu(_ x: Value) throws(DamaError) -> Value { try swish(x, slope: 1.702) }

    /// x σ(x), Llama's activation.
    public func silu(_ x: Value) throws(DamaError) -> Value { try swish(x, slope: 1) }

    /// x σ(slope · x) in one kernel.
    private func swish(_ x: Value, slope: Float) throws(DamaError) -> Value {
        try requireFloat("swish", x)
        return emit("QuickGelu", domain: "com.microsoft", [x], x.type, x.shape, [("alpha", .float(slope))])
    }
}
