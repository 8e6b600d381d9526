import DamaRuntime
import DamaSupport
import DamaTestSupport
import Foundation
import XCTest

@testable import DamaGraph

final class GraphBuilderTests: XCTestCase {
    override class func setUp() { TestRuntime.configure() }

    /// One of every operator, in layers like those of a transformer.
    private func everything() throws -> Graph {
        let g = GraphBuilder("everything")
        let ids = try g.input("ids", .int64, ["batch", "sequence"])
        let positions = try g.input("positions", .int64, ["batch", "sequence"])
        let cosine = try g.input("cosine", .float32, ["positions", 2])
        let sine = try g.input("sine", .float32, ["positions", 2])
        let table = try g.weight("embedding", .float32, [11, 8])
        let scale = try g.weight("norm.weight", .float32, [8])
        let bias = try g.weight("norm.bias", .float32, [8])
        let square = try g.weight("square", .float32, [8, 8])
        let narrow = try g.weight("narrow", .float32, [4, 8])
        var x = try g.gather(table, ids)
        try g.scope("layers.0") { () throws(DamaError) in
            let normal = try g.rmsNorm(x, scale: scale, epsilon: 1e-5)
            let q = try g.rotary(g.linear(normal, square), positions: positions, cosine: cosine, sine: sine, heads: 2)
            let k = try g.rotary(g.linear(normal, narrow), positions: positions, cosine: cosine, sine: sine, heads: 1)
            let v = try g.linear(normal, narrow)
            let mask = try g.reshape(g.causalMask(ids, axis: 1), [1, 1, "sequence", "sequence"])
            let mixed = try g.causalAttention(
                g.splitHeads(q, 2), g.splitHeads(k, 1), g.splitHeads(v, 1), mask: mask, blocks: 2, minimum: 2)
            x = try g.add(x, mixed)
            let parts = try g.split(g.layerNorm(x, scale: scale, bias: bias, epsilon: 1e-5), axis: -1, [4, 4])
            let gated = try g.multiply(g.silu(parts[0]), g.gelu(parts[1]))
            x = try g.add(x, g.concat([gated, g.quickGelu(g.gelu(gated, approximate: true))], axis: 2))
        }
        let rows = try g.reshape(g.slice(x, axis: 1, from: 1), ["rows", 8])
        let logits = try g.linear(rows, table)
        let tokens = try g.reshape(g.slice(ids, axis: 1, from: 1), ["rows"])
        try g.output("logps", g.tokenLogProbabilities(logits, tokens))
        let all = try g.gatherElements(g.logSoftmax(logits), g.reshape(tokens, ["rows", 1]), axis: 1)
        try g.output("picked", g.reshape(all, ["rows"]))
        try g.output("mean", g.reduceMean(g.logSoftmax(logits), axes: [0, 1]))
        return g.graph
    }

    private func feeds() -> [String: Tensor] {
        var generator = RandomGenerator(seed: 3)
        return [
            "ids": Tensor(integers: [1, 5, 10, 0, 3, 3], [2, 3]),
            "positions": Tensor(integers: [0, 1, 2, 0, 1, 2], [2, 3]),
            "cosine": Tensor((0..<6).map { cos(Double($0 / 2) * ($0 % 2 == 0 ? 1 : 0.01)) }, [3, 2]),
            "sine": Tensor((0..<6).map { sin(Double($0 / 2) * ($0 % 2 == 0 ? 1 : 0.01)) }, [3, 2]),
            "embedding": Tensor(random: &generator, [11, 8], scale: 0.3),
            "norm.weight": Tensor(random: &generator, [8]), "norm.bias": Tensor(random: &generator, [8]),
            "square": Tensor(random: &generator, [8, 8]),
            "narrow": Tensor(random: &generator, [4, 8]),
        ]
    }

