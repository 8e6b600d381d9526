import CDamaCuda
import CudaEmulation
import DamaRuntime
import DamaSupport
import DamaTestSupport
import XCTest

@testable import DamaGraph
@testable import DamaModels

/// Graphs with fused operators against the plain graphs, which other tests compare with torch. The operators run on the
/// CPU provider, first as the CPU's kernels, then as the device's in emulation.
final class FusedGraphTests: XCTestCase {
    override class func setUp() { TestRuntime.configure() }

    override func tearDown() {
        cdama_operators_use_device_kernels(0)
        cdama_cuda_set_launcher(nil)
    }

    private func results(
        _ graph: Graph, _ feeds: [String: Tensor], trainable: [String], recompute: [String]
    ) throws -> [String: Tensor] {
        let parts = try graph.differentiate(
            outputs: [LlamaGraph.Port.logProbabilities], trainable: trainable, recompute: recompute
        ).fusingSums().fusingNorms()
        let kept = try parts.forward.run(feeds)
        return try parts.backward.run(feeds.merging(kept) { $1 }).merging(
            [LlamaGraph.Port.logProbabilities: try XCTUnwrap(kept[LlamaGraph.Port.logProbabilities])]) { $1 }
    }

    /// Log-probabilities and every gradient.
    private func compare(
        _ size: DecoderSize, adapters: [Adapter] = [], recompute: Bool = false, flash: Bool = false, emulated: Bool
    ) throws {
        let plain = try size.graph(fused: false, adapters: adapters)
        let fused = try size.graph(fused: true, flash: flash, adapters: adapters)
        let feeds = try size.feeds(plain)
        let trainable =
            [LlamaGraph.Port.embeddings]
            + plain.weights.map(plain.name(of:)).filter {
                adapters.isEmpty || $0.contains("lora_") || $0.contains("norm")
            }
        let scopes = recompute ? plain.scopes : []
        let expected = try results(plain, feeds, trainable: trainable, recompute: scopes)
        if emulated {
            cdama_cuda_set_launcher(cuda_emulation_launch)
            cdama_operators_use_device_kernels(1)
        }
        let found = try results(fused, feeds, trainable: trainable, recompute: scopes)
        XCTAssertEqual(Set(found.keys), Set(expected.keys))
        let largest = expected.values.flatMap(\.values).map(abs).max() ?? 0
        for (name, value) in expected {
            // Sums of up to `sequence` numbers in another order, through two layers: a few dozen roundings of 6e-8. Some
            // gradients are 0 but for roundings (one token: those of queries and keys), so the scale has a floor.
            let scale = max(value.values.map(abs).max() ?? 0, 1e-2 * largest)
            let other = try XCTUnwrap(found[name])
            XCTAssertEqual(other.shape, value.shape, name)
            let distance = zip(other.values, value.values).map { abs($0 - $1) }.max() ?? 0
            XCTAssertTrue(other.values.allSatisfy(\.isFinite), name)
            XCTAssertLessThan(distance, 2e-5 * scale, "\(name), \(size)")
        }
    }

    /// The plain graph sums over empty blocks in a sequence shorter than this, which older runtimes get wrong.
    private func isComparable(_ sequence: Int) throws -> Bool {
        let parts = try OnnxRuntime.load().version.split(separator: ".").compactMap { Int($0) }
        return sequence >= GraphBuilder.leastCausalLength || parts.lexicographicallyPrecedes([1, 32]) == false
    }

    func testLengths() throws {
        for sequence in [1, 7, 8, 103] where try isComparable(sequence) {
            try compare(DecoderSize(sequence: sequence), emulated: false)
        }
        try compare(DecoderSize(batch: 1, sequence: 824, heads: 2, keyHeads: 1, layers: 1), emulated: false)
    }

    func testLengthsEmulated() throws {
        try XCTSkipIf(cuda_emulation_is_available() == 0, "sanitizers do not follow the emulated threads")
        for sequence in [1, 7, 8, 40] where try isComparable(sequence) {
            try compare(DecoderSize(sequence: sequence), emulated: true)
        }
        // Heads whose halves are no multiple of 8.
        try compare(DecoderSize(batch: 1, sequence: 9, heads: 1, keyHeads: 1, headSize: 10, layers: 1), emulated: true)
    }

    func testAllHeadsHaveTheirKeys() throws {
        try compare(DecoderSize(sequence: 24, heads: 3, keyHeads: 3), emulated: false)
        try compare(DecoderSize(sequence: 24, heads: 6, keyHeads: 2, headSize: 16), emulated: false)
    }

    func testRecomputedLayers() throws {
        try compare(DecoderSize(sequence: 24), recompute: true, emulated: false)
    }

    /// One tile and several, the last of them partly outside the sequence; heads with keys of their own and without.
    func testFlashAttention() throws {
        for sequence in [1, 24, 64, 150] where try isComparable(sequence) {
            try compare(DecoderSize(sequence: sequence, headSize: 32), flash: true, emulated: false)
        }
        try compare(DecoderSize(sequence: 70, heads: 2, keyHeads: 2, headSize: 64), flash: true, emulated: false)
        try compare(DecoderSize(sequence: 24, headSize: 32), recompute: true, flash: true, emulated: false)
        // Without a kernel for the size, attention is that of several kernels.
        try compare(DecoderSize(sequence: 24, headSize: 16), flash: true, emulated: false)
    }

