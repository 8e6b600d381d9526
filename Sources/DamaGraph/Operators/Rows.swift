import DamaSupport

// Operators that pick elements by index.

// MARK: Forward

extension GraphBuilder {
    /// The rows of `table` at `indices`: the embedding of tokens. Shape: that of the indices, then that of a row.
    ///
    /// The gradient of a weight comes out as rows beside their indices, for the host to add up
    /// (``RowGradients``); for any other value use ``selectRows(_:_:inverse:)``.
    public func gather(_ table: Value, _ indices: Value, axis: Int = 0) throws(DamaError) -> Value {
        let axis = try normalized(axis, table, "gather")
        guard indices.type == .int64 || indices.type == .int32 else {
            throw .internal("\(place("gather")): the indices are \(indices.type), not int64")
        }
        let shape = Array(table.shape[..<axis]) + indices.shape + Array(table.shape[(axis + 1)...])
        return emit("Gather", [table, indices], table.type, shape, axis == 0 ? [] : [("axis", .int(axis))])
    }

    /// The rows of x (along axis 0) at `rows`, with the way back for the gradient.
    ///
    /// - Parameters:
    ///   - rows: int64, any shape; each element in 0 ..< rows of x.
    ///   - inverse: int64 [rows of x, most uses]. Row i lists the positions in `rows` (flattened) that hold i, filled up
    ///     with the number of elements of `rows`. ``RowGradients/inverse(of:count:)`` makes it. The forward graph does
    ///     not read it.
    public func selectRows(_ x: Value, _ rows: Value, inverse: Value) throws(DamaError) -> Value {
        guard inverse.rank == 2, inverse.type == .int64, let count = x.shape.first, inverse.shape[0] == count else {
            throw .internal("\(place("selectRows")): the inverse is \(inverse.type) \(inverse.shape.text), not int64 "
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
            throw .internal("\(place("gatherElements")): \(indices.type) \(indices.shape.text) does not index axis "
                + "\(axis) of \(x.shape.text)")
        }
        return emit("GatherElements", [x, indices], x.type, indices.shape, [("axis", .int(axis))])
    }

    /// log softmax(logits)[token] of each row.
    ///
    /// - Parameters:
    ///   - logits: [rows, vocabulary]: of the response rows alone, which is the largest saving there is in training.
    ///   - tokens: int64 [rows].
    /// - Returns: [rows].
    public func tokenLogProbabilities(_ logits: Value, _ tokens: Value) throws(DamaError) -> Value {
        guard logits.rank == 2, tokens.shape == [logits.shape[0]] else {
            throw .internal("\(place("tokenLogProbabilities")): \(tokens.shape.text) is not a token for each row of "
                + logits.shape.text)
        }
        return try region("TokenLogProbabilities", [logits, tokens]) { () throws(DamaError) in
            // Not LogSoftmax: that would write another matrix as large as the logits, and read it for one column.
            let picked = try gatherElements(logits, reshape(tokens, tokens.shape + [1]), axis: 1)
            let total = try reduceLogSumExp(logits, axes: [1], keep: true)
            return [try reshape(subtract(picked, total), tokens.shape)]
        }[0]
    }
}
