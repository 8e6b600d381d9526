import DamaImage
import DamaRuntime
import DamaSupport
import DamaTestSupport
import Foundation
import XCTest

@testable import DamaModels

/// Models with incomplete or contradictory files, against transformers (Fixtures/make_variants.py).
final class ModelVariantTests: XCTestCase {
    override class func setUp() { TestRuntime.configure() }

    private var folder: TemporaryDirectory!

    override func setUpWithError() throws { folder = try TemporaryDirectory() }

    private func variants(_ key: String) throws -> [JSON] {
        try XCTUnwrap(Fixtures.json("variants.json")[key]?.array)
    }

    /// A copy of a fixture with fields of its files set, as by `edited` in make_variants.py.
    private func edited(_ source: String, _ files: JSON = [:]) throws -> String {
        let path = "\(folder.path)/model"
        try? FileManager.default.removeItem(atPath: path)
        try FileManager.default.copyItem(atPath: Fixtures.path(source), toPath: path)
        for (name, changes) in files.object?.members ?? [] {
            let file = "\(path)/\(name)"
            var content: [String: Any] = [:]
            if Files.exists(file) {
                let data = try Data(contentsOf: URL(fileURLWithPath: file))
                content = try XCTUnwrap(JSONSerialization.jsonObject(with: data) as? [String: Any])
            }
            for (key, value) in changes.object?.members ?? [] {
                let new: Any? =
                    value == .null
                    ? nil
                    : try JSONSerialization.jsonObject(with: Data(value.text.utf8), options: .fragmentsAllowed)
                let parts = key.split(separator: ".").map(String.init)
                if parts.count == 2 {
                    var inner = try XCTUnwrap(content[parts[0]] as? [String: Any])
                    inner[parts[1]] = new
                    content[parts[0]] = inner
                } else {
                    content[key] = new
                }
            }
            try JSONSerialization.data(withJSONObject: content).write(to: URL(fileURLWithPath: file))
        }
        return path
    }

    // MARK: Tied heads

    private func decoder(_ path: String) throws -> LlamaDecoder {
        let runtime = try OnnxRuntime.load()
        return try LlamaDecoder(
            LlamaConfiguration(ConfigReader(path: "\(path)/config.json")),
            ModelWeights(WeightStore(directory: path), runtime), runtime)
    }

    /// With `tie_word_embeddings: true` and another head in the file, ignoring the head gives −74.8; transformers gives
    /// −282.3.
    func testTheHeadInTheFileCounts() throws {
        for test in try variants("heads") {
            let name = try XCTUnwrap(test["model"]?.string)
            let path = try edited("llama/\(name)", ["config.json": ["tie_word_embeddings": true]])
            let isSame = test["head"]?.string == "same"
            if isSame { try copyTable(in: path) }
            let decoder = try decoder(path)
            XCTAssertEqual(decoder.configuration.tiesEmbeddings, isSame)
            let pair = try XCTUnwrap(Fixtures.json("llama/\(name)/expected.json")["pairs"]?.array?.first)
            let ids = { (key: String) in (pair[key]?.array ?? []).compactMap(\.int).map(Int32.init) }
            let sequence = try TokenSequence(prefix: ids("prompt"), responses: [ids("chosen")])
            let expected = (test["logps"]?.array ?? []).compactMap(\.double)
            XCTAssertEqual(expected.count, 5)
            // As in LlamaDecoderTests: fp32 on both sides.
            for (found, expected) in zip(try decoder.logProbabilities([.init(sequence)])[0], expected) {
                XCTAssertEqual(Double(found), expected, accuracy: 1e-4, name)
            }
        }
    }

    /// Writes a copy of the embedding table into the file as the head.
    private func copyTable(in path: String) throws {
        let store = try WeightStore(directory: path)
        var tensors: [SafetensorsWriter.Tensor] = []
        for name in store.names {
            let tensor = try store.tensor(name)
            tensors.append(.init(name: name, type: tensor.type, shape: tensor.shape, bytes: tensor.bytes))
        }
        let table = try store.tensor("model.embed_tokens.weight")
        tensors.append(.init(name: "lm_head.weight", type: table.type, shape: table.shape, bytes: table.bytes))
        try withExtendedLifetime(store) { try SafetensorsWriter.write(tensors, to: "\(path)/model.safetensors") }
    }

    /// A missing head is not silently taken for a tied one.
    func testAnUntiedHeadThatIsMissingIsAnError() throws {
        let path = try edited("llama/gqa_tied", ["config.json": ["tie_word_embeddings": false]])
        assertFails(.model, "has no tensor \"lm_head.weight\", and config.json does not say that the head is tied") {
            _ = try self.decoder(path)
        }
    }

    /// LLaVA's config.json holds the field for the whole model, for its language model, or for both.
    func testEitherPartOfAConfigurationMayTie() throws {
        for files: JSON in [
            ["config.json": ["tie_word_embeddings": true, "text_config.tie_word_embeddings": false]],
            ["config.json": ["tie_word_embeddings": false, "text_config.tie_word_embeddings": true]],
        ] {
            let policy = try Policy(directory: try edited("llava/full_gqa_tied", files))
            XCTAssertTrue(try XCTUnwrap(policy.decoder as? LlamaDecoder).configuration.tiesEmbeddings)
        }
        let path = try edited(
            "llava/full_gqa_tied",
            ["config.json": ["tie_word_embeddings": false, "text_config.tie_word_embeddings": false]])
        assertFails(.model, "lm_head.weight") { _ = try Policy(directory: path) }
    }