    /// Flash attention reads the values of all heads side by side, so that nothing reads those that were split.
    func testUnreadNodesAreLeftOut() throws {
        let size = DecoderSize(sequence: 24, headSize: 32)
        let graph = try size.graph(fused: true, flash: true)
        let live = graph.withoutUnreadNodes()
        XCTAssertEqual(graph.nodes.count { $0.op == "Transpose" }, 2)
        XCTAssertEqual(live.nodes.count { $0.op == "Transpose" }, 0)
        let read = Set((live.nodes.flatMap { $0.inputs.compactMap(\.self) } + live.outputs).map(\.id))
        for node in live.nodes { XCTAssertTrue(node.outputs.contains { read.contains($0.id) }, node.name) }
        let feeds = try size.feeds(graph)
        let expected = try graph.run(feeds)
        XCTAssertEqual(expected.count, 1)
        for (name, value) in try live.run(feeds) { XCTAssertEqual(value.values, expected[name]?.values, name) }
    }

    func testAdapters() throws {
        for recompute in [false, true] {
            try compare(
                DecoderSize(sequence: 24), adapters: DecoderSize(sequence: 24).adapters, recompute: recompute,
                emulated: false)
        }
    }

    /// Gradients that are added to earlier ones: those of two runs are twice those of one, whether the sum is an
    /// operator of its own or part of a product.
    func testAccumulation() throws {
        let size = DecoderSize(sequence: 24)
        let graph = try size.graph(fused: true)
        let feeds = try size.feeds(graph)
        let trainable = graph.weights.map(graph.name(of:))
        let parts = try graph.differentiate(outputs: [LlamaGraph.Port.logProbabilities], trainable: trainable)
        let given = feeds.merging(try parts.forward.run(feeds)) { $1 }
        let once = try parts.backward.run(given)
        var before: [String: Tensor] = [:]
        for (name, value) in once { before[Differentiation.before(name)] = value }
        let sums = try parts.accumulating(Set(trainable))
        XCTAssertGreaterThan(sums.nodes.filter { $0.op == "WeightGradient" && $0.inputs.count == 3 }.count, 10)
        for (name, value) in try sums.run(given.merging(before) { $1 }) {
            let single = try XCTUnwrap(once[name])
            // One rounding of the sum.
            XCTAssertLessThan(
                value.distance(to: Tensor(single.values.map { 2 * $0 }, single.shape)), 1e-6, name)
        }
    }

    /// The forms that make the fused graphs fast are there: one kernel where there were several.
    func testNodes() throws {
        let size = DecoderSize(sequence: 24)
        let graph = try size.graph(fused: true)
        let parts = try graph.differentiate(
            outputs: [LlamaGraph.Port.logProbabilities], trainable: graph.weights.map(graph.name(of:)))
        func counts(_ graph: Graph) -> [String: Int] {
            graph.nodes.filter { $0.domain == "dama" }.reduce(into: [:]) { $0[$1.op, default: 0] += 1 }
        }
        XCTAssertEqual(
            counts(parts.forward),
            ["RmsNorm": 5, "RotaryHeads": 4, "MaskSoftmax": 2, "SwiGLU": 2, "TokenLogProbabilities": 1])
        // Gradients of the 14 projections and the head, and of the rows that the last layer selects twice.
        XCTAssertEqual(
            counts(parts.backward),
            [
                "RotaryHeads": 4, "MaskSoftmax": 2, "SoftmaxGrad": 2, "RowDot": 2, "SwiGLUGrad": 2, "RmsNormGrad": 4,
                "RmsNormScaleGrad": 5, "TokenLogProbabilitiesGrad": 1, "WeightGradient": 15, "SumRows": 2,
            ])
        // Every norm but the last adds the gradient of the residual path; the first has no input to pass it to.
        XCTAssertEqual(parts.backward.nodes.filter { $0.op == "RmsNormGrad" && $0.inputs.count == 5 }.count, 3)
        // Three projections of a norm's output add to one sum, and two of the feed-forward layer, in each layer.
        XCTAssertEqual(counts(parts.fusingSums().backward)["AddedProduct"], 6)
        let flash = try DecoderSize(sequence: 24, headSize: 32).graph(fused: true, flash: true)
        let halves = try flash.differentiate(
            outputs: [LlamaGraph.Port.logProbabilities], trainable: flash.weights.map(flash.name(of:)))
        XCTAssertEqual(
            counts(halves.forward),
            [
                "RmsNorm": 5, "RotaryHeads": 4, "MaskTiles": 1, "FlashAttention": 2, "SwiGLU": 2,
                "TokenLogProbabilities": 1,
            ])
        XCTAssertEqual(counts(halves.backward)["FlashAttentionGrad"], 2)
        XCTAssertEqual(counts(halves.backward)["MaskTiles"], 1)
        XCTAssertFalse((halves.forward.nodes + halves.backward.nodes).contains { $0.op == "Transpose" })
        for graph in [parts.backward, parts.fusingSums().backward, halves.backward] {
            XCTAssertTrue(Set(counts(graph).keys).isSubset(of: FusedOperators.float32.keys))
        }
    }
}
