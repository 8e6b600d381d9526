import DamaRuntime
import DamaSupport
import DamaTestSupport
import XCTest

@testable import DamaGraph

/// The pass to a reduced precision on small graphs.
final class LoweringTests: XCTestCase {
    override class func setUp() { TestRuntime.configure() }

    /// Half the distance between 1 and the next float16 number: the largest relative error of a rounding.
    private static let roundOff = 0x1p-11

    private func linear() throws -> Graph {
        let g = GraphBuilder("linear")
        let x = try g.input("x", .float32, ["rows", 4])
        let y = try g.linear(x, g.weight("w", .float32, [3, 4]), bias: g.weight("b", .float32, [3]))
        try g.output("y", g.gelu(y))
        try g.output("shifted", g.add(g.multiply(y, 0.5), 0.25))
        return g.graph
    }

    func testFloat32IsTheGraphItself() throws {
        let graph = try linear()
        XCTAssertEqual(try graph.lowered(to: .float32, natural: ["x"]).onnx(), graph.onnx())
    }

    func testPortsAndWeights() throws {
        let graph = try linear()
        for precision in [Precision.float16, .bfloat16] {
            let type = precision.elementType
            let lowered = try graph.lowered(to: precision)
            lowered.checkLowered(to: type, precision.rawValue)
            XCTAssertEqual(lowered.inputs.map(lowered.name(of:)), ["x"])
            XCTAssertEqual(lowered.inputs.map(\.type), [.float32])
            XCTAssertEqual(lowered.outputs.map(lowered.name(of:)), ["y", "shifted"])
            XCTAssertEqual(lowered.outputs.map(\.type), [.float32, .float32])
            XCTAssertEqual(lowered.castCount, 3, "x, y and shifted")
            XCTAssertEqual(lowered.onnx(), try graph.lowered(to: precision).onnx())

            let natural = try graph.lowered(to: precision, natural: ["x", "y", "shifted"])
            natural.checkLowered(to: type, "natural \(precision.rawValue)")
            XCTAssertEqual(natural.inputs.map(\.type), [type])
            XCTAssertEqual(natural.outputs.map(\.type), [type, type])
            XCTAssertEqual(natural.castCount, 0)
        }
        let kept = try graph.lowered(to: .float16, natural: ["x"], types: ["x": .float32])
        XCTAssertEqual(kept.inputs.map(\.type), [.float32])
        XCTAssertEqual(kept.castCount, 3)
    }

    func testNumbers() throws {
        var generator = RandomGenerator(seed: 3)
        let graph = try linear()
        var feeds = graph.randomWeights(&generator)
        feeds["x"] = Tensor(random: &generator, [5, 4])
        let lowered = try graph.lowered(to: .float16)
        let (found, expected) = (try lowered.run(lowered.typed(feeds)), try graph.run(feeds))
        for name in ["y", "shifted"] {
            // Operands, products' sum, bias, GELU: five roundings, each of at most one unit of a sum of size about 2.
            XCTAssertLessThan(
                try XCTUnwrap(found[name]).distance(to: XCTUnwrap(expected[name])), 10 * Self.roundOff, name)
        }
    }

    /// The head of a model: the logits are cast, and everything after them is float32.
    func testLogProbabilitiesAreFloat32() throws {
        let g = GraphBuilder("head")
        let logits = try g.linear(g.input("x", .float32, ["rows", 4]), g.weight("w", .float32, [9, 4]))
        try g.output("logps", g.tokenLogProbabilities(logits, g.input("tokens", .int64, ["rows"])))
        let halves = try g.graph.differentiate(outputs: ["logps"], trainable: ["w", "x"])
        let lowered = try halves.lowered(to: .float16)
        lowered.forward.checkLowered(to: .float16, "forward")
        lowered.backward.checkLowered(to: .float16, "backward")
        XCTAssertEqual(lowered.forward.castCount, 2, "x and the logits")
        // The gradient of the logits, x as the operand of ∂w, and the two results.
        XCTAssertEqual(lowered.backward.castCount, 4)
        for node in lowered.backward.nodes where ["ScatterElements", "Mul", "Neg", "Add"].contains(node.op) {
            XCTAssertEqual(node.outputs[0].type, .float32, node.name)
        }
        let natural = try halves.lowered(to: .float16, natural: ["w.gradient", "x"])
        XCTAssertEqual(natural.backward.value(named: "w.gradient")?.type, .float16)
        XCTAssertEqual(natural.backward.value(named: "x.gradient")?.type, .float32)
    }

    /// What is added to what the host holds loses nothing of it.
    func testAccumulationIsFloat32() throws {
        let halves = try linear().differentiate(outputs: ["y"], trainable: ["w"])
        let before = Differentiation.before("w.gradient")
        let first = try halves.lowered(to: .float16).accumulating(["w"])
        var second = halves
        second.backward = try halves.accumulating(["w"])
        for graph in [first, try second.lowered(to: .float16).backward] {
            graph.checkLowered(to: .float16, "accumulating")
            XCTAssertEqual(graph.value(named: before)?.type, .float32)
            let last = try XCTUnwrap(graph.nodes.first { $0.outputs.map(graph.name(of:)) == ["w.gradient"] })
            XCTAssertEqual(last.op, "Add")
            XCTAssertEqual(last.outputs[0].type, .float32)
        }
    }

