import DamaRuntime
import DamaSupport
import DamaTestSupport
import XCTest

@testable import DamaGraph
@testable import DamaModels

/// The graphs of models in float16 against float32, and their types in bfloat16, which the CPU cannot run.
///
/// Each rounding to float16 changes a number by up to 2⁻¹¹ ≈ 4.9e-4. Along a path through two or three layers lie about
/// forty of them, which add up like a random walk: √40 · 2⁻¹¹ ≈ 3e-3 of the numbers' size. Outputs are compared to 1e-2.
/// A gradient passes them twice, and sums numbers of both signs that cancel: 2e-2 of its norm.
final class ModelPrecisionTests: XCTestCase {
    override class func setUp() { TestRuntime.configure() }

    private typealias Port = LlamaGraph.Port
    private static let outputTolerance = 1e-2
    private static let gradientTolerance = 2e-2

    private func reader(_ members: [(key: String, value: JSON)]) throws -> ConfigReader {
        try ConfigReader(.object(JSONObject(members)), place: "config.json")
    }

    /// - Parameter isPlain: Without the norms and the window of Llama's relatives.
    private func llama(isPlain: Bool = true, headSize: Int = 16) throws -> LlamaGraph {
        var configuration = try LlamaConfiguration(
            reader([
                ("vocab_size", 64), ("hidden_size", .int(Int64(4 * headSize))), ("intermediate_size", 96),
                ("num_hidden_layers", 2), ("num_attention_heads", 4), ("num_key_value_heads", 2),
                ("max_position_embeddings", 64), ("rms_norm_eps", 1e-5), ("hidden_act", "silu"),
            ]))
        if !isPlain {
            configuration.queryKeyNorm = true
            configuration.window = AttentionWindow(size: 5, layers: [1])
        }
        return LlamaGraph(configuration)
    }

    /// Checks the lowered graph, runs it in float16 and compares its outputs with float32.
    private func compare(
        _ graph: Graph, _ feeds: [String: Tensor], _ generator: inout RandomGenerator, _ what: String
    ) throws {
        let feeds = feeds.merging(graph.randomWeights(&generator)) { $1 }
        try checkBFloat16(graph, what)
        let lowered = try graph.lowered(to: .float16)
        lowered.checkLowered(to: .float16, what)
        let (found, expected) = (try lowered.run(lowered.typed(feeds)), try graph.run(feeds))
        XCTAssertEqual(found.keys.sorted(), expected.keys.sorted())
        for (name, wanted) in expected {
            let output = try XCTUnwrap(found[name])
            XCTAssertEqual(output.type, wanted.type)
            XCTAssertLessThan(output.distance(to: wanted), Self.outputTolerance, "\(what), \(name)")
            XCTAssertGreaterThan(output.distance(to: wanted), 1e-6, "\(what), \(name) was not computed in float16")
        }
    }

    /// The CPU has no kernels, but it checks the types of the whole graph before it looks for them.
    private func checkBFloat16(_ graph: Graph, _ what: String) throws {
        let lowered = try graph.lowered(to: .bfloat16)
        lowered.checkLowered(to: .bfloat16, what)
        do {
            _ = try Session(OnnxRuntime.load(), model: lowered.onnx(weights: .inputs), name: what)
            XCTFail("\(what): the CPU has learnt bfloat16; compare its results")
        } catch let error as DamaError {
            XCTAssertTrue(error.message.contains("Could not find an implementation"), "\(what): \(error.message)")
        }
    }

    // MARK: Decoder

    private static let (batch, length) = (2, 24)