    // MARK: End tokens

    /// transformers stops after 7 tokens also if only the top level of config.json names the end token.
    func testEndTokensOfWhicheverFile() throws {
        let image = ImageSource.path(Fixtures.path("llava/image.png"))
        for test in try variants("ends") {
            let policy = try Policy(directory: try edited("llava/default", try XCTUnwrap(test["files"])))
            var options = GenerationOptions()
            options.maximumTokens = 12
            let prompt = try XCTUnwrap(test["prompt"]?.string)
            let found = try policy.generate([GenerationRequest(image: image, prompt: prompt)], options)[0]
            // transformers' tokens include the end token.
            let expected = try XCTUnwrap(test["tokens"]?.array).compactMap(\.int).map(Int32.init)
            XCTAssertEqual(found.tokens, expected.dropLast(), test.text)
            XCTAssertEqual(found.finish, .endToken, test.text)
        }
    }

    /// The built-in formats of LLaVA end a response with the tokenizer's end token, not always with `</s>`.
    func testAResponseEndsWithTheTokenizersOwnEndToken() throws {
        for test in try variants("end_tokens") {
            let policy = try Policy(directory: try edited("llava/default", try XCTUnwrap(test["files"])))
            XCTAssertEqual(policy.template.program, try ChatTemplate("vicuna_v1").program)
            let response = try XCTUnwrap(test["response"]?.string)
            let encoded = try policy.text.encode(
                [ChatMessage(.user, "What?")], responses: [response],
                imageTokens: [TokenSequence.placeholders(policy.imageTokens)])
            let image = try XCTUnwrap(policy.text.image)
            var ids = encoded.prompt + encoded.responses[0]
            let start = try XCTUnwrap(ids.firstIndex(of: TokenSequence.imagePlaceholder))
            ids.replaceSubrange(start..<start + policy.imageTokens, with: [image.id])
            XCTAssertEqual(ids.map(Int.init), test["ids"]?.array?.compactMap(\.int))
            XCTAssertEqual(encoded.responses[0].last, policy.tokenizer.specialTokens.eos)
        }
    }

    func testAFormatThatNeedsAnEndTokenAsksForIt() throws {
        let path = try edited(
            "llava/default",
            [
                "tokenizer_config.json": ["eos_token": .null],
                "config.json": [
                    "text_config.eos_token_id": .null
                ],
            ])
        let policy = try Policy(directory: path)
        assertFails(
            .invalidArgument, "chat_template.jinja needs the end token, but neither tokenizer nor configuration"
        ) { try policy.checkResponses() }
        // The end token of config.json is used if the tokenizer names none.
        let other = try edited("llava/default", ["tokenizer_config.json": ["eos_token": .null]])
        XCTAssertEqual(try Policy(directory: other).text.format.tokens["eos_token"], "</s>")
    }

    /// A change of the files beside tokenizer.json that changes tokens must change the identity.
    func testTokensBesideTheFileBelongToTheIdentity() throws {
        let whole = try Policy(directory: Fixtures.path("llava/default")).identity()
        XCTAssertEqual(try Policy(directory: try edited("llava/default")).identity(), whole)
        let more = try edited("llava/default", ["added_tokens.json": ["<more>": 421]])
        XCTAssertNotEqual(try Policy(directory: more).identity()["tokenizer"], whole["tokenizer"])
        XCTAssertEqual(
            whole["tokenizer"]?.string, SHA256.hex(of: try Files.read(Fixtures.path("llava/default/tokenizer.json"))))
    }

    // MARK: Image tokens

    /// An image token in a response must not be embedded as a word. transformers refuses it, since there are more image
    /// tokens than features.
    func testTheImageTokenInAResponseIsRefused() throws {
        let policy = try Policy(directory: Fixtures.path("llava/default"))
        let image = ImageSource.path(Fixtures.path("llava/image.png"))
        func pair(_ prompt: String, _ chosen: String, _ rejected: String) -> PreferencePair {
            PreferencePair(image: image, prompt: prompt, chosen: chosen, rejected: rejected)
        }
        assertFails(.invalidArgument, "pair 0: the chosen response contains the image token <image>; remove it") {
            _ = try policy.logProbabilities([pair("What?", "An <image> of a cup.", "A cup.")])
        }
        assertFails(.invalidArgument, "the rejected response contains the image token <image>") {
            _ = try policy.prepare(pair("What?", "A cup.", "A cup.<image>"))
        }
        assertFails(.invalidArgument, "contains <image> 2 times") {
            _ = try policy.prepare(pair("<image>What?<image>", "A cup.", "No."))
        }
        assertFails(.invalidArgument, "contains the image token <image> 2 times; expected it once") {
            var options = PolicyOptions()
            options.system = "You see <image>."
            _ = try Policy(directory: Fixtures.path("llava/default"), options: options).prepare(pair("What?", "A", "B"))
        }
    }
}
