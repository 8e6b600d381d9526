import DamaRuntime
import DamaSupport
import DamaTestSupport
import XCTest

@testable import DamaGraph

/// Each rule against central differences in double, and ONNX Runtime's kernels against the same numbers.
final class GradientRuleTests: XCTestCase {
    override class func setUp() { TestRuntime.configure() }

    /// Checks ∂ Σ seed · y for every trainable value of the graph, of which `build` returns the output "y".
    ///
    /// - Parameters:
    ///   - shapes: Trainable values by name: normal numbers, or numbers from 0.5 on if `positive`.
    ///   - other: Further feeds.
    private func check(
        _ shapes: [String: [Int]], _ other: [String: Tensor] = [:], positive: Bool = false, recompute: [String] = [],
        file: StaticString = #filePath, line: UInt = #line, _ build: (GraphBuilder) throws -> Value
    ) throws {
        let g = GraphBuilder("rule")
        try g.output("y", build(g))
        let trainable = shapes.keys.sorted()
        let result = try g.graph.differentiate(outputs: ["y"], trainable: trainable, recompute: recompute)
        var generator = RandomGenerator(seed: 11)
        var feeds = other
        for name in trainable {
            var tensor = Tensor(random: &generator, shapes[name] ?? [])
            // Numbers that single precision represents exactly, so that both precisions compute the same function.
            tensor.values = tensor.values.map { Double(Float(positive ? abs($0) + 0.5 : $0)) }
            feeds[name] = tensor
        }
        let forward = Evaluator(graph: result.forward)
        let shape = try XCTUnwrap(forward.run(feeds)["y"]).shape
        var seed = Tensor(random: &generator, shape)
        seed.values = seed.values.map { Double(Float($0)) }

        let doubles = try gradients(result, feeds, seed) { try Evaluator(graph: $0).run($1) }
        let floats = try gradients(result, feeds, seed) { try $0.run($1) }
        let original = Evaluator(graph: g.graph)
        for name in trainable {
            let numeric = try differences(original, feeds, name, seed)
            let exact = try XCTUnwrap(doubles[name])
            // Step 1e-5: the truncation error is about 1e-10, that of rounding 1e-11.
            XCTAssertLessThan(exact.distance(to: numeric), 1e-7, "\(name) in double", file: file, line: line)
            // A few roundings of 6e-8, magnified where terms cancel.
            XCTAssertLessThan(
                try XCTUnwrap(floats[name]).distance(to: exact), 2e-5, "\(name) in ONNX Runtime", file: file,
                line: line)
        }
    }

    private func gradients(
        _ result: Differentiation, _ feeds: [String: Tensor], _ seed: Tensor,
        _ run: (Graph, [String: Tensor]) throws -> [String: Tensor]
    ) throws -> [String: Tensor] {
        var values = feeds.merging(try run(result.forward, feeds)) { $1 }
        values["y.seed"] = seed
        let outputs = try run(result.backward, values)
        return try result.collect(outputs, feeds)
    }

    private func differences(
        _ evaluator: Evaluator, _ feeds: [String: Tensor], _ name: String, _ seed: Tensor
    ) throws -> Tensor {
        func loss(_ feeds: [String: Tensor]) throws -> Double {
            zip(try evaluator.run(feeds)["y"]!.values, seed.values).reduce(0) { $0 + $1.0 * $1.1 }
        }
        let step = 1e-5
        var gradient = try XCTUnwrap(feeds[name])
        for index in gradient.values.indices {
            var changed = feeds
            changed[name]!.values[index] += step
            let above = try loss(changed)
            changed[name]!.values[index] -= 2 * step
            gradient.values[index] = (above - (try loss(changed))) / (2 * step)
        }
        return gradient
    }

    // MARK: Elementwise

    func testArithmeticWithBroadcasting() throws {
        let shapes = ["a": [2, 3, 4], "b": [3, 1], "c": [1, 1, 4], "d": [1, 4], "e": []]
        try check(shapes, positive: true) { g in
            let a = try g.input("a", .float32, ["n", 3, 4])
            let (b, c) = (try g.weight("b", .float32, [3, 1]), try g.weight("c", .float32, [1, 1, 4]))
            let (d, e) = (try g.weight("d", .float32, [1, 4]), try g.weight("e", .float32, []))
            // `a` is used three times, so its gradients add up.
            return try g.subtract(g.divide(g.multiply(a, b), g.add(d, e)), g.multiply(g.add(a, c), g.divide(c, a)))
        }
    }