    /// The host's inputs; the last six tokens of the second sequence are padding that sees no key.
    private func decoderFeeds(
        _ graphs: LlamaGraph, _ generator: inout RandomGenerator
    ) throws -> [String: Tensor] {
        let (batch, length) = (Self.batch, Self.length)
        let half = graphs.configuration.headSize / 2
        func mask(_ window: Int?) -> Tensor {
            var values = [Double](repeating: 0, count: batch * length * length)
            for sequence in 0..<batch {
                for query in 0..<length {
                    for key in 0..<length
                    where key > query || query - key >= window ?? length
                        || sequence == 1 && query >= length - 6
                    {
                        values[(sequence * length + query) * length + key] = -1e9
                    }
                }
            }
            return Tensor(values, [batch, 1, length, length])
        }
        let rows = [3, 4, 4, 10, 20, 24, 30, 31, 40, 41]
        let (inverse, uses) = try RowGradients.inverse(of: rows.map(Int64.init), count: batch * length)
        func table(_ function: (Double) -> Double) -> Tensor {
            Tensor(
                (0..<length * half).map { function(Double($0 / half) / pow(10000, Double($0 % half) / Double(half))) },
                [length, half])
        }
        var feeds = [
            Port.embeddings: Tensor(random: &generator, [batch, length, graphs.configuration.hiddenSize]),
            Port.positions: Tensor(integers: (0..<batch).flatMap { _ in 0..<length }, [batch, length]),
            Port.cosine: table(cos), Port.sine: table(sin),
            Port.rows: Tensor(integers: rows, [rows.count]),
            Port.inverseRows: Tensor(integers: inverse.map { Int($0) }, [batch * length, uses]),
            Port.targets: Tensor(integers: [1, 5, 9, 63, 0, 7, 7, 30, 22, 11], [rows.count]),
        ]
        for (name, window) in graphs.masks { feeds[name] = mask(window) }
        feeds["\(Port.logProbabilities).seed"] = Tensor(random: &generator, [rows.count])
        feeds["\(Port.logits).seed"] = Tensor(random: &generator, [rows.count, 64])
        return feeds
    }

    func testScoring() throws {
        var generator = RandomGenerator(seed: 21)
        for isPlain in [true, false] {
            let graphs = try llama(isPlain: isPlain)
            let feeds = try decoderFeeds(graphs, &generator)
            for head in [LlamaGraph.Head.logits, .logProbabilities] {
                let graph = try graphs.scoring(head)
                try compare(graph, feeds, &generator, "\(head)")
                // Embeddings, cosine, sine, each mask; the logits or the result.
                XCTAssertEqual(try graph.lowered(to: .float16).castCount, 4 + graphs.masks.count)
            }
        }
    }

    func testGeneration() throws {
        var generator = RandomGenerator(seed: 22)
        // Heads that the attention kernel rotates; heads of 8; heads that are padded.
        for headSize in [16, 8, 12] {
            let graphs = try llama(headSize: headSize)
            let graph = try graphs.generation()
            let feeds = try decoderFeeds(graphs, &generator)
            let caches = (0..<2).flatMap { [Port.pastKey($0), Port.pastValue($0)] }
            let presents = (0..<2).flatMap { [Port.presentKey($0), Port.presentValue($0)] }
            for precision in [Precision.float16, .bfloat16] {
                let lowered = try graph.lowered(to: precision, natural: Set(caches + presents))
                lowered.checkLowered(to: precision.elementType, "generation")
                for name in caches + presents {
                    XCTAssertEqual(lowered.value(named: name)?.type, precision.elementType, name)
                }
                XCTAssertEqual(lowered.value(named: Port.logits)?.type, .float32)
            }
            var inputs = feeds.merging(graph.randomWeights(&generator)) { $1 }
            let last = [Self.length - 1, Self.length - 1]
            inputs[Port.lastPositions] = Tensor(last.map(Double.init), [2], .int32)
            inputs[Port.totalLength] = Tensor([Double(Self.length)], [], .int32)
            inputs[Port.rows] = Tensor(integers: [Self.length - 1, 2 * Self.length - 1], [2])
            for name in caches {
                inputs[name] = Tensor(
                    [Double](repeating: 0, count: 2 * 2 * 32 * graphs.cachedHeadSize),
                    [2, 2, 32, graphs.cachedHeadSize])
            }
            let lowered = try graph.lowered(to: .float16, natural: Set(caches + presents))
            let (found, expected) = (try lowered.run(lowered.typed(inputs)), try graph.run(inputs))
            for name in [Port.logits, Port.presentKey(1), Port.presentValue(1)] {
                XCTAssertLessThan(
                    try XCTUnwrap(found[name]).distance(to: XCTUnwrap(expected[name])), Self.outputTolerance,
                    "heads of \(headSize), \(name)")
            }
        }
    }

