import CDamaCuda
import CudaEmulation
import DamaRuntime
import DamaSupport
import DamaTestSupport
import XCTest

@testable import DamaGraph
@testable import DamaModels

/// CLIP's towers with fused kernels against the plain graphs, which other tests compare with transformers. The operators
/// run on the CPU provider, first as the CPU's kernels, then as the device's in emulation.
final class FusedTowerTests: XCTestCase {
    override class func setUp() { TestRuntime.configure() }

    override func tearDown() {
        cdama_operators_use_device_kernels(0)
        cdama_cuda_set_launcher(nil)
    }

    private static let kernels = GraphKernels(fused: true, flash: true)

    /// - Parameter side: patches of a side of the image; the tower has one row more.
    private func vision(_ kernels: GraphKernels, _ activation: String, side: Int) throws -> Graph {
        let config = JSON.object([
            "vision_config": .object([
                "hidden_size": 64, "intermediate_size": 24, "num_hidden_layers": 3, "num_attention_heads": 2,
                "image_size": .int(Int64(4 * side)), "patch_size": 4, "hidden_act": .string(activation),
            ]),
            "text_config": .object([
                "vocab_size": 32, "hidden_size": 20, "intermediate_size": 16, "num_hidden_layers": 1,
                "num_attention_heads": 2,
            ]),
            "image_token_index": 5,
        ])
        return try LlavaVision.graph(
            LlavaConfiguration(ConfigReader(config, place: "config.json")),
            LlavaVision.Names(tower: "vision_tower.", projector: "multi_modal_projector."), kernels)
    }

    private func emulate() {
        cdama_cuda_set_launcher(cuda_emulation_launch)
        cdama_operators_use_device_kernels(1)
    }

    private func assertEqual(_ found: [String: Tensor], _ expected: [String: Tensor], _ name: String) throws {
        XCTAssertEqual(Set(found.keys), Set(expected.keys), name)
        let largest = expected.values.flatMap(\.values).map(abs).max() ?? 0
        for (key, value) in expected {
            // Sums of up to 82 numbers in another order, through three layers: a few dozen roundings of 6e-8. The
            // gradient of a key's bias is 0 but for roundings, so the scale has a floor.
            let scale = max(value.values.map(abs).max() ?? 0, 1e-2 * largest)
            let other = try XCTUnwrap(found[key])
            XCTAssertEqual(other.shape, value.shape, key)
            let distance = zip(other.values, value.values).map { abs($0 - $1) }.max() ?? .infinity
            XCTAssertLessThan(distance, 2e-5 * scale, "\(name), \(key)")
        }
    }

    /// Features and all gradients; 10 rows are part of a tile, 82 are one and a part.
    private func compare(_ activation: String, side: Int, emulated: Bool) throws {
        let plain = try vision(.none, activation, side: side)
        // In emulation attention has no kernel for float32.
        let fused = try vision(
            emulated ? GraphKernels(fused: true) : Self.kernels, activation, side: side)
        var generator = RandomGenerator(seed: 5)
        var feeds = plain.randomWeights(&generator)
        feeds["pixel_values"] = Tensor(random: &generator, [2, 3, 4 * side, 4 * side])
        feeds["image_features.seed"] = Tensor(random: &generator, [2, side * side, 20])
        func results(_ graph: Graph) throws -> [String: Tensor] {
            let parts = try graph.differentiate(
                outputs: ["image_features"], trainable: graph.weights.map(graph.name(of:))
            ).fusingSums()
            let kept = try parts.forward.run(feeds)
            return try parts.backward.run(feeds.merging(kept) { $1 }).merging(
                ["image_features": try XCTUnwrap(kept["image_features"])]) { $1 }
        }
        let expected = try results(plain)
        if emulated { emulate() }
        try assertEqual(results(fused), expected, "\(activation), \(side)")
    }

    func testVision() throws {
        for activation in ["quick_gelu", "gelu", "gelu_pytorch_tanh"] {
            try compare(activation, side: 3, emulated: false)
        }
        try compare("quick_gelu", side: 9, emulated: false)
    }