    func testFunctionsOfOneValue() throws {
        for function in Evaluator.functions.keys.sorted() {
            try check(["x": [2, 5]], positive: true) { try $0.unary(function, $0.input("x", .float32, [2, 5])) }
        }
    }

    func testActivations() throws {
        let functions: [(GraphBuilder, Value) throws -> Value] = [
            { try $0.gelu($1) }, { try $0.gelu($1, approximate: true) }, { try $0.quickGelu($1) }, { try $0.silu($1) },
        ]
        for function in functions {
            try check(["x": [4, 6]]) { try function($0, $0.multiply($0.input("x", .float32, ["n", 6]), 2)) }
        }
    }

    func testSwiGLU() throws {
        try check(["a": [3, 4], "b": [3, 4]]) { g in
            try g.swiglu(g.input("a", .float32, ["n", 4]), g.input("b", .float32, ["n", 4]))
        }
    }

    func testWhereAndCast() throws {
        let condition = Tensor([1, 0, 0, 1, 1, 0], [2, 3], .bool)
        try check(["a": [2, 3], "b": [3]], ["condition": condition]) { g in
            let condition = try g.input("condition", .bool, ["n", 3])
            let (a, b) = (try g.input("a", .float32, ["n", 3]), try g.weight("b", .float32, [3]))
            return try g.where(condition, a, g.multiply(b, 2))
        }
    }

    // MARK: Matrices

    func testMatrixProducts() throws {
        for (transposeA, transposeB) in [(false, false), (true, false), (false, true), (true, true)] {
            let a2 = transposeA ? [4, 3] : [3, 4]
            let b2 = transposeB ? [5, 4] : [4, 5]
            // Two matrices; a batch by one matrix, as by a weight; batches of both, one of them broadcast.
            let cases: [([Int], [Int])] = [(a2, b2), ([2, 2] + a2, b2), ([2, 3] + a2, [2, 1] + b2)]
            for (a, b) in cases {
                try check(["a": a, "b": b]) { g in
                    let shape = a.enumerated().map { $0 == 0 && a.count > 2 ? Dimension.symbol("n") : .fixed($1) }
                    let other = b.enumerated().map { $0 == 0 && b.count > 2 ? Dimension.symbol("n") : .fixed($1) }
                    return try g.matmul(
                        g.input("a", .float32, shape), g.input("b", .float32, other), transposeA: transposeA,
                        transposeB: transposeB, scale: transposeA ? 0.5 : 1)
                }
            }
        }
    }

    func testLinear() throws {
        try check(["x": [2, 3, 4], "w": [5, 4], "b": [5]]) { g in
            try g.linear(
                g.input("x", .float32, ["batch", "sequence", 4]), g.weight("w", .float32, [5, 4]),
                bias: g.weight("b", .float32, [5]))
        }
    }

    func testPatchEmbedding() throws {
        try check(["pixels": [2, 3, 4, 6], "kernel": [5, 3, 2, 2], "bias": [5]]) { g in
            try g.patchEmbedding(
                g.input("pixels", .float32, ["batch", 3, 4, 6]), g.weight("kernel", .float32, [5, 3, 2, 2]),
                bias: g.weight("bias", .float32, [5]))
        }
    }

    func testAttention() throws {
        let mask = Tensor([0, -1e9, -1e9, 0, 0, -1e9, 0, 0, 0], [1, 1, 3, 3])
        try check(["q": [2, 4, 3, 2], "k": [2, 4, 3, 2], "v": [2, 4, 3, 2]], ["mask": mask]) { g in
            try g.attention(
                g.input("q", .float32, ["batch", 4, "sequence", 2]),
                g.input("k", .float32, ["batch", 4, "sequence", 2]),
                g.input("v", .float32, ["batch", 4, "sequence", 2]),
                mask: g.input("mask", .float32, [1, 1, "sequence", "sequence"]))
        }
    }

