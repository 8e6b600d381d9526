import DamaSupport

// MARK: Forward

extension GraphBuilder {
    /// Rotary position embedding (Su et al., 2021) in Llama's form: the two halves of each head are the pairs.
    ///
    /// With p the position of a token: [a, b] → [a cos p − b sin p, b cos p + a sin p].
    ///
    /// - Parameters:
    ///   - x: [batch, sequence, heads · size].
    ///   - positions: int64 [batch, sequence], each below the rows of `cosine`.
    ///   - cosine: [positions, size / 2]; `sine` has the same shape. Inputs or constants, with any scaling of the
    ///     frequencies.
    public func rotary(
        _ x: Value, positions: Value, cosine: Value, sine: Value, heads: Int
    ) throws(DamaError) -> Value {
        _ = try rotarySize(x, positions, cosine, sine, heads)
        return emit(
            "RotaryEmbedding", domain: "com.microsoft", [x, positions, cosine, sine], x.type, x.shape,
            [("num_heads", .int(heads))])
    }

    /// ``splitHeads(_:_:)`` of ``rotary(_:positions:cosine:sine:heads:)``: [batch, heads, sequence, size].
    public func rotaryHeads(
        _ x: Value, positions: Value, cosine: Value, sine: Value, heads: Int
    ) throws(DamaError) -> Value {
        guard graph.kernels.fused else {
            return try splitHeads(rotary(x, positions: positions, cosine: cosine, sine: sine, heads: heads), heads)
        }
        let size = try rotarySize(x, positions, cosine, sine, heads)
        return fusedRotaryHeads(
            x, positions, cosine, sine, heads: heads, inverse: false,
            shape: [x.shape[0], .fixed(heads), x.shape[1], .fixed(size)])
    }

    /// The size of a head, if the operands fit.
    private func rotarySize(
        _ x: Value, _ positions: Value, _ cosine: Value, _ sine: Value, _ heads: Int
    ) throws(DamaError) -> Int {
        try requireFloat("rotary", x)
        guard x.rank == 3, heads > 0, let width = x.shape[2].fixed, width % heads == 0, width / heads % 2 == 0
        else {
            throw .model("\(place("rotary")): \(x.shape.text) is not [batch, sequence, \(heads) heads of an even size]")
        }
        guard positions.type == .int64, positions.shape == Array(x.shape.prefix(2)) else {
            throw .internal(
                "\(place("rotary")): the positions are \(positions.type) \(positions.shape.text), expected "
                    + "int64 \(Array(x.shape.prefix(2)).text)")
        }
        let half = Dimension.fixed(width / heads / 2)
        guard cosine.shape == sine.shape, cosine.rank == 2, cosine.shape[1] == half, cosine.type == x.type,
            sine.type == x.type
        else {
            throw .model(
                "\(place("rotary")): cosine \(cosine.shape.text) and sine \(sine.shape.text) are not both "
                    + "[positions, \(half)] of \(x.type)")
        }
        return width / heads
    }
}

// MARK: Gradient

extension GradientRule {
    static let rotary = [
        // The transpose of a rotation by p is the rotation by −p.
        GradientRule("RotaryEmbedding") { c throws(DamaError) in
            let gradient = try c.g.rotary(
                c.gradient(), positions: c.input(1), cosine: c.input(2), sine: c.g.negate(c.input(3)),
                heads: c.node.int("num_heads"))
            return [gradient, nil, nil, nil]
        }
    ]
}
