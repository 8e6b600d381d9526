import DamaSupport

// MARK: Forward

extension GraphBuilder {
    /// scale · a b over the last two axes; the leading axes broadcast. Either matrix can be transposed.
    public func matmul(
        _ a: Value, _ b: Value, transposeA: Bool = false, transposeB: Bool = false, scale: Float = 1
    ) throws(DamaError) -> Value {
        try requireFloat("matmul", a)
        guard a.type == b.type else {
            throw .internal("\(place("matmul")): the operands are \(a.type) and \(b.type)")
        }
        guard a.rank >= 2, b.rank >= 2 else {
            throw .internal("\(place("matmul")): \(a.shape.text) and \(b.shape.text) are not both matrices")
        }
        let (rows, inner) =
            transposeA
            ? (a.shape[a.rank - 1], a.shape[a.rank - 2])
            : (a.shape[a.rank - 2], a.shape[a.rank - 1])
        let (otherInner, columns) =
            transposeB
            ? (b.shape[b.rank - 1], b.shape[b.rank - 2])
            : (b.shape[b.rank - 2], b.shape[b.rank - 1])
        guard inner == otherInner else {
            let note =
                switch (transposeA, transposeB) {
                case (false, false): ""
                case (true, false): " (the first transposed)"
                case (false, true): " (the second transposed)"
                case (true, true): " (both transposed)"
                }
            throw .model("\(place("matmul")): \(a.shape.text) and \(b.shape.text)\(note) cannot be multiplied")
        }
        let batch = try broadcast("matmul", [Array(a.shape.dropLast(2)), Array(b.shape.dropLast(2))])
        let shape = batch + [rows, columns]
        guard transposeA || transposeB || scale != 1 else { return emit("MatMul", [a, b], a.type, shape) }
        return emit(
            "FusedMatMul", domain: "com.microsoft", [a, b], a.type, shape,
            [
                ("transA", .int(transposeA ? 1 : 0)), ("transB", .int(transposeB ? 1 : 0)), ("alpha", .float(scale)),
            ])
    }

    /// activation(x Wᵀ + bias) + residual, with W [out, in] as in Hugging Face's files.
    ///
    /// - Parameter residual: of the shape of the product.
    public func linear(
        _ x: Value, _ weight: Value, bias: Value? = nil, activation: Activation? = nil, residual: Value? = nil
    ) throws(DamaError) -> Value {
        var y = try matmul(x, weight, transposeB: true)
        if graph.kernels.fused, let bias, activation != nil || residual != nil {
            return try fusedBias(y, bias, activation, residual)
        }
        if let bias { y = try add(y, bias) }
        if let activation { y = try activated(y, activation) }
        return if let residual { try add(residual, y) } else { y }
    }
}

// MARK: Gradient

extension GradientRule {
    static let matrixProduct = [
        GradientRule("MatMul") { c throws(DamaError) in try matrixGradients(c) },
        GradientRule("FusedMatMul") { c throws(DamaError) in try matrixGradients(c) },
    ]

    /// Y = s A B: ∂A = s ∂Y Bᵀ and ∂B = s Aᵀ ∂Y; with A or B transposed, the factors change places.
    private static func matrixGradients(_ c: GradientContext) throws(DamaError) -> [Value?] {
        let (g, gradient) = (c.g, try c.gradient())
        let (a, b) = (try c.input(0), try c.input(1))
        let (transposedA, transposedB) = (c.node.int("transA") != 0, c.node.int("transB") != 0)
        let scale = c.node.float("alpha", default: 1)
        return [
            try c.ifNeeded(0) { () throws(DamaError) in
                let product =
                    transposedA
                    ? try g.matmul(b, gradient, transposeA: transposedB, transposeB: true, scale: scale)
                    : try g.matmul(gradient, b, transposeB: !transposedB, scale: scale)
                return try c.unbroadcast(product, to: a)
            },
            try c.ifNeeded(1) { () throws(DamaError) in
                var (left, right) = (a, gradient)
                if b.rank == 2, a.rank > 2, !transposedA {
                    // One product over all rows instead of one for each batch and a sum.
                    left = try g.flattenRows(a)
                    right = try g.flattenRows(gradient)
                }
                if g.graph.kernels.fused, left.rank == 2, right.rank == 2, !transposedA {
                    return transposedB
                        ? try g.fusedWeightGradient(right, left, scale, like: b)
                        : try g.fusedWeightGradient(left, right, scale, like: b)
                }
                let product =
                    switch (transposedA, transposedB) {
                    case (false, false): try g.transposedProduct(left, right, scale: scale)
                    case (false, true): try g.transposedProduct(right, left, scale: scale)
                    case (true, false): try g.matmul(left, right, scale: scale)
                    case (true, true): try g.matmul(right, left, transposeA: true, transposeB: true, scale: scale)
                    }
                return try c.unbroadcast(product, to: b)
            },
        ]
    }
}

extension GraphBuilder {
    /// scale · aᵀ b, the sum over rows in the gradient of a weight.
    ///
    /// The kernels transpose a first matrix of many rows piece by piece, and again for each piece of the second. So the
    /// narrower of the two is transposed once, in advance: aᵀ b = (bᵀ a)ᵀ. Sessions must disable ONNX Runtime's
    /// MatmulTransposeFusion, which would undo it.
    fileprivate func transposedProduct(_ a: Value, _ b: Value, scale: Float) throws(DamaError) -> Value {
        let (width, otherWidth) = (a.shape[a.rank - 1].fixed ?? .max, b.shape[b.rank - 1].fixed ?? .max)
        guard min(width, otherWidth) < .max else { return try matmul(a, b, transposeA: true, scale: scale) }
        return width <= otherWidth
            ? try matmul(transposed(a), b, scale: scale)
            : try transposed(matmul(transposed(b), a, scale: scale))
    }

    /// The last two axes exchanged.
    private func transposed(_ x: Value) throws(DamaError) -> Value {
        try transpose(x, Array(0..<x.rank - 2) + [x.rank - 1, x.rank - 2])
    }

    /// All axes but the last merged into one.
    fileprivate func flattenRows(_ x: Value) throws(DamaError) -> Value {
        try reshape(x, [Array(x.shape.dropLast()).product, x.shape[x.rank - 1]])
    }
}
