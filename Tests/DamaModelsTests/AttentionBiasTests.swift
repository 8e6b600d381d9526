import DamaRuntime
import DamaSupport
import DamaTestSupport
import XCTest

@testable import DamaModels

/// Biases in q, k and v but not in o, against transformers' Qwen2 (Fixtures/make_biases.py).
final class AttentionBiasTests: XCTestCase {
    override class func setUp() { TestRuntime.configure() }

    private func decoder(_ change: (inout LlamaConfiguration) -> Void) throws -> LlamaDecoder {
        let folder = Fixtures.path("biases")
        let runtime = try OnnxRuntime.load()
        var configuration = try LlamaConfiguration(ConfigReader(path: "\(folder)/config.json"))
        change(&configuration)
        return try LlamaDecoder(configuration, ModelWeights(WeightStore(directory: folder), runtime), runtime)
    }

    private func ids(_ json: JSON, _ key: String) throws -> [Int32] {
        try XCTUnwrap(json[key]?.array).map { Int32(try XCTUnwrap($0.int)) }
    }

    func testBiasesOfQueriesKeysAndValuesAlone() throws {
        let json = try Fixtures.json("biases/expected.json")
        let decoder = try decoder { $0.queryKeyValueBias = true }
        XCTAssertFalse(decoder.configuration.outputBias)
        let (prompt, response) = (try ids(json, "prompt"), try ids(json, "response"))
        let expected = try XCTUnwrap(json["logps"]?.array).map { try XCTUnwrap($0.double) }
        let found = try decoder.logProbabilities([.init(TokenSequence(prefix: prompt, responses: [response]))])[0]
        XCTAssertEqual(found.count, expected.count)
        // As in LlamaDecoderTests: fp32 on both sides.
        for (a, b) in zip(found, expected) { XCTAssertEqual(Double(a), b, accuracy: 1e-4) }
        var options = GenerationOptions()
        options.maximumTokens = 16
        options.endTokens = []
        XCTAssertEqual(try decoder.generate([.init(prompt)], options)[0].tokens, try ids(json, "continuation"))
        let names = try LlamaGraph(decoder.configuration).scoring().weights.count
        XCTAssertEqual(names, 2 * (9 + 3) + 2)
    }

    func testTheOtherSwitchAsksForTheOtherWeights() throws {
        assertFails(.model, "self_attn.o_proj.bias") {
            _ = try self.decoder {
                $0.queryKeyValueBias = true
                $0.outputBias = true
            }
        }
    }

    func testLlamasFieldSetsBoth() throws {
        for isOn in [true, false] {
            let configuration = try LlamaConfiguration(
                ConfigReader(["attention_bias": .bool(isOn)], place: "config.json"))
            XCTAssertEqual(configuration.queryKeyValueBias, isOn)
            XCTAssertEqual(configuration.outputBias, isOn)
        }
    }
}
