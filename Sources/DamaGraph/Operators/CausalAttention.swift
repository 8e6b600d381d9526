import DamaSupport

// Attention over a sequence in which no query sees a later key, one block of queries at a time.

/// A block of consecutive queries, and the keys that they can see: all up to the end of the block.
private struct CausalBlock {
    /// int64 [1]: the first query, and the one after the last.
    var start: Value
    var end: Value
    var queries: Dimension
    var keys: Dimension
}

// MARK: Forward

extension GraphBuilder {
    /// softmax(scale · q kᵀ + mask) v, where the mask hides later keys from every query. It computes half of what
    /// ``attention(_:_:_:mask:scale:)`` does, and training recomputes the attention weights instead of keeping them
    /// (Dao et al., 2022).
    ///
    /// The queries are processed in blocks, each block against the keys up to its end.
    ///
    /// - Parameters:
    ///   - q: [batch, heads, sequence, size].
    ///   - k: [batch, key heads, sequence, size]; `v` has the same shape. The number of key heads divides the number of
    ///     heads (grouped-query attention, Ainslie et al., 2023).
    ///   - mask: Added to the scores: 0 or −∞ (a large negative number), [batch or 1, 1, sequence, sequence]. It must
    ///     hide the keys after each query, although not all of those entries are read.
    ///   - scale: `nil` for 1/√size.
    ///   - count: The number of blocks of equal length. More blocks waste less work on hidden keys and keep the scores
    ///     of a block in the processor's cache, but each costs a dozen more kernels.
    ///     With fused kernels there is one block.
    ///   - minimum: The least length of a block while the sequence lasts. In a short sequence each later block has one
    ///     query. No block is empty in a sequence of at least `count` tokens. See ``leastCausalLength``.
    /// - Returns: [batch, sequence, heads · size].
    /// - Throws: ``DamaError/Code/model`` if the shapes do not fit; the message gives them.
    public func causalAttention(
        _ q: Value, _ k: Value, _ v: Value, mask: Value, scale: Float? = nil,
        blocks count: Int = GraphBuilder.leastCausalLength, minimum: Int = 16
    ) throws(DamaError) -> Value {
        guard q.rank == 4, k.rank == 4, v.shape == k.shape, let heads = q.shape[1].fixed,
            let keyHeads = k.shape[1].fixed, let size = q.shape[3].fixed, keyHeads > 0, heads % keyHeads == 0, size > 0,
            k.shape[2] == q.shape[2], mask.rank == 4, mask.shape[1...] == [1, q.shape[2], q.shape[2]],
            count > 0, minimum > 0
        else {
            throw .model(
                "\(place("causalAttention")): queries \(q.shape.text), keys \(k.shape.text), values \(v.shape.text) and "
                    + "mask \(mask.shape.text) do not fit")
        }
        let scale = scale ?? 1 / Float(size).squareRoot()
        // On a device blocks cost more than they save.
        if graph.kernels.flash, FusedOperators.attentionSizes.contains(size) {
            return try flashAttention(q, k, v, mask, scale)
        }
        if graph.kernels.fused { return try fusedAttention(q, k, v, mask, scale) }
        let attributes: [(name: String, value: Attribute)] = [
            ("scale", .float(scale)), ("blocks", .int(count)), ("minimum", .int(minimum)),
        ]
        return try region("CausalAttention", [q, k, v, mask], attributes: attributes) { () throws(DamaError) in
            let parts = try AttentionOperands(self, q, k, v, mask)
            var mixed: [Value] = []
            for block in try causalBlocks(q, count, minimum) {
                let shares = try parts.shares(block, scale)
                mixed.append(try matmul(shares, parts.keys(parts.v, block)))
            }
            return [try mergeHeads(reshape(parts.joined(mixed, parts.q.shape), q.shape, from: [q]))]
        }[0]
    }

    /// The least length of a causal sequence that has a query for each block of ``causalAttention`` by default. Callers
    /// pad shorter sequences.
    public static let leastCausalLength = 8

