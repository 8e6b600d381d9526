import DamaRuntime
import DamaSupport
import DamaTestSupport
import XCTest

@testable import DamaGraph
@testable import DamaModels

/// No graph of the library sums over an empty axis, whatever the length of its inputs.
///
/// Sequences of fewer than 8 blocks of 64 tokens used to give attention blocks without a query. The products in their
/// gradient have an inner length of 0, for which ONNX Runtime before 1.32 returns garbage.
final class EmptySumTests: XCTestCase {
    override class func setUp() { TestRuntime.configure() }

    private typealias Known = LengthEvaluator.Known
    private typealias Port = LlamaGraph.Port
    private static let lengths = 1...600
    /// Lengths around the borders of blocks.
    private static let borders = [1, 2, 7, 8, 9, 15, 16, 17, 23, 24, 112, 121, 127, 128, 129, 600]

    /// - Parameter isPlain: Without the norms and the window of Llama's relatives.
    private func configuration(keyHeads: Int = 2, isPlain: Bool = true) throws -> LlamaConfiguration {
        var configuration = try LlamaConfiguration(
            ConfigReader(
                .object([
                    "vocab_size": 64, "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2,
                    "num_attention_heads": 4, "num_key_value_heads": .int(Int64(keyHeads)),
                    "max_position_embeddings": 1024, "rms_norm_eps": 1e-5, "hidden_act": "silu",
                ]), place: "config.json"))
        if !isPlain {
            configuration.queryKeyNorm = true
            configuration.window = AttentionWindow(size: 5, layers: [1])
        }
        return configuration
    }

    /// The inputs from the host for a batch of rows of `length` tokens, two of them responses.
    private func decoderFeeds(_ length: Int, batch: Int = 2, half: Int = 4) -> [String: Known] {
        // Padded as in LlamaDecoder.scoringInputs; testTheHostPadsToEveryBlock checks that it does.
        let sequence = max(GraphBuilder.leastCausalLength, length)
        let rows = 2 * batch
        var feeds = [
            Port.embeddings: [batch, sequence, 32], Port.positions: [batch, sequence], Port.cosine: [sequence, half],
            Port.sine: [sequence, half], Port.mask: [batch, 1, sequence, sequence],
            Port.windowMask: [batch, 1, sequence, sequence], Port.rows: [rows],
            Port.inverseRows: [batch * sequence, 2], Port.targets: [rows],
        ]
        feeds["\(Port.logProbabilities).seed"] = [rows]
        feeds["\(Port.logits).seed"] = [rows, 64]
        return feeds.mapValues { Known(shape: $0) }
    }

    /// Runs both halves, and the accumulating backward half if there is one.
    private func check(
        _ result: Differentiation, _ accumulating: Graph?, _ feeds: [String: Known], _ what: String
    ) throws {
        let forward = try LengthEvaluator(graph: result.forward).run(feeds)
        XCTAssertEqual(forward.emptySums, [], "forward, \(what)")
        let kept = feeds.merging(forward.outputs) { $1 }
        let backward = try LengthEvaluator(graph: result.backward).run(kept)
        XCTAssertEqual(backward.emptySums, [], "backward, \(what)")
        guard let accumulating else { return }
        var before = kept
        for (name, value) in backward.outputs { before[Differentiation.before(name)] = value }
        XCTAssertEqual(try LengthEvaluator(graph: accumulating).run(before).emptySums, [], "adding, \(what)")
    }

    func testTrainingTheDecoder() throws {
        try checkTraining(isPlain: true)
        try checkTraining(isPlain: false)
    }

    private func checkTraining(isPlain: Bool) throws {
        let graphs = LlamaGraph(try configuration(isPlain: isPlain))
        for head in [LlamaGraph.Head.logits, .logProbabilities] {
            let output = head == .logits ? Port.logits : Port.logProbabilities
            let plain = try graphs.scoring(head, trainable: true)
            let adapters = try LowRankAdapters(rank: 2, alpha: 4, targets: ["all-linear"]).adapters(
                in: plain, modules: LowRankAdapters.knownTargets)
            let adapted = try plain.adding(adapters)
            let weights = plain.weights.map(plain.name(of:))
            let low = adapters.flatMap { [$0.nameA, $0.nameB] }
            for (graph, trainable, what) in [
                (plain, [Port.embeddings] + weights, "full"), (adapted, low, "LoRA"),
                (plain, [Port.embeddings], "projector"),
            ] {
                for scopes in [[], graph.scopes] {
                    let result = try graph.differentiate(outputs: [output], trainable: trainable, recompute: scopes)
                    let adding = try result.accumulating(Set(trainable).subtracting([Port.embeddings]))
                    // Every length for the whole model; the others divide into the same blocks.
                    let isMain = isPlain && what == "full" && head == .logits && scopes.isEmpty
                    for length in isMain ? Array(Self.lengths) : Self.borders {
                        try check(
                            result, Self.borders.contains(length) ? adding : nil, decoderFeeds(length),
                            "\(what), \(output), \(scopes.count) scopes again, \(length) tokens")
                    }
                }
            }
        }
    }