    /// [prefix | chosen | rejected] for each of two sequences with parts of different lengths: no query sees a later
    /// key, and no rejected token a chosen one.
    private var packedMask: Tensor {
        let length = 5
        var mask: [Double] = []
        for (prefix, chosen) in [(2, 1), (1, 3)] {
            for query in 0..<length {
                for key in 0..<length {
                    let crosses = query >= prefix + chosen && (prefix..<prefix + chosen).contains(key)
                    mask.append(key > query || crosses ? -1e9 : 0)
                }
            }
        }
        return Tensor(mask, [2, 1, length, length])
    }

    /// (blocks, least length): one block, blocks of unequal length, one for each query, the last ones empty.
    private let divisions = [(1, 1), (3, 1), (5, 1), (7, 2)]

    private func causal(_ g: GraphBuilder, _ keyHeads: Int, _ division: (Int, Int)) throws(DamaError) -> Value {
        try g.causalAttention(
            g.input("q", .float32, ["batch", 2, "sequence", 2]),
            g.input("k", .float32, ["batch", .fixed(keyHeads), "sequence", 2]),
            g.input("v", .float32, ["batch", .fixed(keyHeads), "sequence", 2]),
            mask: g.input("mask", .float32, ["batch", 1, "sequence", "sequence"]), blocks: division.0,
            minimum: division.1)
    }

    func testCausalAttention() throws {
        for keyHeads in [2, 1] {
            for division in divisions {
                try check(
                    ["q": [2, 2, 5, 2], "k": [2, keyHeads, 5, 2], "v": [2, keyHeads, 5, 2]], ["mask": packedMask]
                ) { g in try causal(g, keyHeads, division) }
            }
        }
        // One of the three trained alone, and all of it recomputed.
        let shape = [2, 2, 5, 2]
        for name in ["q", "k", "v"] {
            var other = ["mask": packedMask]
            for (seed, rest) in ["q", "k", "v"].enumerated() where rest != name {
                var generator = RandomGenerator(seed: UInt64(seed))
                let numbers = Tensor(random: &generator, shape)
                other[rest] = Tensor(numbers.values.map { Double(Float($0)) }, shape)
            }
            try check([name: shape], other) { g in try causal(g, 2, (3, 1)) }
        }
        try check(["q": shape, "k": shape, "v": shape], ["mask": packedMask], recompute: ["again"]) { g in
            let mixed = try g.scope("again") { () throws(DamaError) in try causal(g, 2, (3, 1)) }
            return try g.multiply(mixed, mixed)
        }
    }

    /// The blocks give the result of the whole, in the same double precision: they leave out nothing.
    func testCausalAttentionIsAttention() throws {
        var generator = RandomGenerator(seed: 5)
        var feeds = ["mask": packedMask]
        for name in ["q", "k", "v"] { feeds[name] = Tensor(random: &generator, [2, 2, 5, 2]) }
        let whole = GraphBuilder("whole")
        try whole.output(
            "y",
            whole.mergeHeads(
                whole.attention(
                    whole.input("q", .float32, ["batch", 2, "sequence", 2]),
                    whole.input("k", .float32, ["batch", 2, "sequence", 2]),
                    whole.input("v", .float32, ["batch", 2, "sequence", 2]),
                    mask: whole.input("mask", .float32, ["batch", 1, "sequence", "sequence"]))))
        let expected = try XCTUnwrap(Evaluator(graph: whole.graph).run(feeds)["y"])
        for division in divisions {
            let g = GraphBuilder("blocks")
            try g.output("y", causal(g, 2, division))
            // A few roundings of 1e-16.
            let found = try XCTUnwrap(Evaluator(graph: g.graph).run(feeds)["y"])
            XCTAssertLessThan(found.distance(to: expected), 1e-14, "\(division)")
        }
    }

    func testCausalAttentionRefusesWhatDoesNotFit() throws {
        let g = GraphBuilder("misfit")
        let q = try g.input("q", .float32, ["batch", 2, "sequence", 2])
        let k = try g.input("k", .float32, ["batch", 3, "sequence", 2])
        let mask = try g.input("mask", .float32, ["batch", 1, "sequence", "sequence"])
        XCTAssertThrowsError(try g.causalAttention(q, k, k, mask: mask)) {
            XCTAssertTrue("\($0)".contains("[batch, 3, sequence, 2]"), "\($0)")
        }
        let flat = try g.input("flat", .float32, ["sequence", "sequence"])
        XCTAssertThrowsError(try g.causalAttention(q, q, q, mask: flat)) {
            XCTAssertTrue("\($0)".contains("mask [sequence, sequence]"), "\($0)")
        }
    }

