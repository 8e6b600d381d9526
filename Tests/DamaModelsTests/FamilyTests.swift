import DamaImage
import DamaRuntime
import DamaSupport
import DamaTestSupport
import XCTest

@testable import DamaModels

/// Llama's relatives, alone and behind a vision tower, from text to log-probabilities and text, against transformers
/// (Fixtures/make_families.py).
final class FamilyTests: XCTestCase {
    override class func setUp() { TestRuntime.configure() }

    private static let cases = [
        "mistral", "qwen2_window", "qwen3", "qwen3_window", "llava_mistral", "llava_qwen2", "llava_qwen3",
        "llava_siglip",
    ]

    private func policy(_ family: FamilyFixture, sharesPrefix: Bool = true) throws -> Policy {
        var options = PolicyOptions()
        (options.template, options.sharesPrefix) = (family.template, sharesPrefix)
        return try Policy(directory: family.directory, options: options)
    }

    func testLogProbabilitiesEqualTransformersFromText() throws {
        for name in Self.cases {
            let family = try FamilyFixture(name)
            let cases = try family.expected()
            let pairs = try cases.map {
                PreferencePair(
                    image: family.image.map(ImageSource.path), prompt: try text($0, "prompt"),
                    chosen: try text($0, "chosen"),
                    rejected: try text($0, "rejected"))
            }
            // Both responses behind one prefix, and each by itself.
            for sharesPrefix in [true, false] {
                let policy = try policy(family, sharesPrefix: sharesPrefix)
                for (found, json) in zip(try policy.logProbabilities(pairs), cases) {
                    for (response, key) in [(found.chosen, "chosen_logps"), (found.rejected, "rejected_logps")] {
                        let logps = try XCTUnwrap(json[key]?.array).map { Float(try XCTUnwrap($0.double)) }
                        XCTAssertEqual(response.count, logps.count, "\(name), \(key)")
                        // fp32 on both sides; log-probabilities are of the order of 10.
                        for (a, b) in zip(response.tokens, logps) {
                            XCTAssertEqual(a, b, accuracy: 1e-4, "\(name), \(key), shared prefix \(sharesPrefix)")
                        }
                    }
                }
            }
        }
    }

    func testGreedyTextEqualsTransformers() throws {
        for name in Self.cases {
            let family = try FamilyFixture(name)
            let cases = try family.expected()
            var options = GenerationOptions()
            options.maximumTokens = 24
            let policy = try policy(family)
            let requests = try cases.map {
                GenerationRequest(image: family.image.map(ImageSource.path), prompt: try text($0, "prompt"))
            }
            // A batch of prompts of different lengths, and each by itself.
            let found = try policy.generate(requests, options)
            XCTAssertEqual(found.map(\.tokens), try cases.map { try ids($0, "greedy") }, name)
            XCTAssertEqual(found.map(\.text), try cases.map { try text($0, "text") }, name)
            let single = try requests.map { try policy.generate([$0], options)[0].tokens }
            XCTAssertEqual(single, found.map(\.tokens), name)
        }
    }

    func testALlavaNamesTheTowersThatItTakes() throws {
        let config = try ConfigReader(["vision_config": ["model_type": "dinov2"]], place: "config.json")
        assertFails(
            .unsupported,
            "vision_config: model_type is \"dinov2\"; supported are \"clip_vision_model\", \"siglip_vision_model\""
        ) {
            _ = try LlavaConfiguration(config)
        }
    }

    func testALlavaNamesTheDecodersThatItTakes() throws {
        let config = try ConfigReader(["text_config": ["model_type": "gemma"]], place: "config.json")
        assertFails(
            .unsupported,
            "text_config: model_type is \"gemma\"; supported are \"llama\", \"mistral\", \"qwen2\", \"qwen3\""
        ) {
            _ = try LlavaConfiguration(config)
        }
    }

    // MARK: Configuration

    private func read(_ family: any LlamaFamily.Type, _ fields: JSONObject) throws -> LlamaConfiguration {
        try family.configuration(ConfigReader(.object(fields), place: "config.json"))
    }

