import DamaRuntime
import DamaSupport
import DamaTestSupport
import XCTest

@testable import DamaGraph

/// Each operator of the domain "dama" in each of its three types, on the CPU provider: the runtime knows the names, the
/// types of inputs and outputs are those of the table, and results equal those of float up to the type's rounding.
final class FusedTypeTests: XCTestCase {
    override class func setUp() { TestRuntime.configure() }

    private struct Case {
        var op: String
        var inputs: [(shape: [Int], type: ElementType)]
        var outputs: [[Int]]
        var attributes: [(name: String, value: Attribute)] = []
    }

    private let cases = [
        Case(
            op: "RotaryHeads",
            inputs: [([2, 5, 12], .float32), ([2, 5], .int64), ([7, 3], .float32), ([7, 3], .float32)],
            outputs: [[2, 2, 5, 6]], attributes: [("heads", .int(2)), ("inverse", .int(0))]),
        Case(
            op: "MaskSoftmax", inputs: [([2, 3, 5, 5], .float32), ([2, 1, 5, 5], .float32)], outputs: [[2, 3, 5, 5]]),
        Case(
            op: "SoftmaxGrad", inputs: [([2, 3, 5], .float32), ([2, 3, 5], .float32), ([2, 3], .float32)],
            outputs: [[2, 3, 5]]),
        Case(
            op: "RowDot", inputs: [([2, 5, 12], .float32), ([2, 5, 12], .float32)], outputs: [[2, 3, 5]],
            attributes: [("heads", .int(3))]),
        Case(
            op: "RmsNormGrad",
            inputs: [([4, 9], .float32), ([4, 9], .float32), ([9], .float32), ([4, 1], .float32)], outputs: [[4, 9]]),
        Case(
            op: "RmsNormGrad",
            inputs: [
                ([4, 9], .float32), ([4, 9], .float32), ([9], .float32), ([4, 1], .float32), ([4, 9], .float32),
            ], outputs: [[4, 9]]),
        Case(
            op: "RmsNormScaleGrad", inputs: [([4, 9], .float32), ([4, 9], .float32), ([4, 1], .float32)],
            outputs: [[9]]),
        Case(op: "SumRows", inputs: [([3, 7], .float32), ([5, 2], .int64)], outputs: [[5, 7]]),
        Case(
            op: "AddedProduct", inputs: [([2, 3, 5], .float32), ([2, 3, 4], .float32), ([5, 4], .float32)],
            outputs: [[2, 3, 5]], attributes: [("transB", .int(1)), ("scale", .float(0.5))]),
        Case(
            op: "WeightGradient", inputs: [([6, 4], .float32), ([6, 5], .float32), ([4, 5], .float32)],
            outputs: [[4, 5]], attributes: [("transA", .int(1)), ("scale", .float(1))]),
        Case(op: "RmsNorm", inputs: [([4, 9], .float32), ([9], .float32)], outputs: [[4, 9], [4, 1]]),
        Case(
            op: "AddedRmsNorm", inputs: [([4, 9], .float32), ([4, 9], .float32), ([9], .float32)],
            outputs: [[4, 9], [4, 9], [4, 1]]),
        Case(
            op: "LayerNorm", inputs: [([4, 9], .float32), ([9], .float32), ([9], .float32)],
            outputs: [[4, 9], [4, 1], [4, 1]]),
        Case(
            op: "TokenEmbeddings",
            inputs: [([7, 5], .float32), ([2, 4], .int64), ([7, 5], .float32), ([2, 4], .int64)], outputs: [[2, 4, 5]]),
        Case(
            op: "PackedMask", inputs: [([2, 4], .int64), ([2, 4], .int64)], outputs: [[2, 1, 4, 4]],
            attributes: [("window", .int(3)), ("scale", .float(-4096))]),
        Case(
            op: "AddBias", inputs: [([3, 7], .float32), ([7], .float32)], outputs: [[3, 7]],
            attributes: [("activation", .int(1))]),
        Case(
            op: "AddBias", inputs: [([2, 3, 8], .float32), ([8], .float32), ([2, 3, 8], .float32)],
            outputs: [[2, 3, 8]], attributes: [("activation", .int(3))]),
        Case(op: "SwiGLU", inputs: [([3, 7], .float32), ([3, 7], .float32)], outputs: [[3, 7]]),
        Case(
            op: "SwiGLUGrad", inputs: [([3, 7], .float32), ([3, 7], .float32), ([3, 7], .float32)],
            outputs: [[3, 7], [3, 7]]),
        Case(op: "TokenLogProbabilities", inputs: [([3, 7], .float32), ([3], .int64)], outputs: [[3], [3]]),
        Case(
            op: "TokenLogProbabilitiesGrad",
            inputs: [([3, 7], .float32), ([3], .int64), ([3], .float32), ([3], .float32)], outputs: [[3, 7]]),
    ]

