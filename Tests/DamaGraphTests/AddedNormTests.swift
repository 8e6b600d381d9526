import CDamaCuda
import CudaEmulation
import DamaSupport
import DamaTestSupport
import XCTest

@testable import DamaGraph
@testable import DamaModels

/// Residual connections as a part of the norms that read them: bit for bit what the two operators give, on the CPU
/// provider with the CPU's kernels, then with the device's in emulation.
final class AddedNormTests: XCTestCase {
    override class func setUp() { TestRuntime.configure() }

    override func tearDown() {
        cdama_operators_use_device_kernels(0)
        cdama_cuda_set_launcher(nil)
    }

    private func onBoth(_ body: (Bool) throws -> Void) throws {
        try body(false)
        guard cuda_emulation_is_available() != 0 else { return }
        cdama_cuda_set_launcher(cuda_emulation_launch)
        cdama_operators_use_device_kernels(1)
        try body(true)
    }

    /// The operator of each type beside a sum in float32 that is cast to the type, and RmsNorm of it: whole and broken
    /// chunks of a row, one warp and several.
    func testBitsAreThoseOfTheTwo() throws {
        var generator = RandomGenerator(seed: 3)
        for type in [ElementType.float32, .float16, .bfloat16] {
            for (rows, width) in [(5, 64), (4, 9), (3, 1000)] {
                let (shape, statistics): (Shape, Shape) = ([.fixed(rows), .fixed(width)], [.fixed(rows), 1])
                let g = GraphBuilder("norms", kernels: GraphKernels(fused: true))
                func op(_ name: String) throws -> String { try XCTUnwrap(FusedOperators.name(name, for: type)) }
                let inputs = try ["x", "residual"].map { try g.cast(g.input($0, .float32, shape), to: type) }
                let scale = try g.cast(g.input("scale", .float32, [.fixed(width)]), to: type)
                let one = g.node(
                    try op("AddedRmsNorm"), domain: FusedOperators.domain, inputs + [scale],
                    outputs: [(type, shape), (type, shape), (.float32, statistics)],
                    attributes: [("epsilon", .float(1e-5))])
                let sum = g.cast(
                    try g.add(g.cast(inputs[0], to: .float32), g.cast(inputs[1], to: .float32)), to: type)
                let two = g.node(
                    try op("RmsNorm"), domain: FusedOperators.domain, [sum, scale],
                    outputs: [(type, shape), (.float32, statistics)], attributes: [("epsilon", .float(1e-5))])
                for (number, pair) in zip(one, [sum] + two).enumerated() {
                    try g.output("one\(number)", g.cast(pair.0, to: .float32))
                    try g.output("two\(number)", g.cast(pair.1, to: .float32))
                }
                let feeds = [
                    "x": Tensor(random: &generator, [rows, width]), "scale": Tensor(random: &generator, [width]),
                    // Numbers far below those of x, of which rounding leaves a part.
                    "residual": Tensor(random: &generator, [rows, width], scale: 0.02),
                ]
                try onBoth { emulated in
                    let found = try g.graph.run(feeds)
                    for number in 0..<3 {
                        XCTAssertEqual(
                            found["one\(number)"], found["two\(number)"], "\(type), \(width), \(emulated): \(number)")
                    }
                    XCTAssertEqual(found["one0"]?.values.contains { $0 != 0 }, true)
                }
                tearDown()
            }
        }
    }

    /// Log-probabilities, what the backward half keeps, and all gradients.
    func testDecodersAreTheSame() throws {
        for (size, flash, lora, recompute) in [
            (DecoderSize(sequence: 24), false, false, false), (DecoderSize(sequence: 24), false, true, true),
            (DecoderSize(sequence: 9, headSize: 32), true, true, false),
            (DecoderSize(sequence: 9, headSize: 32), true, false, true),
        ] {
            let graph = try size.graph(fused: true, flash: flash, adapters: lora ? size.adapters : [])
            let feeds = try size.feeds(graph)
            let weights = graph.weights.map(graph.name(of:)).filter { !lora || $0.contains("lora_") }
            let apart = try graph.differentiate(
                outputs: [LlamaGraph.Port.logProbabilities], trainable: weights + [LlamaGraph.Port.embeddings],
                recompute: recompute ? graph.scopes : []
            ).fusingSums()
            let together = apart.fusingNorms()
            XCTAssertEqual(together.activations, apart.activations)
            func results(_ parts: Differentiation) throws -> [String: Tensor] {
                let kept = try parts.forward.run(feeds)
                return try parts.backward.run(feeds.merging(kept) { $1 }).merging(kept) { $1 }
            }
            try onBoth { emulated in
                // Emulated attention has no kernel for float32.
                if emulated, flash { return }
                let (found, expected) = (try results(together), try results(apart))
                XCTAssertEqual(Set(found.keys), Set(expected.keys))
                for (name, value) in expected { XCTAssertEqual(found[name], value, "\(name), \(size), \(emulated)") }
            }
            tearDown()
        }
    }