    func testScoringAndGeneration() throws {
        for (keyHeads, isPlain) in [(1, true), (4, true), (2, false)] {
            let graphs = LlamaGraph(try configuration(keyHeads: keyHeads, isPlain: isPlain))
            for head in [LlamaGraph.Head.logits, .logProbabilities] {
                let scoring = LengthEvaluator(graph: try graphs.scoring(head))
                for length in Self.borders {
                    XCTAssertEqual(try scoring.run(decoderFeeds(length)).emptySums, [], "\(length)")
                }
            }
            let generation = LengthEvaluator(graph: try graphs.generation())
            for length in Self.lengths {
                var feeds = decoderFeeds(length)
                feeds[Port.embeddings] = Known(shape: [2, length, 32])
                feeds[Port.positions] = Known(shape: [2, length])
                feeds[Port.rows] = Known(shape: [2])
                feeds[Port.lastPositions] = Known(shape: [2])
                feeds[Port.totalLength] = Known(shape: [])
                for layer in 0..<2 {
                    let cache = Known(shape: [2, keyHeads, length + 1, graphs.cachedHeadSize])
                    feeds[Port.pastKey(layer)] = cache
                    feeds[Port.pastValue(layer)] = cache
                }
                XCTAssertEqual(try generation.run(feeds).emptySums, [], "\(length)")
            }
        }
    }

    private func imageConfiguration(
        _ tower: String = "clip_vision_model", more: [(key: String, value: JSON)]
    ) throws -> ConfigReader {
        let members: [(key: String, value: JSON)] = [
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
        ]
        return try ConfigReader(.object(JSONObject(members + more)), place: "config.json")
    }

    /// Trains all weights, with and without recomputation, and the projector alone.
    private func checkVision(
        _ graph: Graph, projector: String, _ batches: [(what: String, feeds: [String: [Int]])]
    ) throws {
        let weights = graph.weights.map(graph.name(of:))
        let projected = weights.filter { $0.hasPrefix(projector) }
        XCTAssertFalse(projected.isEmpty)
        for (trainable, scopes) in [(weights, []), (weights, graph.scopes), (projected, [])] {
            let result = try graph.differentiate(
                outputs: ["image_features"], trainable: trainable, recompute: scopes)
            let adding = try result.accumulating(Set(trainable))
            for (what, feeds) in batches {
                try check(result, adding, feeds.mapValues { Known(shape: $0) }, "\(trainable.count) trained, \(what)")
            }
        }
    }

    func testVision() throws {
        for (model, strategy) in [("clip_vision_model", "default"), ("siglip_vision_model", "full")] {
            let reader = try imageConfiguration(
                model, more: [("image_token_index", 5), ("vision_feature_select_strategy", .string(strategy))])
            let graph = try LlavaVision.graph(
                LlavaConfiguration(reader),
                LlavaVision.Names(tower: "vision_tower.", projector: "multi_modal_projector."))
            try checkVision(
                graph, projector: "multi_modal_projector",
                (1...9).map {
                    ("\($0) images", ["pixel_values": [$0, 3, 16, 16], "image_features.seed": [$0, 16, 20]])
                })
        }
    }

    func testVisionOfTiles() throws {
        let next = try LlavaNextConfiguration(imageConfiguration(more: [("image_token_index", 5)]))
        let names = LlavaNextGraph.Names(
            llava: LlavaVision.Names(tower: "vision_tower.", projector: "multi_modal_projector."),
            newline: "image_newline")
        func feeds(_ tiles: Int, _ rows: Int) -> [String: [Int]] {
            [
                "pixel_values": [tiles, 3, 16, 16], "rows": [rows], "line_breaks": [rows, 1],
                "inverse_rows": [tiles * 16, 1], "image_features.seed": [rows, 20],
            ]
        }
        // One image whose grid shows nothing of it, one of a full grid, and several.
        let batches = [(2, 16), (5, 88), (7, 123)]
        try checkVision(
            LlavaNextGraph.graph(next, names, trainable: true), projector: "multi_modal_projector",
            batches.map { ("\($0) tiles", feeds($0, $1)) })
        for (tiles, rows) in batches {
            let forward = LengthEvaluator(graph: try LlavaNextGraph.graph(next, names))
            let known = feeds(tiles, rows).mapValues { Known(shape: $0) }
            XCTAssertEqual(try forward.run(known).emptySums, [], "\(tiles) tiles")
        }
        // With tiles of the positions' size, and smaller ones, which look their positions up.
        for tile in [16, 8] {
            let reader = try imageConfiguration(more: [("image_token_id", 5), ("model_type", "smolvlm")])
            let graph = try Idefics3Graph.graph(Idefics3Configuration(reader, tile: tile))
            let tokens = (tile / 8) * (tile / 8)
            try checkVision(
                graph, projector: "model.connector",
                [1, 2, 17].map {
                    ("\($0) tiles", ["pixel_values": [$0, 3, tile, tile], "image_features.seed": [$0, tokens, 20]])
                })
        }
    }