    /// A graph of the operator, whose float inputs and outputs pass through casts to its own type.
    private func graph(_ c: Case, _ type: ElementType) throws -> Graph {
        let g = GraphBuilder("operator", kernels: GraphKernels(fused: true))
        let table = try XCTUnwrap(FusedOperators.float32[c.op], c.op)
        var inputs: [Value] = []
        for (index, input) in c.inputs.enumerated() {
            let value = try g.input("input\(index)", input.type, input.shape.map(Dimension.fixed))
            let isOwn = input.type == .float32 && !table.inputs.contains(index)
            inputs.append(isOwn ? g.cast(value, to: type) : value)
        }
        let outputs = g.node(
            try XCTUnwrap(FusedOperators.name(c.op, for: type)), domain: FusedOperators.domain, inputs,
            outputs: c.outputs.enumerated().map { index, shape in
                (table.outputs.contains(index) ? .float32 : type, shape.map(Dimension.fixed))
            }, attributes: c.attributes)
        for (index, output) in outputs.enumerated() { try g.output("output\(index)", g.cast(output, to: .float32)) }
        return g.graph
    }

    func testEveryType() throws {
        // The tiles of a mask go with attention, which testFlashAttention tests; testLikeliest tests what has no float.
        let attention: Set = ["MaskTiles", "FlashAttention", "FlashAttentionGrad", "Likeliest"]
        XCTAssertEqual(Set(cases.map(\.op)).union(attention), Set(FusedOperators.float32.keys))
        var generator = RandomGenerator(seed: 12)
        for c in cases {
            var feeds: [String: Tensor] = [:]
            for (index, input) in c.inputs.enumerated() {
                let count = input.shape.reduce(1, *)
                // Numbers of few bits are the same in every type.
                let numbers: [Double] = (0..<count).map { _ in (generator.gaussian() * 8).rounded() / 8 }
                feeds["input\(index)"] =
                    input.type == .int64
                    ? Tensor(integers: (0..<count).map { $0 * 3 % 7 }, input.shape) : Tensor(numbers, input.shape)
            }
            let exact = try graph(c, .float32).run(feeds)
            // One rounding of the result: half a unit in the last place, 2⁻¹¹ and 2⁻⁸, relative to the largest number.
            for (type, tolerance) in [(ElementType.float16, 1.0 / 2048), (.bfloat16, 1.0 / 256)] {
                let found = try graph(c, type).run(feeds)
                for (name, value) in exact {
                    XCTAssertLessThanOrEqual(
                        try XCTUnwrap(found[name]).distance(to: value), tolerance, "\(c.op) of \(type), \(name)")
                }
            }
        }
    }

    /// The first of equal numbers; NaN is never chosen, and −1 is no token.
    func testLikeliest() throws {
        let rows: [[Double]] = [
            [1, 3, 2, 3, 0], [.nan, -2, .nan, -1, -2], [-.infinity, .nan, -.infinity, -.infinity, -.infinity],
            [0, 0, 0, 0, .infinity],
        ]
        for type in [ElementType.float32, .float16, .bfloat16] {
            let g = GraphBuilder("likeliest", kernels: GraphKernels(fused: true))
            let logits = try g.cast(g.input("logits", .float32, ["rows", 5]), to: type)
            let name = try XCTUnwrap(FusedOperators.name("Likeliest", for: type))
            try g.output(
                "tokens", g.node(name, domain: FusedOperators.domain, [logits], outputs: [(.int64, ["rows"])])[0])
            let found = try g.graph.run(["logits": Tensor(rows.flatMap(\.self), [4, 5])])
            XCTAssertEqual(found["tokens"]?.values, [1, 3, -1, 4], "\(type)")
        }
    }

    /// A wrong shape, a position outside the table and a target outside the vocabulary are errors with the operator's
    /// name.
    func testErrors() throws {
        func fails(_ op: String, _ message: String, _ change: (inout Case, inout [String: Tensor]) -> Void) throws {
            var c = try XCTUnwrap(cases.first { $0.op == op })
            var feeds: [String: Tensor] = [:]
            for (index, input) in c.inputs.enumerated() {
                let count = input.shape.reduce(1, *)
                feeds["input\(index)"] = Tensor([Double](repeating: 0, count: count), input.shape, input.type)
            }
            change(&c, &feeds)
            let graph = try graph(c, .float32)
            XCTAssertThrowsError(try graph.run(feeds)) { error in
                XCTAssertTrue("\(error)".contains(message), "\(error)")
            }
        }
        try fails("RotaryHeads", "rotary_heads: position 9 is 7; the table has 7 rows") { _, feeds in
            feeds["input1"] = Tensor(integers: [Int](repeating: 0, count: 9) + [7], [2, 5])
        }
        try fails("MaskSoftmax", "MaskSoftmax: the mask is not") { c, feeds in
            c.inputs[1].shape = [2, 1, 5, 4]
            feeds["input1"] = Tensor([Double](repeating: 0, count: 40), [2, 1, 5, 4])
        }
        try fails("AddBias", "AddBias: the shapes of the input, the bias and the residual do not fit") { c, feeds in
            c.inputs[1].shape = [5]
            feeds["input1"] = Tensor([Double](repeating: 0, count: 5), [5])
        }
        try fails("AddedRmsNorm", "AddedRmsNorm: the shapes of the input, the residual and the scale do not fit") {
            c, feeds in
            c.inputs[1].shape = [9, 4]
            feeds["input1"] = Tensor([Double](repeating: 0, count: 36), [9, 4])
        }
        try fails("TokenLogProbabilities", "token_logps: target 2 is -1; the vocabulary has 7 tokens") { _, feeds in
            feeds["input1"] = Tensor(integers: [0, 0, -1], [3])
        }
    }
}