    /// Blocks of max(`minimum`, ⌈sequence / `count`⌉) queries as long as each later block keeps one query.
    ///
    /// A block without queries has products with an inner length of 0 in its gradient (pᵀ ∂o, ∂sᵀ q). For such a
    /// product FusedMatMul of ONNX Runtime before 1.32 returns uninitialised memory. So each block at the end takes a
    /// query from the blocks before it. In a sequence of fewer than `count` tokens the first blocks are empty and see
    /// no key either: their products have no elements that could be wrong.
    fileprivate func causalBlocks(_ q: Value, _ count: Int, _ minimum: Int) throws(DamaError) -> [CausalBlock] {
        let sequence = q.shape[2]
        let name = "\(sequence), \(count) blocks of \(minimum)"
        func length() throws(DamaError) -> Value {
            guard let length = size(of: sequence, from: [q]) else {
                throw .internal("\(place("causalAttention")): no value gives the length \"\(sequence)\"")
            }
            return length
        }
        let width = try size(of: "\(name), width") { () throws(DamaError) in
            let filled = emit("Add", [try length(), constant([count - 1])], .int64, [1])
            let share = emit("Div", [filled, constant([count])], .int64, [1])
            return emit("Max", [share, constant([minimum])], .int64, [1])
        }
        var blocks: [CausalBlock] = []
        var start = constant([0])
        for number in 1...count {
            let end = try size(of: "\(name), end of \(number)") { () throws(DamaError) in
                if number == count { return try length() }
                let full = emit("Mul", [width, constant([number])], .int64, [1])
                let last = emit("Sub", [try length(), constant([count - number])], .int64, [1])
                return emit("Max", [emit("Min", [full, last], .int64, [1]), constant([0])], .int64, [1])
            }
            blocks.append(
                CausalBlock(
                    start: start, end: end, queries: .symbol("\(name), queries of \(number)"),
                    keys: number == count ? sequence : .symbol("\(name), end of \(number)")))
            start = end
        }
        return blocks
    }
}

/// Queries, keys and values with an axis for the heads that share a key head, and their parts.
private struct AttentionOperands {
    let g: GraphBuilder
    /// [batch, key heads, heads / key heads, sequence, size]
    let q: Value
    /// [batch, key heads, 1, sequence, size]
    let k: Value
    let v: Value
    /// [batch or 1, 1, 1, sequence, sequence]
    let mask: Value

    init(_ g: GraphBuilder, _ q: Value, _ k: Value, _ v: Value, _ mask: Value) throws(DamaError) {
        self.g = g
        self.q = try Self.grouped(g, q, k.shape[1])
        self.k = try Self.grouped(g, k, k.shape[1])
        self.v = try Self.grouped(g, v, k.shape[1])
        self.mask = try g.reshape(mask, [mask.shape[0], 1, 1, mask.shape[2], mask.shape[3]])
    }

    /// [batch, heads, sequence, …] as [batch, key heads, heads / key heads, sequence, …].
    static func grouped(_ g: GraphBuilder, _ x: Value, _ keyHeads: Dimension) throws(DamaError) -> Value {
        let group = (x.shape[1].fixed ?? 1) / max(1, keyHeads.fixed ?? 1)
        return try g.reshape(x, [x.shape[0], keyHeads, .fixed(group)] + x.shape[2...], from: [x])
    }

    func queries(_ x: Value, _ block: CausalBlock) -> Value {
        part(x, axis: 3, block.start, block.end, block.queries)
    }

    func keys(_ x: Value, _ block: CausalBlock) -> Value {
        x.shape[3] == block.keys ? x : part(x, axis: 3, g.constant([0]), block.end, block.keys)
    }

    /// The softmax of the block's scores.
    func shares(_ block: CausalBlock, _ scale: Float) throws(DamaError) -> Value {
        let scores = try g.matmul(queries(q, block), keys(k, block), transposeB: true, scale: scale)
        var hidden = queries(mask, block)
        if hidden.shape[4] != block.keys { hidden = part(hidden, axis: 4, g.constant([0]), block.end, block.keys) }
        return try g.softmax(g.add(scores, hidden))
    }