    func testRunsAndNamesAreStable() throws {
        let graph = try everything()
        XCTAssertEqual(graph.onnx(), try everything().onnx())
        XCTAssertTrue(graph.nodes.contains { $0.name == "layers.0/fusedmatmul_1" })
        XCTAssertEqual(graph.outputs.map(graph.name(of:)), ["logps", "picked", "mean"])
        if let path = ProcessInfo.processInfo.environment["DAMA_WRITE_ONNX"] {
            try Files.writeAtomically(graph.onnx(weights: .inputs), to: path)
        }
        let result = try graph.run(feeds())
        XCTAssertEqual(result["logps"]?.shape, [4])
        XCTAssertEqual(result["mean"]?.shape, [])
        let logps = try XCTUnwrap(result["logps"])
        XCTAssertTrue(logps.values.allSatisfy { $0 < 0 }, "\(logps)")
        XCTAssertLessThan(logps.distance(to: try XCTUnwrap(result["picked"])), 1e-6)
    }

    /// Weights given to the session stay in place; the result equals that of weights given to the run.
    func testWeightsAsInitializers() throws {
        let graph = try everything()
        let runtime = try OnnxRuntime.load()
        var options = SessionOptions()
        let weights = Set(graph.weights.map(graph.name(of:)))
        for (name, tensor) in feeds() where weights.contains(name) {
            let memory = Memory(tensor.values.map(Float.init))
            options.initializers[name] = try TensorValue(
                runtime, borrowing: UnsafeRawBufferPointer(memory.floats), type: .float32, shape: tensor.shape,
                owner: memory)
        }
        let session = try Session(runtime, model: graph.onnx(), name: "everything", options: options)
        XCTAssertEqual(session.inputs.map(\.name), ["ids", "positions", "cosine", "sine"])
        let distance = try XCTUnwrap(graph.run(session, feeds())["logps"])
            .distance(to: XCTUnwrap(graph.run(feeds())["logps"]))
        // The same kernels; the runtime may fuse more where it knows the weights.
        XCTAssertLessThan(distance, 1e-6)
    }

    func testReshapeFindsLengths() throws {
        let g = GraphBuilder("reshape")
        let ids = try g.input("ids", .int64, ["batch", "sequence"])
        let rows = try g.input("rows", .float32, ["rows", 6])
        let both = try g.reshape(rows, ["batch", "sequence", 2, 3])
        try g.output("both", both)
        try g.output("swapped", g.reshape(g.transpose(both, [3, 1, 0, 2]), [3, "sequence", "batch", 2, 1]))
        try g.output("kept", ids)
        let result = try g.graph.run([
            "ids": Tensor(integers: [1, 2, 3, 4], [1, 4]), "rows": Tensor((0..<24).map(Double.init), [4, 6]),
        ])
        XCTAssertEqual(result["both"]?.shape, [1, 4, 2, 3])
        XCTAssertEqual(result["swapped"]?.shape, [3, 4, 1, 2, 1])
        XCTAssertEqual(result["kept"], Tensor(integers: [1, 2, 3, 4], [1, 4]))
    }

    /// Each output against numpy's result for the same expression.
    func testSlices() throws {
        let g = GraphBuilder("slices")
        let x = try g.input("x", .float32, ["n"])
        let fixed = try g.input("fixed", .float32, [5])
        let cases: [(Int, Int?, [Double])] = [
            (1, nil, [1, 2, 3, 4]), (-2, nil, [3, 4]), (0, 2, [0, 1]), (1, -1, [1, 2, 3]), (-3, -1, [2, 3]),
        ]
        for (index, (from, to, _)) in cases.enumerated() {
            try g.output("x\(index)", g.slice(x, axis: 0, from: from, to: to))
            let part = try g.slice(fixed, axis: 0, from: from, to: to)
            XCTAssertEqual(part.shape, [.fixed(cases[index].2.count)])
            try g.output("f\(index)", part)
        }
        let five = Tensor([0, 1, 2, 3, 4], [5])
        let result = try g.graph.run(["x": five, "fixed": five])
        for (index, (_, _, expected)) in cases.enumerated() {
            XCTAssertEqual(result["x\(index)"]?.values, expected)
            XCTAssertEqual(result["f\(index)"]?.values, expected)
        }
    }

