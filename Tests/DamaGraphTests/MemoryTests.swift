import DamaRuntime
import DamaSupport
import DamaTestSupport
import XCTest

@testable import DamaGraph
@testable import DamaModels

/// Lengths of axes, and the memory of runs, without running a graph.
final class MemoryTests: XCTestCase {
    private typealias Known = LengthEvaluator.Known
    private typealias Port = LlamaGraph.Port

    private func graphs(fused: Bool) throws -> LlamaGraph {
        var configuration = try LlamaConfiguration(
            ConfigReader(
                .object([
                    "vocab_size": 64, "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2,
                    "num_attention_heads": 4, "num_key_value_heads": 2, "max_position_embeddings": 1024,
                ]), place: "config.json"))
        configuration.window = AttentionWindow(size: 5, layers: [1])
        return LlamaGraph(configuration, kernels: GraphKernels(fused: fused))
    }

    /// The name of an axis gives the length that the graph computes, in every block of attention.
    func testLengthsOfAxesAreThoseOfTheGraph() throws {
        let (batch, rows) = (2, 6)
        for scopes in [[], ["layers.0", "layers.1"]] {
            let graph = try graphs(fused: false).scoring(.logits, trainable: true)
            let weights = graph.weights.map(graph.name(of:))
            let halves = try graph.differentiate(
                outputs: [Port.logits], trainable: [Port.embeddings] + weights, recompute: scopes)
            for length in [8, 15, 16, 17, 100, 127, 128, 129, 600] {
                let shapes = [
                    Port.embeddings: [batch, length, 32], Port.positions: [batch, length], Port.cosine: [length, 4],
                    Port.sine: [length, 4], Port.mask: [batch, 1, length, length],
                    Port.windowMask: [batch, 1, length, length], Port.rows: [rows],
                    Port.inverseRows: [batch * length, 2], "\(Port.logits).seed": [rows, 64],
                ]
                let feeds = shapes.mapValues { Known(shape: $0) }
                let forward = try LengthEvaluator(graph: halves.forward).run(feeds).outputs
                let backward = try LengthEvaluator(graph: halves.backward).run(feeds.merging(forward) { $1 }).outputs
                let lengths = AxisLengths([
                    "batch": batch, "sequence": length, "positions": length, "tokens": batch * length, "rows": rows,
                    "uses": 2,
                ])
                for (half, outputs) in [(halves.forward, forward), (halves.backward, backward)] {
                    for value in half.outputs {
                        let name = half.name(of: value)
                        let found = try value.shape.map { try lengths.length(of: $0) }
                        XCTAssertEqual(found, outputs[name]?.shape, "\(name), \(length) tokens")
                    }
                }
                // Every value of both halves has a length.
                XCTAssertNoThrow(try halves.forward.peakByteCount(lengths))
                XCTAssertNoThrow(try halves.backward.peakByteCount(lengths))
            }
        }
        XCTAssertThrowsError(try AxisLengths([:]).length(of: "batch"))
        XCTAssertThrowsError(try AxisLengths(["a": .max]).byteCount(.float32, ["a", 2])) {
            XCTAssertEqual(($0 as? DamaError)?.code, .outOfMemory)
        }
    }

    /// Chains, where the sum can be written out.
    func testThePeakOfARun() throws {
        let lengths = AxisLengths(["rows": 10])
        func peak(
            bound: Set<String> = [], _ body: (GraphBuilder, Value) throws(DamaError) -> Void
        ) throws -> Int {
            let g = GraphBuilder("peak")
            try body(g, try g.input("x", .float32, ["rows", 8]))
            return try g.graph.peakByteCount(lengths, bound: bound)
        }
        let row = 10 * 4
        // 8 → 32 → 4: the widest product and its successor at once; the input is not the run's.
        let chain = { (g: GraphBuilder, x: Value) throws(DamaError) in
            let wide = try g.matmul(x, g.weight("a", .float32, [8, 32]))
            try g.output("y", g.matmul(wide, g.weight("b", .float32, [32, 4])))
        }
        XCTAssertEqual(try peak(chain), row * (32 + 4))
        XCTAssertEqual(try peak(bound: ["y"], chain), row * 32)
        // An elementwise operator takes its operand's memory, and a reshaped value is the value.
        XCTAssertEqual(
            try peak { g, x throws(DamaError) in
                let wide = try g.matmul(x, g.weight("a", .float32, [8, 32]))
                let flat = try g.reshape(g.negate(wide), ["rows", 4, 8])
                try g.output("y", g.reduceSum(flat, axes: [1]))
            }, row * (32 + 8))
        // A value that is read again later stays: both products, then the sum in place of the second.
        XCTAssertEqual(
            try peak { g, x throws(DamaError) in
                let first = try g.matmul(x, g.weight("a", .float32, [8, 16]))
                let second = try g.matmul(first, g.weight("b", .float32, [16, 16]))
                try g.output("y", g.matmul(g.add(first, second), g.weight("c", .float32, [16, 2])))
            }, row * (16 + 16))
    }

    /// A residual connection in a norm writes the sum over an operand; the norm's numbers come beside both operands.
    /// Nothing reads 1/std here.
    func testTheSumInANormTakesAnOperandsMemory() throws {
        let g = GraphBuilder("norm", kernels: GraphKernels(fused: true))
        let x = try g.input("x", .float32, ["rows", 8])
        let (first, second) = (
            try g.matmul(x, g.weight("a", .float32, [8, 16])), try g.matmul(x, g.weight("b", .float32, [8, 16]))
        )
        let sum = try g.add(first, second)
        let normed = try g.rmsNorm(sum, scale: g.weight("scale", .float32, [16]), epsilon: 1e-5)
        try g.output("y", g.matmul(sum, g.weight("c", .float32, [16, 1])))
        try g.output("z", g.matmul(normed, g.weight("d", .float32, [16, 1])))
        let fused = g.graph.fusingNorms()
        XCTAssertEqual(fused.nodes.count { $0.op == "AddedRmsNorm" }, 1)
        XCTAssertEqual(try fused.peakByteCount(AxisLengths(["rows": 10])), 10 * 4 * 3 * 16)
    }
}
