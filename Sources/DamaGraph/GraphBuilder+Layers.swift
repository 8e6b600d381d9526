import DamaSupport

// Layers composed of operators. Their gradients follow from those of the operators.

extension GraphBuilder {
    /// Splits the last axis into heads: [batch, sequence, heads · size] → [batch, heads, sequence, size].
    public func splitHeads(_ x: Value, _ heads: Int) throws(DamaError) -> Value {
        guard x.rank == 3, heads > 0, let width = x.shape[2].fixed, width % heads == 0 else {
            throw .model("\(place("splitHeads")): \(x.shape.text) does not split into \(heads) heads")
        }
        return try transpose(
            reshape(x, [x.shape[0], x.shape[1], .fixed(heads), .fixed(width / heads)]), [0, 2, 1, 3])
    }

    /// The inverse of ``splitHeads(_:_:)``: [batch, heads, sequence, size] → [batch, sequence, heads · size].
    public func mergeHeads(_ x: Value) throws(DamaError) -> Value {
        guard x.rank == 4, let heads = x.shape[1].fixed, let size = x.shape[3].fixed else {
            throw .internal("\(place("mergeHeads")): \(x.shape.text) is not [batch, heads, sequence, size]")
        }
        return try reshape(
            transpose(x, [0, 2, 1, 3]), [x.shape[0], x.shape[2], [.fixed(heads), .fixed(size)].product])
    }

    /// softmax(scale · q kᵀ + mask) v. For a causal sequence ``causalAttention(_:_:_:mask:scale:blocks:minimum:)`` does
    /// half the work.
    ///
    /// - Parameters:
    ///   - q: [batch, heads, queries, size].
    ///   - k: [batch, heads, keys, size]; `v` has the same shape.
    ///   - mask: Added to the scores: 0 or −∞ (a large negative number), broadcast to [batch, 1, queries, keys].
    ///   - scale: `nil` for 1/√size.
    /// - Returns: [batch, heads, queries, size].
    public func attention(
        _ q: Value, _ k: Value, _ v: Value, mask: Value?, scale: Float? = nil
    ) throws(DamaError) -> Value {
        guard q.rank == 4, k.rank == 4, v.rank == 4, k.shape[1] == q.shape[1], let size = q.shape[3].fixed, size > 0
        else {
            throw .model(
                "\(place("attention")): the heads of queries \(q.shape.text) and of keys \(k.shape.text) do "
                    + "not fit")
        }
        var scores = try matmul(q, k, transposeB: true, scale: scale ?? 1 / Float(size).squareRoot())
        if let mask { scores = try add(scores, mask) }
        return try softmaxProduct(scores, v)
    }

    /// ``attention(_:_:_:mask:scale:)`` of rows in which the heads lie side by side, scaled by 1/√size. With fused
    /// kernels it is one kernel where there is one.
    ///
    /// - Parameters:
    ///   - q: [batch, queries, heads · size].
    ///   - k: [batch, keys, heads · size]; `v` has the same shape.
    ///   - mask: [batch or 1, 1, queries, keys].
    /// - Returns: [batch, queries, heads · size].
    public func attention(
        _ q: Value, _ k: Value, _ v: Value, heads: Int, mask: Value?
    ) throws(DamaError) -> Value {
        let size = (q.shape.last?.fixed ?? 0) / max(1, heads)
        let isFull = mask.map { $0.rank == 4 && $0.shape[1...] == [1, q.shape[1], q.shape[1]] } ?? true
        if graph.kernels.flash, q.rank == 3, k.shape == q.shape, v.shape == q.shape, isFull,
            FusedOperators.attentionSizes.contains(size), q.shape[2].fixed == heads * size
        {
            return try flashAttention(q, k, v, mask, 1 / Float(size).squareRoot(), mergedHeads: heads)
        }
        return try mergeHeads(
            attention(splitHeads(q, heads), splitHeads(k, heads), splitHeads(v, heads), mask: mask))
    }

    /// Convolution with a kernel as large as its stride, as a matrix product: the patches of a vision transformer.
    ///
    /// - Parameters:
    ///   - pixels: [batch, channels, height, width].
    ///   - weight: [out, channels, patch, patch].
    /// - Returns: [batch, patches, out], patches row by row.
    public func patchEmbedding(_ pixels: Value, _ weight: Value, bias: Value? = nil) throws(DamaError) -> Value {
        guard pixels.rank == 4, let channels = pixels.shape[1].fixed, let height = pixels.shape[2].fixed,
            let width = pixels.shape[3].fixed, let kernel = weight.shape.fixed, kernel.count == 4,
            kernel[2] == kernel[3], kernel[1] == channels, kernel[2] > 0, height % kernel[2] == 0,
            width % kernel[2] == 0
        else {
            throw .model(
                "\(place("patchEmbedding")): pixels \(pixels.shape.text) do not divide into patches of "
                    + weight.shape.text)
        }
        let (out, patch) = (kernel[0], kernel[2])
        let (rows, columns) = (Dimension.fixed(height / patch), Dimension.fixed(width / patch))
        let cut = try reshape(
            pixels,
            [pixels.shape[0], .fixed(channels), rows, .fixed(patch), columns, .fixed(patch)])
        let elements = Array(weight.shape.dropFirst()).product
        let patches = try reshape(
            transpose(cut, [0, 2, 4, 1, 3, 5]), [pixels.shape[0], [rows, columns].product, elements])
        return try linear(patches, reshape(weight, [.fixed(out), elements]), bias: bias)
    }

    /// The mask that hides later keys from each query when it is added to the scores: 0, and −∞ (−10⁹) above the
    /// diagonal.
    ///
    /// - Parameter axis: The sequence axis of `x`.
    /// - Returns: [sequence, sequence].
    public func causalMask(_ x: Value, axis: Int) throws(DamaError) -> Value {
        let axis = try normalized(axis, x, "causalMask")
        let length = try reshape(size(of: x, axis: axis), [])
        let zero = try scalar(0, .int64)
        let one = try scalar(1, .int64)
        let dimension = x.shape[axis]
        let positions = emit("Range", [zero, length, one], .int64, [dimension])
        let later = try compare("Greater", reshape(positions, [1, dimension]), reshape(positions, [dimension, 1]))
        return try `where`(later, scalar(-1e9, .float32), scalar(0, .float32))
    }
}