    /// −10⁹ would be −∞ in float16, and a row that hides all keys NaN.
    func testAMaskThatHidesEveryKey() throws {
        let g = GraphBuilder("attention")
        func part(_ name: String) throws(DamaError) -> Value { try g.input(name, .float32, [1, 2, "rows", 8]) }
        let mask = try g.input("mask", .float32, [1, 1, "rows", "rows"])
        try g.output("y", g.attention(part("q"), part("k"), part("v"), mask: mask))
        var generator = RandomGenerator(seed: 5)
        var feeds: [String: Tensor] = [:]
        for name in ["q", "k", "v"] { feeds[name] = Tensor(random: &generator, [1, 2, 5, 8]) }
        // Query 3 and key 3, which no other query sees, have a score of −4 525.
        feeds["q"]?.values[24..<32] = [-40, 40, -40, 40, -40, 40, -40, 40]
        feeds["k"]?.values[24..<32] = [40, -40, 40, -40, 40, -40, 40, -40]
        feeds["mask"] = Tensor(
            (0..<25).map { [0, 3].contains($0 / 5) || $0 % 5 > $0 / 5 || $0 % 5 == 3 ? -1e9 : 0 }, [1, 1, 5, 5])
        let lowered = try g.graph.lowered(to: .float16)
        lowered.checkLowered(to: .float16, "attention")
        let (found, expected) = (try lowered.run(feeds), try g.graph.run(feeds))
        let (y, wanted) = (try XCTUnwrap(found["y"]), try XCTUnwrap(expected["y"]))
        XCTAssertTrue(y.values.allSatisfy(\.isFinite))
        // A row that sees no key has no meaning; all others are compared.
        for head in 0..<2 {
            for row in [1, 2, 4] {
                for column in 0..<8 {
                    let index = (head * 5 + row) * 8 + column
                    XCTAssertEqual(y.values[index], wanted.values[index], accuracy: 30 * Self.roundOff)
                }
            }
        }
        // A mask among the constants.
        let causal = GraphBuilder("causal")
        let x = try causal.input("x", .float32, ["rows", 3])
        let scores = try causal.matmul(x, x, transposeB: true)
        try causal.output("y", causal.softmax(causal.add(scores, causal.causalMask(x, axis: 0))))
        let half = try causal.graph.lowered(to: .float16)
        XCTAssertEqual(half.castCount, 2, "x and y")
        let shares = try XCTUnwrap(half.run(["x": Tensor(random: &generator, [4, 3])])["y"])
        XCTAssertEqual(shares.values[1...3].map { $0 }, [0, 0, 0])
        XCTAssertEqual(shares.values[0], 1)
    }

    func testConstantsThatFloat16CannotHold() throws {
        let g = GraphBuilder("large")
        let x = try g.linear(g.input("x", .float32, ["rows", 2]), g.weight("w", .float32, [2, 2]))
        try g.output("y", g.multiply(x, 1e6))
        assertFails(.unsupported, "the constant 1000000.0 is too large for float16; use bfloat16 or float32") {
            _ = try g.graph.lowered(to: .float16)
        }
        let lowered = try g.graph.lowered(to: .bfloat16)
        lowered.checkLowered(to: .bfloat16, "large")
    }

    func testConstantsInBFloat16() throws {
        let g = GraphBuilder("constant")
        // 1 + 2⁻⁸ lies between 1 and 1 + 2⁻⁷ and goes to the even one; 1 + 3 · 2⁻⁸ goes up.
        for (number, bits) in [(1.0, 0x3F80), (1.00390625, 0x3F80), (1.01171875, 0x3F82), (-2, 0xC000)] {
            let value = try g.scalar(number, .bfloat16)
            XCTAssertEqual(
                try XCTUnwrap(g.graph.constant(value)).bytes, [UInt8(bits & 0xFF), UInt8(bits >> 8)], "\(number)")
        }
    }

    /// libdama's own operators have a name for each type.
    func testOwnOperators() throws {
        let g = GraphBuilder("own")
        let x = try g.linear(g.input("x", .float32, ["rows", 4]), g.weight("w", .float32, [4, 4]))
        let y = g.node("SwiGLU", domain: "dama", [x, x], outputs: [(.float32, x.shape)])
        try g.output("y", y[0])
        XCTAssertEqual(g.graph.nodes.last?.op, "SwiGLU")
        for (precision, name) in [(Precision.bfloat16, "SwiGLU_bf16"), (.float16, "SwiGLU_f16")] {
            let lowered = try g.graph.lowered(to: precision)
            let node = try XCTUnwrap(lowered.nodes.first { $0.domain == "dama" })
            XCTAssertEqual(node.op, name)
            XCTAssertEqual(node.outputs[0].type, precision.elementType)
        }
    }

    /// Where CUDA has no kernel for bfloat16, the node is float32.
    func testPadHasNoBFloat16() throws {
        let g = GraphBuilder("pad")
        let x = try g.linear(g.input("x", .float32, ["rows", 4]), g.weight("w", .float32, [4, 4]))
        let padded = g.node("Pad", [x, g.constant([0, 0, 0, 2])], outputs: [(.float32, ["rows", 6])])[0]
        try g.output("y", g.softmax(padded))
        for (precision, type) in [(Precision.bfloat16, ElementType.float32), (.float16, .float16)] {
            let lowered = try g.graph.lowered(to: precision)
            XCTAssertEqual(lowered.nodes.first { $0.op == "Pad" }?.outputs[0].type, type)
            XCTAssertEqual(lowered.nodes.first { $0.op == "Softmax" }?.outputs[0].type, precision.elementType)
        }
    }
}
