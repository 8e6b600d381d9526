import DamaRuntime
import DamaSupport
import DamaTestSupport
import XCTest

@testable import DamaModels

/// Qwen2 from text to log-probabilities and text, against transformers (Fixtures/make_qwen2.py).
final class Qwen2Tests: XCTestCase {
    override class func setUp() { TestRuntime.configure() }

    private static let cases = ["untied", "tied"]

    private func policy(_ name: String) throws -> Policy {
        var options = PolicyOptions()
        options.template = "chatml"
        return try Policy(directory: Fixtures.path("qwen2/\(name)"), options: options)
    }

    private func expected(_ name: String) throws -> [JSON] {
        try XCTUnwrap(Fixtures.json("qwen2/\(name)/expected.json").array)
    }

    private func text(_ json: JSON, _ key: String) throws -> String { try XCTUnwrap(json[key]?.string) }

    private func ids(_ json: JSON, _ key: String) throws -> [Int32] {
        try XCTUnwrap(json[key]?.array).map { Int32(try XCTUnwrap($0.int)) }
    }

    func testLogProbabilitiesEqualTransformersFromText() throws {
        for name in Self.cases {
            let (policy, cases) = (try policy(name), try expected(name))
            let pairs = try cases.map {
                PreferencePair(
                    prompt: try text($0, "prompt"), chosen: try text($0, "chosen"), rejected: try text($0, "rejected"))
            }
            for (found, json) in zip(try policy.logProbabilities(pairs), cases) {
                let question = ChatMessage(.user, try text(json, "prompt"))
                XCTAssertEqual(try policy.text.encode([question]), try ids(json, "prompt_ids"))
                for (response, key) in [(found.chosen, "chosen_logps"), (found.rejected, "rejected_logps")] {
                    let logps = try XCTUnwrap(json[key]?.array).map { Float(try XCTUnwrap($0.double)) }
                    XCTAssertEqual(response.count, logps.count, "\(name), \(key)")
                    // fp32 on both sides; log-probabilities are of the order of 10.
                    for (a, b) in zip(response.tokens, logps) {
                        XCTAssertEqual(a, b, accuracy: 1e-4, "\(name), \(key)")
                    }
                }
            }
        }
    }

    func testGreedyTextEqualsTransformers() throws {
        for name in Self.cases {
            let cases = try expected(name)
            var options = GenerationOptions()
            options.maximumTokens = 24
            let requests = try cases.map { GenerationRequest(prompt: try text($0, "prompt")) }
            let found = try policy(name).generate(requests, options)
            XCTAssertEqual(found.map(\.tokens), try cases.map { try ids($0, "greedy") }, name)
            XCTAssertEqual(found.map(\.text), try cases.map { try text($0, "text") }, name)
        }
    }

    // MARK: Configuration

    private func configuration(_ fields: JSONObject) throws -> LlamaConfiguration {
        try Qwen2Architecture.configuration(ConfigReader(.object(fields), place: "config.json"))
    }

    /// transformers' Qwen2Config() and Qwen2Attention; Llama's fields for biases mean nothing there.
    func testDefaultsAndBiases() throws {
        for fields: JSONObject in [[:], ["attention_bias": true, "mlp_bias": true], ["attention_bias": false]] {
            let it = try configuration(fields)
            XCTAssertEqual([it.vocabularySize, it.hiddenSize, it.intermediateSize], [151_936, 4096, 22016])
            XCTAssertEqual([it.layers, it.heads, it.keyValueHeads, it.headSize], [32, 32, 32, 128])
            XCTAssertEqual(it.maximumPositions, 32768)
            XCTAssertEqual([it.queryKeyValueBias, it.outputBias, it.feedForwardBias], [true, false, false])
        }
        // null stands for the number of heads there.
        let heads = try configuration(["num_attention_heads": 16, "num_key_value_heads": .null])
        XCTAssertEqual(heads.keyValueHeads, 16)
        for isOn in [true, false] {
            let llama = try LlamaConfiguration(ConfigReader(["attention_bias": .bool(isOn)], place: "config.json"))
            XCTAssertEqual([llama.queryKeyValueBias, llama.outputBias], [isOn, isOn])
        }
    }

    func testUnknownKindsOfPositionsAreRefused() throws {
        assertFails(.unsupported, "rope_type is \"yarn\"; supported are \"default\", \"linear\", \"llama3\"") {
            _ = try self.configuration(["rope_scaling": ["type": "yarn", "factor": 4.0]])
        }
    }

    // MARK: Weights

    func testABiasThatIsMissingIsNamed() throws {
        let runtime = try OnnxRuntime.load()
        let folder = Fixtures.path("llama/mha")
        let config = try ConfigReader(path: "\(folder)/config.json")
        assertFails(.model, "has no tensor \"model.layers.0.self_attn.q_proj.bias\"") {
            _ = try LlamaDecoder(
                Qwen2Architecture.configuration(config), ModelWeights(WeightStore(directory: folder), runtime), runtime)
        }
    }
}
