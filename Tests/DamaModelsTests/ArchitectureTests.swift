import DamaSupport
import DamaTestSupport
import XCTest

@testable import DamaModels

/// The registry of architectures, and the identity of a policy.
final class ArchitectureTests: XCTestCase {
    override class func setUp() { TestRuntime.configure() }

    func testTheMessageListsWhatLoads() throws {
        let config = try ConfigReader(["model_type": "mamba"], place: "config.json")
        let source = ModelSource(directory: "", config: config, imageMode: .crop)
        let list = Architectures.all.flatMap { $0.modelTypes }.map { "\"\($0.name)\" (\($0.className))" }
        XCTAssertEqual(list.first, "\"llama\" (LlamaForCausalLM)")
        assertFails(.unsupported, "config.json: model_type is \"mamba\"; supported are \(list[0]), ") {
            _ = try Architectures.read(source)
        }
        for type in list { assertFails(.unsupported, type) { _ = try Architectures.read(source) } }
    }

    func testNoTypeIsClaimedTwice() {
        let names = Architectures.all.flatMap { $0.modelTypes }.map(\.name)
        XCTAssertEqual(Set(names).count, names.count)
    }

    /// The identity has the fields of the model's config.json.
    func testTheIdentityHoldsTheConfigurationByName() throws {
        for name in ["default", "full_gqa_tied"] {
            let config = try Fixtures.json("llava/\(name)/config.json")
            let identity = try Policy(directory: Fixtures.path("llava/\(name)")).identity()
            let decoder = try XCTUnwrap(identity["architecture"]?["decoder"])
            let text = try XCTUnwrap(config["text_config"])
            for key in [
                "model_type", "vocab_size", "hidden_size", "intermediate_size", "num_hidden_layers",
                "num_attention_heads", "num_key_value_heads", "max_position_embeddings", "rms_norm_eps", "mlp_bias",
            ] { XCTAssertEqual(decoder[key]?.text, text[key]?.text, key) }
            for key in ["qkv_bias", "o_bias"] { XCTAssertEqual(decoder[key], text["attention_bias"], key) }
            XCTAssertEqual(decoder["rope"]?["rope_theta"]?.double, text["rope_parameters"]?["rope_theta"]?.double)
            let vision = try XCTUnwrap(identity["architecture"]?["vision"])
            XCTAssertEqual(vision["vision_feature_select_strategy"], config["vision_feature_select_strategy"])
            for key in [
                "hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads", "image_size",
                "patch_size",
                "hidden_act",
            ] { XCTAssertEqual(vision["vision_config"]?[key], config["vision_config"]?[key], key) }
        }
        let text = try Policy(directory: Fixtures.path("onnx/llama")).identity()
        XCTAssertNil(text["architecture"]?["vision"])
    }

    func testAConfigurationOfAnotherKindIsAnotherArchitecture() throws {
        func identity(_ change: (inout LlamaConfiguration) -> Void) throws -> JSON {
            var configuration = try LlamaConfiguration(ConfigReader([:], place: "config.json"))
            change(&configuration)
            return configuration.identity
        }
        let base = try identity { _ in }
        XCTAssertEqual(base, try identity { _ in })
        let changes: [(inout LlamaConfiguration) -> Void] = [
            { $0.vocabularySize += 1 }, { $0.hiddenSize += 1 }, { $0.intermediateSize += 1 }, { $0.layers += 1 },
            { $0.heads += 1 }, { $0.keyValueHeads += 1 }, { $0.headSize += 1 }, { $0.rmsNormEpsilon *= 2 },
            { $0.maximumPositions += 1 }, { $0.queryKeyValueBias.toggle() }, { $0.outputBias.toggle() },
            { $0.feedForwardBias.toggle() }, { $0.tiesEmbeddings.toggle() }, { $0.rotary.theta *= 2 },
            { $0.rotary.scaling = .linear(factor: 2) }, { $0.endTokens.append(7) },
            { $0.queryKeyNorm = true }, { $0.window = AttentionWindow(size: 8, layers: [0]) },
            { $0.window = AttentionWindow(size: 9, layers: [0]) },
            { $0.window = AttentionWindow(size: 8, layers: [1]) },
        ]
        var seen = [base]
        for (number, change) in changes.enumerated() {
            let changed = try identity(change)
            XCTAssertFalse(seen.contains(changed), "change \(number)")
            seen.append(changed)
        }
    }
}