    /// transformers' MistralConfig() and MistralAttention.
    func testMistralsDefaults() throws {
        for fields: JSONObject in [[:], ["attention_bias": true, "mlp_bias": true]] {
            let it = try read(MistralArchitecture.self, fields)
            XCTAssertEqual([it.vocabularySize, it.hiddenSize, it.intermediateSize], [32000, 4096, 14336])
            XCTAssertEqual([it.layers, it.heads, it.keyValueHeads, it.headSize], [32, 32, 8, 128])
            XCTAssertEqual(it.maximumPositions, 131_072)
            XCTAssertEqual([it.queryKeyValueBias, it.outputBias, it.feedForwardBias], [false, false, false])
            XCTAssertEqual(it.window, AttentionWindow(size: 4096, layers: Array(0..<32)))
        }
        XCTAssertNil(try read(MistralArchitecture.self, ["sliding_window": .null]).window)
        for fields: JSONObject in [["sliding_window": 131_072], ["sliding_window": 9, "max_position_embeddings": 9]] {
            XCTAssertNil(try read(MistralArchitecture.self, fields).window)
        }
        assertFails(.model, "sliding_window is 0; expected an integer from 1 to") {
            _ = try self.read(MistralArchitecture.self, ["sliding_window": 0])
        }
    }

    /// transformers' Qwen3Config() and Qwen3Attention.
    func testQwen3sDefaults() throws {
        let it = try read(Qwen3Architecture.self, ["hidden_size": 2560, "mlp_bias": true])
        XCTAssertEqual([it.vocabularySize, it.hiddenSize, it.intermediateSize], [151_936, 2560, 22016])
        XCTAssertEqual([it.layers, it.heads, it.keyValueHeads, it.headSize], [32, 32, 32, 128])
        XCTAssertEqual(it.maximumPositions, 32768)
        XCTAssertEqual([it.queryKeyValueBias, it.outputBias, it.feedForwardBias], [false, false, false])
        XCTAssertTrue(it.queryKeyNorm)
        XCTAssertNil(it.window)
        let biased = try read(Qwen3Architecture.self, ["attention_bias": true])
        XCTAssertEqual([biased.queryKeyValueBias, biased.outputBias], [true, true])
    }

    /// As Qwen2Config and Qwen3Config decide it.
    func testWindowsOfSomeLayers() throws {
        let cases: [(fields: JSONObject, window: AttentionWindow?)] = [
            (["use_sliding_window": true], AttentionWindow(size: 4096, layers: [28, 29, 30, 31])),
            (
                ["use_sliding_window": true, "sliding_window": 8, "max_window_layers": 31],
                AttentionWindow(size: 8, layers: [31])
            ),
            (
                [
                    "use_sliding_window": true, "sliding_window": 8, "num_hidden_layers": 2, "max_window_layers": 0,
                    "layer_types": ["full_attention", "sliding_attention"],
                ], AttentionWindow(size: 8, layers: [1])
            ),
            (["use_sliding_window": false, "sliding_window": 131_072, "max_window_layers": 1], nil),
            (["use_sliding_window": true, "max_window_layers": 32], nil),
            (["use_sliding_window": true, "sliding_window": .null, "max_window_layers": 1], nil),
            (["use_sliding_window": true, "sliding_window": 32768, "max_window_layers": 1], nil),
            (
                [
                    "use_sliding_window": true, "max_window_layers": 0, "num_hidden_layers": 1,
                    "layer_types": ["full_attention"],
                ], nil
            ),
        ]
        let families: [any LlamaFamily.Type] = [Qwen2Architecture.self, Qwen3Architecture.self]
        for family in families {
            for (fields, window) in cases { XCTAssertEqual(try read(family, fields).window, window, "\(fields)") }
            let wrong: [(JSON, String)] = [
                (3, "layer_types is 3; expected a list of 1 names"),
                (["full_attention", "full_attention"], "expected a list of 1 names, one for each layer"),
                (["chunked_attention"], "layer_types is \"chunked_attention\"; expected \"full_attention\" or"),
                (["sliding_attention"], "needs use_sliding_window and a sliding_window"),
            ]
            for (types, message) in wrong {
                assertFails(.model, message) {
                    _ = try self.read(family, ["num_hidden_layers": 1, "layer_types": types])
                }
            }
        }
    }

    func testANormThatIsMissingIsNamed() throws {
        let runtime = try OnnxRuntime.load()
        let folder = Fixtures.path("llama/mha")
        var configuration = try LlamaConfiguration(ConfigReader(path: "\(folder)/config.json"))
        configuration.queryKeyNorm = true
        assertFails(.model, "has no tensor \"model.layers.0.self_attn.q_norm.weight\"") {
            _ = try LlamaDecoder(configuration, ModelWeights(WeightStore(directory: folder), runtime), runtime)
        }
    }

    private func text(_ json: JSON, _ key: String) throws -> String { try XCTUnwrap(json[key]?.string) }

    private func ids(_ json: JSON, _ key: String) throws -> [Int32] {
        try XCTUnwrap(json[key]?.array).map { Int32(try XCTUnwrap($0.int)) }
    }
}