    /// A policy that equals its reference has its log-probabilities: the differentiated graph, with adapters that
    /// change nothing and without, and the plain graph of the reference.
    func testAnUntrainedPolicyHasTheBitsOfItsReference() throws {
        for flash in [false, true] {
            let size = DecoderSize(sequence: 24, headSize: 32)
            let graph = try size.graph(fused: true, flash: flash, adapters: size.adapters)
            var feeds = try size.feeds(graph)
            for (name, value) in feeds where name.contains("lora_B") {
                feeds[name] = Tensor(value.values.map { _ in 0 }, value.shape)
            }
            let name = LlamaGraph.Port.logProbabilities
            let reference = try size.graph(fused: true, flash: flash)
            let weights = reference.weights.map(reference.name(of:))
            try onBoth { emulated in
                if emulated, flash { return }
                let right = try XCTUnwrap(reference.fusingNorms().run(feeds)[name])
                for (policy, trained) in [(reference, weights), (graph, graph.weights.map(graph.name(of:)))] {
                    for scopes in [[], policy.scopes] {
                        let parts = try policy.differentiate(outputs: [name], trainable: trained, recompute: scopes)
                            .fusingSums().fusingNorms()
                        XCTAssertEqual(try parts.forward.run(feeds)[name], right, "\(flash), \(emulated)")
                    }
                }
            }
            tearDown()
        }
    }

    private func count(_ op: String, _ graph: Graph) -> Int { graph.nodes.count { $0.op == op } }

    /// No sum is left beside a norm, in the reference's graph and in a policy's.
    func testNodes() throws {
        let graph = try DecoderSize(sequence: 24, headSize: 32).graph(fused: true, flash: true)
        let weights = graph.weights.map(graph.name(of:))
        func halves(_ scopes: [String]) throws -> Differentiation {
            try graph.differentiate(
                outputs: [LlamaGraph.Port.logProbabilities], trainable: weights, recompute: scopes
            ).fusingSums().fusingNorms()
        }
        let kept = try halves([])
        // Two sums in each layer; the first norm reads the embeddings.
        for graph in [graph.withoutUnreadNodes().fusingNorms(), kept.forward] {
            XCTAssertEqual(count("AddedRmsNorm", graph), 4)
            XCTAssertEqual(count("RmsNorm", graph), 1)
            XCTAssertEqual(count("Add", graph), 0)
            XCTAssertEqual(count("Transpose", graph), 0)
        }
        let lowered = try graph.fusingNorms().lowered(to: .bfloat16)
        XCTAssertEqual(count("AddedRmsNorm_bf16", lowered), 4)
        XCTAssertEqual(lowered.castCount, try graph.lowered(to: .bfloat16).castCount)
        XCTAssertEqual(count("RmsNorm", kept.backward) + count("AddedRmsNorm", kept.backward), 0)
        // A layer's input is kept; the sum within it is computed again, in its norm.
        let recomputed = try halves(graph.scopes)
        XCTAssertEqual(count("RmsNorm", recomputed.backward), 2)
        XCTAssertEqual(count("AddedRmsNorm", recomputed.backward), 2)
        let plain = try DecoderSize(sequence: 24).graph(fused: false)
        XCTAssertEqual(plain.fusingNorms().onnx(), plain.onnx())
    }

    /// Sums that stay: one that another norm reads too is computed once, a bias is no residual, and a scale that is
    /// computed after the sum comes too late.
    func testSumsThatStay() throws {
        let g = GraphBuilder("sums", kernels: GraphKernels(fused: true))
        let (x, y) = (try g.input("x", .float32, ["rows", 16]), try g.input("y", .float32, ["rows", 16]))
        let weights = try ["a", "b", "c", "d"].map { try g.weight($0, .float32, [16]) }
        func norm(_ value: Value, _ scale: Value) throws {
            try g.output("n\(scale.id)", g.rmsNorm(value, scale: scale, epsilon: 1e-5))
        }
        let sum = try g.add(x, y)
        try norm(sum, weights[0])
        try norm(sum, weights[1])
        try norm(g.add(x, weights[2]), weights[2])
        let late = try g.add(y, x)
        try norm(late, g.negate(weights[3]))
        let fused = g.graph.fusingNorms()
        XCTAssertEqual(count("AddedRmsNorm", fused), 1)
        XCTAssertEqual(count("RmsNorm", fused), 3)
        XCTAssertEqual(count("Add", fused), 2)
        var generator = RandomGenerator(seed: 4)
        var feeds = ["x": Tensor(random: &generator, [3, 16]), "y": Tensor(random: &generator, [3, 16])]
        for name in ["a", "b", "c", "d"] { feeds[name] = Tensor(random: &generator, [16]) }
        XCTAssertEqual(try fused.run(feeds), try g.graph.run(feeds))
    }
}