    // MARK: Layout

    func testReshapeTransposeExpand() throws {
        try check(["x": [2, 3, 4], "z": [1, 4]]) { g in
            let x = try g.input("x", .float32, ["batch", "sequence", 4])
            let flat = try g.reshape(g.transpose(x, [1, 2, 0]), ["rows", 2])
            let back = try g.reshape(flat, ["sequence", 4, "batch"])
            let wide = try g.expand(g.input("z", .float32, [1, 4]), ["sequence", 4])
            return try g.multiply(g.transpose(back, [2, 0, 1]), wide)
        }
    }

    func testConcatSplitSlice() throws {
        try check(["x": [3, 4], "z": [2, 4]]) { g in
            let (x, z) = (try g.input("x", .float32, ["a", 4]), try g.input("z", .float32, ["b", 4]))
            let tall = try g.concat([x, z, x], axis: 0)
            // The middle part is not used: its gradient is zeros.
            let parts = try g.split(g.exp(tall), axis: 1, [1, 2, 1])
            return try g.concat([parts[2], parts[0]], axis: -1)
        }
        let bounds: [(Int, Int?)] = [(1, nil), (-2, nil), (0, 2), (1, -1), (-3, -1)]
        for (from, to) in bounds {
            for shape: Shape in [["n", 5], [5, "n"]] {
                for axis in 0..<2 {
                    try check(["x": [5, 5]]) { g in
                        // Not an input itself, so that its length comes from an inner value.
                        let x = try g.exp(g.input("x", .float32, shape))
                        let doubled = try g.concat([x, x], axis: axis)
                        return try g.slice(doubled, axis: axis, from: from, to: to)
                    }
                }
            }
        }
    }

    // MARK: Rows

    func testGatheredRowsShared() throws {
        // Rows that occur several times, like the tokens of a shared prompt; the table is the head as well.
        let ids = Tensor(integers: [1, 3, 3, 1, 3, 0], [2, 3])
        try check(["table": [5, 4]], ["ids": ids]) { g in
            let table = try g.weight("table", .float32, [5, 4])
            let ids = try g.input("ids", .int64, ["batch", "sequence"])
            let x = try g.add(g.gather(table, ids), g.gather(table, g.slice(ids, axis: 1, from: 0, to: 1)).sum(g))
            return try g.linear(x, table)
        }
    }

    func testSelectedRows() throws {
        let rows: [Int64] = [4, 1, 1, 0, 4, 4]
        let (table, uses) = try RowGradients.inverse(of: rows, count: 5)
        XCTAssertEqual(uses, 3)
        let feeds = [
            "rows": Tensor(integers: rows.map(Int.init), [6]), "grid": Tensor(integers: rows.map(Int.init), [2, 3]),
            "inverse": Tensor(integers: table.map(Int.init), [5, uses]),
        ]
        for name in ["rows", "grid"] {
            try check(["x": [5, 4]], feeds) { g in
                let x = try g.exp(g.input("x", .float32, ["n", 4]))
                let picks = try g.input(name, .int64, name == "rows" ? ["picked"] : ["a", "b"])
                return try g.selectRows(x, picks, inverse: g.input("inverse", .int64, ["n", "uses"]))
            }
        }
    }

    func testGatherElements() throws {
        let picks = Tensor(integers: [2, 0, 2], [3, 1])
        try check(["x": [3, 4]], ["picks": picks]) { g in
            let x = try g.exp(g.input("x", .float32, ["n", 4]))
            return try g.gatherElements(x, g.input("picks", .int64, ["n", 1]), axis: 1)
        }
    }

    func testTokenLogProbabilities() throws {
        let tokens = Tensor(integers: [3, 0, 3, 6], [4])
        try check(["x": [4, 3], "head": [7, 3]], ["tokens": tokens]) { g in
            let logits = try g.linear(g.input("x", .float32, ["rows", 3]), g.weight("head", .float32, [7, 3]))
            return try g.tokenLogProbabilities(logits, g.input("tokens", .int64, ["rows"]))
        }
    }