    func testCLIP() throws {
        let graph = CLIPGraph(
            try CLIPConfiguration(directory: Fixtures.path("../../DamaModelsTests/Fixtures/clip/exported")))
        let vision = LengthEvaluator(graph: try graph.vision())
        let size = graph.configuration.vision.imageSize
        for batch in 1...9 {
            let feeds = ["pixel_values": Known(shape: [batch, 3, size, size])]
            XCTAssertEqual(try vision.run(feeds).emptySums, [], "\(batch) images")
        }
        let text = LengthEvaluator(graph: try graph.text())
        for length in 1...77 {
            // As many texts as needed for packs of every shape, from one token on.
            let texts = (0..<1 + length % 7).map { text in (0..<length).map { Int32(text * length + $0) } }
            for packs in TokenPacks.layOut(texts, runTokens: 640) {
                let feeds = [
                    CLIPGraph.Port.tokens: [packs.packs, packs.length],
                    CLIPGraph.Port.positions: [packs.packs, packs.length],
                    CLIPGraph.Port.mask: [packs.packs, 1, packs.length, packs.length],
                    CLIPGraph.Port.ends: [packs.packs, packs.ends],
                    CLIPGraph.Port.endMask: [packs.packs, 1, packs.ends, packs.length],
                ]
                XCTAssertEqual(try text.run(feeds.mapValues { Known(shape: $0) }).emptySums, [], "\(length)")
            }
        }
    }

    func testSigLIP() throws {
        let config = try ConfigReader(
            path: Fixtures.path("../../DamaModelsTests/Fixtures/siglip/config.json"))
        let graph = SiglipGraph(try SiglipConfiguration(config))
        let (vision, text) = (
            LengthEvaluator(graph: try graph.vision()), LengthEvaluator(graph: try graph.text())
        )
        let (size, length) = (graph.configuration.vision.imageSize, graph.configuration.text.length)
        for batch in 1...13 {
            let pixels = [SiglipGraph.Port.pixels: Known(shape: [batch, 3, size, size])]
            XCTAssertEqual(try vision.run(pixels).emptySums, [], "\(batch) images")
            let tokens = [SiglipGraph.Port.tokens: Known(shape: [batch, length])]
            XCTAssertEqual(try text.run(tokens).emptySums, [], "\(batch) texts")
        }
    }

    /// Attention alone, at any length: no element of a result is a sum over nothing.
    func testAttentionOfAnyLength() throws {
        for (blocks, minimum) in [(3, 1), (8, 16)] {
            let g = GraphBuilder("attention")
            func part(_ name: String, _ heads: Int) throws(DamaError) -> Value {
                try g.input(name, .float32, ["batch", .fixed(heads), "sequence", 2])
            }
            try g.output(
                "y",
                g.causalAttention(
                    part("q", 4), part("k", 2), part("v", 2),
                    mask: g.input("mask", .float32, ["batch", 1, "sequence", "sequence"]), blocks: blocks,
                    minimum: minimum))
            let result = try g.graph.differentiate(outputs: ["y"], trainable: ["q", "k", "v"])
            for length in Self.lengths {
                var feeds = [
                    "q": [2, 4, length, 2], "k": [2, 2, length, 2], "v": [2, 2, length, 2],
                    "mask": [2, 1, length, length], "y.seed": [2, length, 8],
                ].mapValues { Known(shape: $0) }
                let forward = try LengthEvaluator(graph: result.forward).run(feeds)
                feeds.merge(forward.outputs) { $1 }
                let backward = try LengthEvaluator(graph: result.backward).run(feeds)
                XCTAssertEqual(forward.undefined + backward.undefined, [], "\(blocks) blocks, \(length) tokens")
                if length >= blocks {
                    XCTAssertEqual(forward.emptySums + backward.emptySums, [], "\(blocks) blocks, \(length) tokens")
                }
                XCTAssertEqual(backward.outputs["k.gradient"]?.shape, [2, 2, length, 2])
            }
        }
    }

    /// The shortest sequences are padded to a query for each block.
    func testTheHostPadsToEveryBlock() throws {
        let directory = Fixtures.path("../../DamaModelsTests/Fixtures/llama/mha")
        let runtime = try OnnxRuntime.load()
        let decoder = try LlamaDecoder(
            LlamaConfiguration(ConfigReader(path: "\(directory)/config.json")),
            ModelWeights(WeightStore(directory: directory), runtime), runtime)
        for (prefix, response) in [(1, 1), (3, 2), (6, 2), (7, 2), (40, 9)] {
            let sequence = try TokenSequence(
                prefix: [Int32](repeating: 3, count: prefix), responses: [[Int32](repeating: 4, count: response)])
            let inputs = try decoder.scoringInputs([DecoderRow(sequence)])
            let expected = max(8, prefix + response)
            XCTAssertEqual(inputs[Port.embeddings]?.shape[1], expected)
            XCTAssertEqual(inputs[Port.mask]?.shape, [1, 1, expected, expected])
        }
        XCTAssertEqual(GraphBuilder.leastCausalLength, 8)
    }
}