    func testPatchesAreAConvolution() throws {
        let g = GraphBuilder("patches")
        let pixels = try g.input("pixels", .float32, ["batch", 2, 4, 6])
        let kernel = try g.weight("kernel", .float32, [3, 2, 2, 2])
        let patches = try g.patchEmbedding(pixels, kernel)
        XCTAssertEqual(patches.shape, ["batch", 6, 3])
        try g.output("patches", patches)
        let convolved = g.node(
            "Conv", [pixels, kernel], outputs: [(.float32, ["batch", 3, 2, 3])],
            attributes: [("kernel_shape", .ints([2, 2])), ("strides", .ints([2, 2]))])[0]
        try g.output("convolved", g.transpose(g.reshape(convolved, ["batch", 3, 6]), [0, 2, 1]))
        var generator = RandomGenerator(seed: 1)
        let result = try g.graph.run([
            "pixels": Tensor(random: &generator, [2, 2, 4, 6]), "kernel": Tensor(random: &generator, [3, 2, 2, 2]),
        ])
        XCTAssertLessThan(try XCTUnwrap(result["patches"]).distance(to: XCTUnwrap(result["convolved"])), 1e-6)
    }

    func testErrorsNameThePlaceAndTheShapes() throws {
        let g = GraphBuilder("wrong")
        let x = try g.input("x", .float32, ["batch", 4])
        let ids = try g.input("ids", .int64, ["batch"])
        func fails(_ code: DamaError.Code, _ text: String, _ body: () throws(DamaError) -> Value, line: UInt = #line) {
            assertFails(code, text, line: line) { _ = try g.scope("layers.7", body) }
        }
        let w = try g.weight("w", .float32, [3, 5])
        fails(.model, "layers.7/matmul: [batch, 4] and [3, 5] (the second transposed) cannot be multiplied") {
            () throws(DamaError) in try g.linear(x, w)
        }
        fails(.model, "layers.7/Add: the shapes [batch, 4] and [3, 5] do not fit") {
            () throws(DamaError) in try g.add(x, w)
        }
        fails(.internal, "layers.7/Add: the operands are float32 and int64") {
            () throws(DamaError) in try g.add(x, ids)
        }
        fails(.model, "layers.7/reshape: [batch, 4] and [batch, 5] differ in the number of elements") {
            () throws(DamaError) in try g.reshape(x, ["batch", 5])
        }
        fails(.internal, "no value gives the lengths \"a\" and \"b\"") {
            () throws(DamaError) in try g.reshape(x, ["a", "b"])
        }
        fails(.model, "3 ..< 2 is not within axis 1") {
            () throws(DamaError) in try g.slice(x, axis: 1, from: 3, to: 2)
        }
        fails(.internal, "has no axis 2") { () throws(DamaError) in try g.slice(x, axis: 2, from: 1) }
        fails(.model, "layers.7/rmsNorm: float32 [3, 5] does not fit") {
            () throws(DamaError) in try g.rmsNorm(x, scale: w, epsilon: 1e-6)
        }
        fails(.model, "weight \"w\" is used as float32 [3, 5]") {
            () throws(DamaError) in try g.weight("w", .float32, [5, 3])
        }
        fails(.internal, "two values named \"x\"") { () throws(DamaError) in try g.input("x", .float32, []) }
        fails(.model, "layers.7/splitHeads: [batch, 4] does not split into 3 heads") {
            () throws(DamaError) in try g.splitHeads(x, 3)
        }
    }
}

/// Numbers at a fixed address.
private final class Memory {
    let floats: UnsafeMutableBufferPointer<Float>

    init(_ values: [Float]) {
        floats = .allocate(capacity: values.count)
        _ = floats.initialize(from: values)
    }

    deinit { floats.deallocate() }
}