    // MARK: Reductions and normalisation

    func testReductions() throws {
        for (axes, keep) in [([0], false), ([1], true), ([-1], false), ([0, 2], true), ([0, 1, 2], false)] {
            let reductions: [(GraphBuilder, Value) throws -> Value] = [
                { try $0.reduceSum($1, axes: axes, keep: keep) }, { try $0.reduceMean($1, axes: axes, keep: keep) },
                { try $0.reduceLogSumExp($1, axes: axes, keep: keep) },
            ]
            for reduction in reductions {
                try check(["x": [2, 3, 4]]) { g in
                    try reduction(g, g.exp(g.input("x", .float32, ["batch", "sequence", 4])))
                }
            }
        }
    }

    func testSoftmaxes() throws {
        for axis in [-1, 1] {
            try check(["x": [2, 3, 4]]) { try $0.softmax($0.input("x", .float32, ["n", 3, 4]), axis: axis) }
            try check(["x": [2, 3, 4]]) { try $0.logSoftmax($0.input("x", .float32, ["n", 3, 4]), axis: axis) }
        }
    }

    func testNormalisations() throws {
        try check(["x": [2, 3, 8], "scale": [8], "bias": [8]]) { g in
            try g.layerNorm(
                g.exp(g.input("x", .float32, ["n", 3, 8])), scale: g.weight("scale", .float32, [8]),
                bias: g.weight("bias", .float32, [8]), epsilon: 0.01)
        }
        try check(["x": [2, 3, 8], "scale": [8]]) { g in
            try g.rmsNorm(
                g.exp(g.input("x", .float32, ["n", 3, 8])), scale: g.weight("scale", .float32, [8]), epsilon: 0.01)
        }
    }

    func testRotary() throws {
        let angles = (0..<5).flatMap { position in (0..<2).map { Double(position) * ($0 == 0 ? 1 : 0.1) } }
        let feeds = [
            "positions": Tensor(integers: [0, 1, 2, 1, 4, 2], [2, 3]),
            "cosine": Tensor(angles.map { Double(Float(cos($0))) }, [5, 2]),
            "sine": Tensor(angles.map { Double(Float(sin($0))) }, [5, 2]),
        ]
        try check(["x": [2, 3, 12]], feeds) { g in
            try g.rotary(
                g.input("x", .float32, ["batch", "sequence", 12]),
                positions: g.input("positions", .int64, ["batch", "sequence"]),
                cosine: g.input("cosine", .float32, ["positions", 2]),
                sine: g.input("sine", .float32, ["positions", 2]),
                heads: 3)
        }
    }

    // MARK: Whole graphs

    func testRecomputedLayers() throws {
        let shapes = ["x": [2, 6], "w0": [6, 6], "w1": [6, 6], "w2": [6, 6]]
        for scopes in [[], ["layers.0", "layers.1", "layers.2"]] {
            try check(shapes, recompute: scopes) { g in
                var x = try g.input("x", .float32, ["n", 6])
                for layer in 0..<3 {
                    x = try g.scope("layers.\(layer)") { () throws(DamaError) in
                        try g.add(x, g.gelu(g.linear(g.tanh(x), g.weight("w\(layer)", .float32, [6, 6]))))
                    }
                }
                return x
            }
        }
    }