    func testVisionEmulated() throws {
        try XCTSkipIf(cuda_emulation_is_available() == 0, "sanitizers do not follow the emulated threads")
        for activation in ["quick_gelu", "gelu", "gelu_pytorch_tanh"] {
            try compare(activation, side: 3, emulated: true)
        }
    }

    /// The scoring towers; the texts are packed, with a mask for each pack.
    func testScoring() throws {
        let config = JSON.object([
            "projection_dim": 12,
            "vision_config": .object([
                "hidden_size": 64, "intermediate_size": 24, "num_hidden_layers": 3, "num_attention_heads": 2,
                "image_size": 12, "patch_size": 4,
            ]),
            "text_config": .object([
                "vocab_size": 32, "hidden_size": 64, "intermediate_size": 16, "num_hidden_layers": 3,
                "num_attention_heads": 1, "max_position_embeddings": 9, "eos_token_id": 31,
            ]),
        ])
        let configuration = try CLIPConfiguration(ConfigReader(config, place: "config.json"))
        var generator = RandomGenerator(seed: 6)
        var sequences: [[Int32]] = []
        for number: Int32 in 0..<40 {
            let words: [Int32] = (0..<number % 7).map { ($0 * 5 + number) % 29 }
            sequences.append([30] + words + [31])
        }
        let packs = try XCTUnwrap(TokenPacks.layOut(sequences, runTokens: 8192).first)
        XCTAssertGreaterThan(packs.length, FusedOperators.attentionTile)
        typealias Port = CLIPGraph.Port
        let (count, length, ends) = (packs.packs, packs.length, packs.ends)
        let texts = [
            Port.tokens: Tensor(integers: packs.tokens.map(Int.init), [count, length]),
            Port.positions: Tensor(integers: packs.positions.map(Int.init), [count, length]),
            Port.mask: Tensor(packs.mask.map(Double.init), [count, 1, length, length]),
            Port.ends: Tensor(integers: packs.endRows.map(Int.init), [count, ends]),
            Port.endMask: Tensor(packs.endMask.map(Double.init), [count, 1, ends, length]),
        ]
        let images = [Port.pixels: Tensor(random: &generator, [3, 3, 12, 12])]
        let (plain, fused) = (CLIPGraph(configuration), CLIPGraph(configuration, kernels: Self.kernels))
        for (graph, other, inputs) in [
            (try plain.vision(), try fused.vision(), images), (try plain.text(), try fused.text(), texts),
        ] {
            let feeds = inputs.merging(graph.randomWeights(&generator)) { $1 }
            try assertEqual(other.run(feeds), graph.run(feeds), graph.name)
            // The last layer has one query, for which attention is that of several kernels.
            XCTAssertEqual(other.nodes.count { $0.op == "FlashAttention" }, 2, graph.name)
            XCTAssertEqual(other.nodes.count { $0.op == "AddBias" }, 9, graph.name)
            XCTAssertFalse(other.nodes.contains { $0.op == "QuickGelu" }, graph.name)
        }
        XCTAssertEqual(try fused.text().nodes.count { $0.op == "MaskTiles" }, 1)
        XCTAssertEqual(try fused.vision().nodes.count { $0.op == "MaskTiles" }, 0)
    }

    /// Float16, in which attention has a kernel for a device too.
    func testHalves() throws {
        let side = 3
        let graph = try vision(.none, "quick_gelu", side: side)
        var generator = RandomGenerator(seed: 7)
        var feeds = graph.randomWeights(&generator)
        feeds["pixel_values"] = Tensor(random: &generator, [2, 3, 4 * side, 4 * side])
        let exact = try XCTUnwrap(graph.run(feeds)["image_features"])
        let lowered = try vision(Self.kernels, "quick_gelu", side: side).lowered(to: .float16)
        XCTAssertEqual(lowered.nodes.count { $0.op == "FlashAttention_f16" }, 2)
        XCTAssertEqual(lowered.nodes.count { $0.op == "AddBias_f16" }, 7)
        for emulated in [false, true] where !emulated || cuda_emulation_is_available() != 0 {
            if emulated { emulate() }
            // A dozen roundings of 2⁻¹¹.
            let found = try XCTUnwrap(lowered.run(lowered.typed(feeds))["image_features"])
            XCTAssertLessThan(found.distance(to: exact), 6e-3, "emulated: \(emulated)")
        }
    }
}