    // MARK: Training

    func testTraining() throws {
        var generator = RandomGenerator(seed: 23)
        for (isPlain, head) in [(true, LlamaGraph.Head.logProbabilities), (true, .logits), (false, .logProbabilities)] {
            let graphs = try llama(isPlain: isPlain)
            let plain = try graphs.scoring(head, trainable: true)
            let adapters = try LowRankAdapters(rank: 4, alpha: 8, targets: ["all-linear"]).adapters(
                in: plain, modules: LowRankAdapters.knownTargets)
            let adapted = try plain.adding(adapters)
            let feeds = try decoderFeeds(graphs, &generator)
            let low = adapters.flatMap { [$0.nameA, $0.nameB] }
            for (graph, trainable, what) in [
                (plain, [Port.embeddings] + plain.weights.map(plain.name(of:)), "full"), (adapted, low, "LoRA"),
            ] {
                var feeds = feeds.merging(graph.randomWeights(&generator)) { $1 }
                // Adapters change the model a little.
                for adapter in adapters {
                    guard let change = feeds[adapter.nameB] else { continue }
                    feeds[adapter.nameB] = Tensor(change.values.map { 0.1 * $0 }, change.shape)
                }
                for scopes in [[], graph.scopes] {
                    let output = head == .logits ? Port.logits : Port.logProbabilities
                    let halves = try graph.differentiate(outputs: [output], trainable: trainable, recompute: scopes)
                    try checkGradients(halves, feeds, "\(what), \(output), \(scopes.count) scopes again")
                }
            }
        }
    }

    private func checkGradients(_ halves: Differentiation, _ feeds: [String: Tensor], _ what: String) throws {
        for half in [halves.forward, halves.backward] {
            XCTAssertEqual(half.castCount, 0)
            try checkBFloat16(half, "\(what), \(half.name)")
        }
        let lowered = try halves.lowered(to: .float16)
        var types: [ElementType] = []
        for name in lowered.activations {
            let type = try XCTUnwrap(lowered.forward.value(named: name)?.type)
            XCTAssertEqual(type, lowered.backward.value(named: name)?.type, name)
            types.append(type)
            guard type == .float32 else { continue }
            XCTAssertTrue(
                name.contains("logsoftmax") || name.contains("layernormalization") && name.contains(":"),
                "\(name) is no statistic")
        }
        XCTAssertTrue(types.contains(.float16))
        lowered.forward.checkLowered(to: .float16, "\(what), forward")
        lowered.backward.checkLowered(to: .float16, "\(what), backward")
        let (found, expected) = (try gradients(lowered, feeds), try gradients(halves, feeds))
        for gradient in halves.gradients {
            for name in [gradient.dense].compactMap(\.self) + gradient.rows.map(\.values) {
                let error = try XCTUnwrap(found[name]).relativeError(to: XCTUnwrap(expected[name]))
                XCTAssertLessThan(error, Self.gradientTolerance, "\(what), \(name)")
            }
        }
    }

    /// Runs the halves one after the other.
    private func gradients(_ halves: Differentiation, _ feeds: [String: Tensor]) throws -> [String: Tensor] {
        let kept = try halves.forward.run(halves.forward.typed(feeds))
        return try halves.backward.run(halves.backward.typed(feeds.merging(kept) { $1 }))
    }

    // MARK: Images and texts

    private func imageConfiguration(_ tower: String) throws -> ConfigReader {
        try reader([
            (
                "vision_config",
                [
                    "model_type": .string(tower), "hidden_size": 24, "intermediate_size": 40,
                    "num_hidden_layers": 3, "num_attention_heads": 4, "image_size": 16, "patch_size": 4,
                ]
            ),
            (
                "text_config",
                [
                    "vocab_size": 32, "hidden_size": 20, "intermediate_size": 16, "num_hidden_layers": 1,
                    "num_attention_heads": 2,
                ]
            ),
            ("image_token_index", 5),
            ("vision_feature_select_strategy", .string(tower.hasPrefix("clip") ? "default" : "full")),
        ])
    }