    func testWhatIsKept() throws {
        let g = GraphBuilder("kept")
        var x = try g.input("x", .float32, ["n", 6])
        for layer in 0..<3 {
            x = try g.scope("layers.\(layer)") { () throws(DamaError) in
                try g.add(x, g.tanh(g.linear(g.tanh(x), g.weight("w\(layer)", .float32, [6, 6]))))
            }
        }
        try g.output("y", x)
        let all = try g.graph.differentiate(outputs: ["y"], trainable: ["w0", "w1", "w2"])
        // The first layer keeps both tanh. Frozen values before the first trainable weight are not differentiated.
        XCTAssertEqual(all.activations.count, 6)
        // The runtime starts from the last node: the gradients of the last layer come first, and free their inputs.
        XCTAssertEqual(
            all.backward.nodes.suffix(3).map { $0.name.prefix(17) },
            ["gradient/layers.0", "gradient/layers.1", "gradient/layers.2"])
        let other = try g.graph.differentiate(outputs: ["y"], trainable: ["w0", "w1", "w2"])
        XCTAssertEqual(other.backward.onnx(), all.backward.onnx())
        let last = try g.graph.differentiate(outputs: ["y"], trainable: ["w2"])
        XCTAssertEqual(last.activations, ["layers.2/tanh_1", "layers.2/tanh"])
        XCTAssertEqual(last.backward.weights.map(last.backward.name(of:)), [])
        let again = try g.graph.differentiate(
            outputs: ["y"], trainable: ["w0", "w1", "w2"], recompute: ["layers.0", "layers.1", "layers.2"])
        XCTAssertEqual(again.activations, ["layers.1/add", "layers.0/add"])
        XCTAssertEqual(again.forward.outputs.map(again.forward.name(of:)), ["y", "layers.1/add", "layers.0/add"])
    }

    func testErrors() throws {
        let g = GraphBuilder("errors")
        let x = try g.input("x", .float32, ["n", 4])
        let w = try g.weight("w", .float32, [4])
        _ = try g.weight("unused", .float32, [4])
        let y = try g.scope("layers.3") { () throws(DamaError) in
            try g.reduceMax(g.multiply(x, w), axes: [1])
        }
        try g.output("y", y)
        try g.output("ids", g.compare("Greater", x, w))
        assertFails(.unsupported, "layers.3/reducemax: the operator ReduceMax has no gradient rule") {
            _ = try g.graph.differentiate(outputs: ["y"], trainable: ["w"])
        }
        assertFails(.invalidArgument, "no output \"z\"") {
            _ = try g.graph.differentiate(outputs: ["z"], trainable: ["w"])
        }
        assertFails(.invalidArgument, "no weight and no input \"v\"") {
            _ = try g.graph.differentiate(outputs: ["y"], trainable: ["v"])
        }
        assertFails(.invalidArgument, "\"unused\" has no influence") {
            _ = try g.graph.differentiate(outputs: ["y"], trainable: ["unused"])
        }
        assertFails(.invalidArgument, "the output \"ids\" is bool") {
            _ = try g.graph.differentiate(outputs: ["ids"], trainable: ["w"])
        }
        assertFails(.invalidArgument, "\"w\" is named twice") {
            _ = try g.graph.differentiate(outputs: ["y"], trainable: ["w", "w"])
        }
        assertFails(.invalidArgument, "nothing to differentiate") {
            _ = try g.graph.differentiate(outputs: ["y"], trainable: [])
        }
        let h = GraphBuilder("rows of a value")
        let table = try h.exp(h.weight("table", .float32, [4, 2]))
        try h.output("y", h.gather(table, h.input("ids", .int64, ["n"])))
        assertFails(.unsupported, "use selectRows") {
            _ = try h.graph.differentiate(outputs: ["y"], trainable: ["table"])
        }
    }
}

extension Value {
    /// Summed over the sequence axis, which is kept with length 1.
    fileprivate func sum(_ g: GraphBuilder) throws -> Value { try g.reduceSum(self, axes: [1], keep: true) }
}

extension Differentiation {
    /// Gradients by the name of the trainable value, row gradients added up.
    func collect(_ outputs: [String: Tensor], _ feeds: [String: Tensor]) throws -> [String: Tensor] {
        var result: [String: Tensor] = [:]
        for gradient in gradients {
            var sum =
                try feeds[gradient.name].map { Tensor($0.values.map { _ in 0 }, $0.shape) }
                ?? { throw DamaError.internal("no \(gradient.name)") }()
            if let dense = gradient.dense { sum = try XCTUnwrap(outputs[dense]) }
            for rows in gradient.rows {
                let values = try XCTUnwrap(outputs[rows.values])
                let indices = try XCTUnwrap(feeds[rows.indices] ?? outputs[rows.indices])
                let width = sum.shape.dropFirst().reduce(1, *)
                for (position, index) in indices.values.enumerated() {
                    for column in 0..<width {
                        sum.values[Int(index) * width + column] += values.values[position * width + column]
                    }
                }
            }
            result[gradient.name] = sum
        }
        return result
    }
}