    func part(_ x: Value, axis: Int, _ start: Value, _ end: Value, _ length: Dimension) -> Value {
        var shape = x.shape
        shape[axis] = length
        return g.emit("Slice", [x, start, end, g.constant([axis])], x.type, shape)
    }

    /// The parts concatenated along the sequence.
    func joined(_ parts: [Value], _ shape: Shape) -> Value {
        parts.count == 1 ? parts[0] : g.emit("Concat", parts, q.type, shape, [("axis", .int(3))])
    }
}

// MARK: Gradient

extension GradientRule {
    static let causalAttention = [
        // o = p v with p = softmax(s): ∂v = pᵀ ∂o, ∂s = p (∂p − Σ ∂p p) with ∂p = ∂o vᵀ, and Σ ∂p p = Σ ∂o o. p is
        // recomputed block by block, from the last one: each block completes the part of ∂k and ∂v after the end of the
        // previous block.
        GradientRule("CausalAttention") { c throws(DamaError) in
            let (g, q, k, v) = (c.g, try c.input(0), try c.input(1), try c.input(2))
            let x = try AttentionOperands(g, q, k, v, c.input(3))
            let scale = c.node.float("scale", default: 1)
            let blocks = try g.causalBlocks(q, c.node.int("blocks"), c.node.int("minimum"))

            let gradient = try c.gradient()
            let (batch, sequence, size) = (q.shape[0], q.shape[2], q.shape[3])
            let products = try g.reshape(
                g.multiply(gradient, c.output(0)), [batch, sequence, q.shape[1], size], from: [q])
            let sums = try AttentionOperands.grouped(
                g, g.transpose(g.reduceSum(products, axes: [-1], keep: true), [0, 2, 1, 3]), k.shape[1])
            let mixed = try AttentionOperands.grouped(g, g.splitHeads(gradient, q.shape[1].fixed ?? 1), k.shape[1])

            var queries: [Value] = []
            var (keys, values) = (CausalSum(x), CausalSum(x))
            for (number, block) in blocks.enumerated().reversed() {
                let (shares, flowing) = (try x.shares(block, scale), x.queries(mixed, block))
                let difference = try g.subtract(
                    g.matmul(flowing, x.keys(x.v, block), transposeB: true), x.queries(sums, block))
                let scores = try g.multiply(shares, difference)
                queries.append(try g.matmul(scores, x.keys(x.k, block), scale: scale))
                let before = number > 0 ? blocks[number - 1] : nil
                try keys.add(g.matmul(scores, x.queries(x.q, block), transposeA: true, scale: scale), block, before)
                try values.add(g.matmul(shares, flowing, transposeA: true), block, before)
            }
            return [
                try g.reshape(x.joined(queries.reversed(), x.q.shape), q.shape, from: [q]),
                try g.reshape(keys.total(), k.shape, from: [k]),
                try g.reshape(values.total(), v.shape, from: [v]),
                nil,
            ]
        }
    ]
}

/// The gradient of keys or of values, added up from the last block to the first.
private struct CausalSum {
    let x: AttentionOperands
    /// The sum so far for the keys that the previous block sees too.
    private var open: Value?
    /// The parts to which no earlier block adds, the last one first.
    private var complete: [Value] = []

    init(_ x: AttentionOperands) { self.x = x }

    /// - Parameter gradient: [batch, key heads, heads / key heads, the block's keys, size].
    mutating func add(_ gradient: Value, _ block: CausalBlock, _ before: CausalBlock?) throws(DamaError) {
        var sum = x.q.shape[2] == 1 ? gradient : try x.g.reduceSum(gradient, axes: [2], keep: true)
        if let open { sum = try x.g.add(open, sum) }
        guard let before else {
            complete.append(sum)
            return
        }
        complete.append(x.part(sum, axis: 3, block.start, block.end, block.queries))
        open = x.keys(sum, before)
    }

    func total() -> Value { x.joined(complete.reversed(), x.k.shape) }
}
