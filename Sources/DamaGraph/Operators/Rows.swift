import DamaSupport

// Operators that pick elements by index.

// MARK: Forward

extension GraphBuilder {
    /// The rows of `table` at `indices`: the embedding of tokens. The shape is that of the indices, then that of a row.
    ///
    /// The gradient of a weight is returned as rows with their indices, for the host to add up (``RowGradients``). For
    /// any other value use ``selectRows(_:_:inverse:)``.
    public func gather(_ table: Value, _ indices: Value, axis: Int = 0) throws(DamaError) -> Value {
        let axis = try normalized(axis, table, "gather")
        guard indices.type == .int64 || indices.type == .int32 else {
            throw .internal("\(place("gather")): the indices are \(indices.type), not int64")
        }
        let shape = Array(table.shape[..<axis]) + indices.shape + Array(table.shape[(axis + 1)...])
        return emit("Gather", [table, indices], table.type, shape, axis == 0 ? [] : [("axis", .int(axis))])
    }

    /// The rows of x (along axis 0) at `rows`, with an inverse table for the gradient.
    ///
    /// - Parameters:
    ///   - rows: int64, any shape; each element in 0 ..< rows of x.
    ///   - inverse: int64 [rows of x, most uses]. Row i lists the positions in `rows` (flattened) that hold i, padded
    ///     with the number of elements of `rows`. ``RowGradients/inverse(of:count:)`` computes it. The forward graph
    ///     does not read it.
    public func selectRows(_ x: Value, _ rows: Value, inverse: Value) throws(DamaError) -> Value {
        guard inverse.rank == 2, inverse.type == .int64, let count = x.shape.first, inverse.shape[0] == count else {
            throw .internal(
                "\(place("selectRows")): the inverse is \(inverse.type) \(inverse.shape.text), not int64 "
                    + "with a row for each of \(x.shape.text)")
        }
        return try region("SelectRows", [x, rows, inverse]) { () throws(DamaError) in [try gather(x, rows)] }[0]
    }

    /// Along `axis`, the elements of x at `indices`; the other axes of both agree.
    public func gatherElements(_ x: Value, _ indices: Value, axis: Int) throws(DamaError) -> Value {
        let axis = try normalized(axis, x, "gatherElements")
        guard indices.type == .int64, indices.rank == x.rank,
            x.shape.indices.allSatisfy({ $0 == axis || x.shape[$0] == indices.shape[$0] })
        else {
            throw .internal(
                "\(place("gatherElements")): \(indices.type) \(indices.shape.text) does not index axis "
                    + "\(axis) of \(x.shape.text)")
        }
        return emit("GatherElements", [x, indices], x.type, indices.shape, [("axis", .int(axis))])
    }

    /// log softmax(logits)[token] of each row.
    ///
    /// - Parameters:
    ///   - logits: [rows, vocabulary], of the response rows only, which is the largest saving in training.
    ///   - tokens: int64 [rows].
    /// - Returns: [rows].
    public func tokenLogProbabilities(_ logits: Value, _ tokens: Value) throws(DamaError) -> Value {
        guard logits.rank == 2, tokens.shape == [logits.shape[0]] else {
            throw .internal(
                "\(place("tokenLogProbabilities")): \(tokens.shape.text) is not a token for each row of "
                    + logits.shape.text)
        }
        if graph.kernels.fused {
            let row: (type: ElementType, shape: Shape) = (.float32, tokens.shape)
            return fused("TokenLogProbabilities", [logits, tokens], outputs: [row, row])[0]
        }
        return try region("TokenLogProbabilities", [logits, tokens]) { () throws(DamaError) in
            // ReduceLogSumExp needs no second matrix, but its kernel is five times as slow.
            let all = try logSoftmax(logits)
            return [try reshape(gatherElements(all, reshape(tokens, tokens.shape + [1]), axis: 1), tokens.shape), all]
        }[0]
    }
}

// MARK: Gradient

extension GradientRule {
    static let rows = [
        // The host adds the rows up. ScatterND with reduction "add" could do it here, but if an index occurs twice, its
        // CPU kernel loses updates with two or more threads.
        GradientRule("Gather") { c throws(DamaError) in
            guard c.node.int("axis") == 0 else {
                throw .unsupported("\(c.node.name): Gather has a gradient along axis 0 only")
            }
            try c.addRows(of: c.input(0), at: c.input(1), c.gradient())
            return [nil, nil]
        },
        // ∂x_i = Σ ∂y_j over the j with rows[j] = i: the listed positions, gathered; the padding reads a row of zeros.
        GradientRule("SelectRows") { c throws(DamaError) in
            let (g, x, inverse) = (c.g, try c.input(0), try c.input(2))
            let row = Array(x.shape.dropFirst())
            let rank = try c.input(1).rank
            var gradient = try c.gradient()
            if rank != 1 {
                gradient = try g.reshape(gradient, [Array(gradient.shape.prefix(rank)).product] + row, from: [x])
            }
            if g.graph.kernels.fused, x.rank == 2, gradient.rank == 2 {
                return [g.fused("SumRows", [gradient, inverse], x.shape), nil, nil]
            }
            let zero = try g.expand(g.scalar(0, x.type), [1] + row, from: [x])
            let picked = try g.gather(g.concat([gradient, zero], axis: 0), inverse)
            return [try g.reduceSum(picked, axes: [1]), nil, nil]
        },
        GradientRule("GatherElements") { c throws(DamaError) in
            let (x, indices, axis) = (try c.input(0), try c.input(1), c.node.int("axis"))
            guard indices.shape[axis] == 1 else {
                throw .unsupported(
                    "\(c.node.name): GatherElements has a gradient for one index a row only, found "
                        + "\(indices.shape[axis])")
            }
            return [try c.g.scatter(c.zeros(like: x), indices, c.gradient(), axis), nil]
        },
        // ∂logits = ∂y (one-hot(token) − softmax(logits)): two passes over the matrix and one element a row. The second
        // output is log softmax; only the region uses it.
        GradientRule("TokenLogProbabilities") { c throws(DamaError) in
            let (g, tokens) = (c.g, try c.input(1))
            let column = try g.reshape(c.gradient(), tokens.shape + [1])
            let indices = try g.reshape(tokens, tokens.shape + [1])
            let dense = try g.multiply(g.exp(c.output(1)), g.negate(column))
            let hits = try g.add(g.gatherElements(dense, indices, axis: 1), column)
            return [g.scatter(dense, indices, hits, 1), nil]
        },
    ]
}

extension GraphBuilder {
    /// `x` with other elements at `indices`, one in each row, so that none is written twice.
    fileprivate func scatter(_ x: Value, _ indices: Value, _ elements: Value, _ axis: Int) -> Value {
        emit("ScatterElements", [x, indices, elements], x.type, x.shape, [("axis", .int(axis))])
    }
}
