import DamaSupport

// MARK: Forward

extension GraphBuilder {
    /// scale · a b over the last two axes; the axes before broadcast. Either matrix can be taken transposed.
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
        let (rows, inner) = transposeA ? (a.shape[a.rank - 1], a.shape[a.rank - 2])
            : (a.shape[a.rank - 2], a.shape[a.rank - 1])
        let (otherInner, columns) = transposeB ? (b.shape[b.rank - 1], b.shape[b.rank - 2])
            : (b.shape[b.rank - 2], b.shape[b.rank - 1])
        guard inner == otherInner else {
            let note = switch (transposeA, transposeB) {
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
        return emit("FusedMatMul", domain: "com.microsoft", [a, b], a.type, shape, [
            ("transA", .int(transposeA ? 1 : 0)), ("transB", .int(transposeB ? 1 : 0)), ("alpha", .float(scale)),
        ])
    }

    /// x Wᵀ + bias, W being [out, in] as in Hugging Face's files.
    public func linear(_ x: Value, _ weight: Value, bias: Value? = nil) throws(DamaError) -> Value {
        let product = try matmul(x, weight, transposeB: true)
        guard let bias else { return product }
        return try add(product, bias)
    }
}