    func testVision() throws {
        var generator = RandomGenerator(seed: 24)
        for tower in ["clip_vision_model", "siglip_vision_model"] {
            let graph = try LlavaVision.graph(
                LlavaConfiguration(imageConfiguration(tower)),
                LlavaVision.Names(tower: "vision_tower.", projector: "multi_modal_projector."))
            let pixels = ["pixel_values": Tensor(random: &generator, [3, 3, 16, 16])]
            try compare(graph, pixels, &generator, tower)
            // The projector's gradients, whose GELU has exponentials.
            let projector = graph.weights.map(graph.name(of:)).filter { $0.hasPrefix("multi_modal_projector") }
            let halves = try graph.differentiate(outputs: ["image_features"], trainable: projector)
            var feeds = pixels.merging(graph.randomWeights(&generator)) { $1 }
            feeds["image_features.seed"] = Tensor(random: &generator, [3, 16, 20])
            try checkGradients(halves, feeds, "\(tower)'s projector")
        }
    }

    func testTilesOfImages() throws {
        var generator = RandomGenerator(seed: 25)
        let next = try LlavaNextConfiguration(imageConfiguration("clip_vision_model"))
        let names = LlavaNextGraph.Names(
            llava: LlavaVision.Names(tower: "vision_tower.", projector: "multi_modal_projector."),
            newline: "image_newline")
        let feeds = [
            "pixel_values": Tensor(random: &generator, [2, 3, 16, 16]),
            "rows": Tensor(integers: (0..<16).map { 31 - $0 }, [16]),
            "line_breaks": Tensor((0..<16).map { $0 % 5 == 4 ? 1 : 0 }, [16, 1]),
        ]
        let graph = try LlavaNextGraph.graph(next, names)
        try compare(graph, feeds, &generator, "LLaVA-NeXT")
    }

    func testCLIP() throws {
        var generator = RandomGenerator(seed: 26)
        let graph = CLIPGraph(
            try CLIPConfiguration(directory: Fixtures.path("../../DamaModelsTests/Fixtures/clip/exported")))
        let size = graph.configuration.vision.imageSize
        try compare(
            graph.vision(), [CLIPGraph.Port.pixels: Tensor(random: &generator, [2, 3, size, size])], &generator,
            "CLIP's images")
        // Two packs of two texts of six and four tokens; the last two tokens are padding that sees no key.
        let starts = [0, 0, 0, 0, 0, 0, 6, 6, 6, 6, -1, -1]
        let mask = (0..<12).flatMap { query in
            (0..<12).map { key in starts[query] == starts[key] && key <= query && starts[query] >= 0 ? 0 : -1e9 }
        }
        let ends = [5, 9]
        let endMask = ends.flatMap { mask[$0 * 12..<($0 + 1) * 12] }
        typealias Port = CLIPGraph.Port
        try compare(
            graph.text(),
            [
                Port.tokens: Tensor(integers: (0..<24).map { $0 % 9 }, [2, 12]),
                Port.positions: Tensor(
                    integers: (0..<2).flatMap { _ in starts.enumerated().map { max(0, $0 - max(0, $1)) % 6 } }, [2, 12]),
                Port.mask: Tensor(mask + mask, [2, 1, 12, 12]),
                Port.ends: Tensor(integers: ends + ends.map { $0 + 12 }, [2, 2]),
                Port.endMask: Tensor(endMask + endMask, [2, 1, 2, 12]),
            ], &generator, "CLIP's texts")
    }

    func testSigLIP() throws {
        var generator = RandomGenerator(seed: 27)
        let config = try ConfigReader(path: Fixtures.path("../../DamaModelsTests/Fixtures/siglip/config.json"))
        let graph = SiglipGraph(try SiglipConfiguration(config))
        let (size, length) = (graph.configuration.vision.imageSize, graph.configuration.text.length)
        try compare(
            graph.vision(), [SiglipGraph.Port.pixels: Tensor(random: &generator, [2, 3, size, size])], &generator,
            "SigLIP's images")
        try compare(
            graph.text(), [SiglipGraph.Port.tokens: Tensor(integers: (0..<2 * length).map { $0 % 9 }, [2, length])],
            &generator, "SigLIP's texts")
    }
}
