import DamaImage
import DamaSupport
import DamaTestSupport
import Foundation
import XCTest

@testable import DamaModels

/// Models in the hub's ONNX layout against transformers (Fixtures/make_onnx.py).
final class HubOnnxTests: XCTestCase {
    override class func setUp() { TestRuntime.configure() }

    private static let llava = Fixtures.path("onnx/llava")
    private static let llama = Fixtures.path("onnx/llama")
    private let image = ImageSource.path(Fixtures.path("llava/image.png"))

    private func policy(_ directory: String, _ change: (inout PolicyOptions) -> Void = { _ in }) throws -> Policy {
        var options = PolicyOptions()
        change(&options)
        return try Policy(directory: directory, options: options)
    }

    private func assertEqual(
        _ found: ResponseLogProbability, _ expected: JSON?, _ what: String, line: UInt = #line
    ) throws {
        let expected = try XCTUnwrap(expected?.array).map { Float(try XCTUnwrap($0.double)) }
        XCTAssertEqual(found.count, expected.count, what, line: line)
        // fp32 on both sides through a vision tower and a decoder; the log-probabilities are of the order of 10.
        for (a, b) in zip(found.tokens, expected) { XCTAssertEqual(a, b, accuracy: 1e-4, what, line: line) }
    }

    // MARK: Numbers

    private func llavaPairs() throws -> [(json: JSON, pair: PreferencePair)] {
        try XCTUnwrap(Fixtures.json("llava/default/expected.json").array).map { json in
            let pair = PreferencePair(
                image: image, prompt: try XCTUnwrap(json["prompt"]?.string),
                chosen: try XCTUnwrap(json["chosen"]?.string), rejected: try XCTUnwrap(json["rejected"]?.string))
            return (json, pair)
        }
    }

    func testLlavaLogProbabilitiesEqualTransformers() throws {
        let cases = try llavaPairs()
        for (what, budget) in [("together", 8192), ("one by one", 1)] {
            let policy = try policy(Self.llava) { $0.tokenBudget = budget }
            XCTAssertEqual(policy.imageTokens, 16)
            let pairs = cases.map(\.pair)
            let prepared = try policy.logProbabilities(prepared: pairs.map { try policy.prepare($0) })
            for found in [try policy.logProbabilities(pairs), prepared] {
                for (found, known) in zip(found, cases) {
                    try assertEqual(found.chosen, known.json["chosen_logps"], what)
                    try assertEqual(found.rejected, known.json["rejected_logps"], what)
                }
            }
        }
    }

    private func assertGreedyText(
        _ policy: Policy, _ cases: [JSON], image: ImageSource?, line: UInt = #line
    ) throws {
        var options = GenerationOptions()
        options.maximumTokens = 20
        options.endTokens = []
        let requests = try cases.map { GenerationRequest(image: image, prompt: try XCTUnwrap($0["prompt"]?.string)) }
        // Prompts of different lengths, in one batch and each alone.
        let found = try policy.generate(requests, options) + requests.map { try policy.generate([$0], options)[0] }
        for (found, json) in zip(found, cases + cases) {
            let ids = try XCTUnwrap(json["continuation"]?.array).compactMap(\.int)
            XCTAssertEqual(found.tokens.map(Int.init), ids, line: line)
        }
    }

    func testLlavaGreedyTextEqualsTransformers() throws {
        try assertGreedyText(policy(Self.llava), llavaPairs().map(\.json), image: image)
    }

    func testTextAloneWithTwoBranchesEqualsTransformers() throws {
        let cases = try XCTUnwrap(Fixtures.json("onnx/llama/expected.json").array)
        // By name, so that the tokenizer adds its start token.
        let policy = try policy(Self.llama) { $0.template = "plain" }
        let pairs = try cases.map { json in
            PreferencePair(
                prompt: try XCTUnwrap(json["prompt"]?.string), chosen: try XCTUnwrap(json["response"]?.string),
                rejected: "No.")
        }
        for (found, json) in zip(try policy.logProbabilities(pairs), cases) {
            try assertEqual(found.chosen, json["logps"], "text")
        }
        try assertGreedyText(policy, cases, image: nil)
    }

    /// Rows of the cache are copied and removed as continuations separate and end. Each prompt in a batch gives the
    /// same continuations as alone.
    func testStreamsOfOnePromptAreThoseOfManyPrompts() throws {
        for directory in [Self.llava, Self.llama] {
            let decoder = try policy(directory).decoder
            var options = GenerationOptions()
            options.maximumTokens = 12
            options.endTokens = Array(0..<64)
            options.sampling = SamplingOptions(temperature: 1)
            let (short, long): ([Int32], [Int32]) = ([1, 300, 301], [1, 302, 303, 304, 305])
            let apart = try decoder.generate((0..<6).map { .init($0 < 4 ? short : long) }, options)
            XCTAssertGreaterThan(Set(apart.map(\.tokens.count)).count, 1, "all end at once")
            let together = try decoder.generate(
                [.init(short, streams: [0, 3, 1, 2]), .init(long, streams: [4, 5])], options)
            XCTAssertEqual(together, [0, 3, 1, 2, 4, 5].map { apart[$0] })
        }
    }

    func testTheIdentityIsThatOfTheFiles() throws {
        let onnx = try policy(Self.llava).identity()
        XCTAssertEqual(onnx["weights"]?.string?.count, 64)
        XCTAssertEqual(onnx, try policy(Self.llava).identity())
        let safetensors = try policy(Fixtures.path("llava/default")).identity()
        XCTAssertNotEqual(onnx["weights"], safetensors["weights"])
        XCTAssertEqual(onnx["image_processing"], safetensors["image_processing"])
        // External data is part of a model.
        let folder = try copy(Self.llava)
        try folder.write([1, 2, 3], to: "onnx/decoder_model_merged.onnx_data")
        XCTAssertNotEqual(onnx["weights"], try policy(folder.path).identity()["weights"])
    }

    func testTheFilesMayLieInTheDirectoryItself() throws {
        let folder = try copy(Self.llava)
        for name in ["decoder_model_merged", "embed_tokens", "vision_encoder"] {
            try FileManager.default.moveItem(
                atPath: "\(folder.path)/onnx/\(name).onnx", toPath: "\(folder.path)/\(name).onnx")
        }
        let (json, pair) = try XCTUnwrap(llavaPairs().first)
        try assertEqual(policy(folder.path).logProbabilities([pair])[0].chosen, json["chosen_logps"], "moved")
    }

    // MARK: Invalid directories

    private func copy(_ directory: String) throws -> TemporaryDirectory {
        let folder = try TemporaryDirectory()
        for name in try FileManager.default.contentsOfDirectory(atPath: directory) {
            try FileManager.default.copyItem(atPath: "\(directory)/\(name)", toPath: "\(folder.path)/\(name)")
        }
        return folder
    }

    /// Replaces text of the same length everywhere in a file.
    private func patch(_ path: String, _ old: String, _ new: String) throws {
        let (old, new) = (Array(old.utf8), Array(new.utf8))
        XCTAssertEqual(old.count, new.count)
        var bytes = try Files.read(path)
        var found = 0
        for start in 0...(bytes.count - old.count) where bytes[start..<start + old.count].elementsEqual(old) {
            bytes.replaceSubrange(start..<start + new.count, with: new)
            found += 1
        }
        XCTAssertGreaterThan(found, 0)
        try Files.writeAtomically(bytes, to: path)
    }

    func testMissingFilesAreNamed() throws {
        for name in ["decoder_model_merged", "embed_tokens", "vision_encoder"] {
            let folder = try copy(Self.llava)
            try FileManager.default.removeItem(atPath: "\(folder.path)/onnx/\(name).onnx")
            assertFails(.io, "onnx/\(name).onnx is missing") { _ = try self.policy(folder.path) }
        }
        let folder = try copy(Self.llama)
        try FileManager.default.removeItem(atPath: "\(folder.path)/model.onnx")
        assertFails(.io, "has no weights") { _ = try self.policy(folder.path) }
    }

    func testWrongPortsAreNamed() throws {
        func fails(
            _ code: DamaError.Code, _ text: String, of source: String = HubOnnxTests.llava, line: UInt = #line,
            _ change: (String) throws -> Void
        ) throws {
            let folder = try copy(source)
            try change(folder.path)
            assertFails(code, text, line: line) { _ = try self.policy(folder.path) }
        }
        try fails(
            .model, "decoder of the hub's layout: it has no input \"inputs_embeds\"; its inputs are \"input_ids\""
        ) {
            try FileManager.default.removeItem(atPath: "\($0)/onnx/decoder_model_merged.onnx")
            try FileManager.default.copyItem(
                atPath: "\(Self.llama)/model.onnx", toPath: "\($0)/onnx/decoder_model_merged.onnx")
        }
        try fails(.model, "it has no input \"attention_mask\"") {
            try patch("\($0)/onnx/decoder_model_merged.onnx", "attention_mask", "attention_masq")
        }
        try fails(.model, "it has no output \"present.1.value\"") {
            try patch("\($0)/onnx/decoder_model_merged.onnx", "present.1.value", "present.9.value")
        }
        try fails(.unsupported, "has the unknown input \"position_idx\"") {
            try patch("\($0)/onnx/decoder_model_merged.onnx", "position_ids", "position_idx")
        }
        try fails(.model, "embedding of the hub's layout: it has no output \"inputs_embeds\"") {
            try patch("\($0)/onnx/embed_tokens.onnx", "inputs_embeds", "inputs_embedz")
        }
        try fails(.model, "vision encoder of the hub's layout: it has no input \"pixel_values\"") {
            try patch("\($0)/onnx/vision_encoder.onnx", "pixel_values", "pixel_valuez")
        }
        try fails(.model, "it has no input \"past_key_values.2.key\"", of: Self.llama) {
            try patch("\($0)/config.json", "\"num_hidden_layers\": 2", "\"num_hidden_layers\": 3")
        }
        try fails(.model, "[?, 4, ?, 8]; axis 1 must be 2, num_key_value_heads of config.json", of: Self.llama) {
            try patch("\($0)/config.json", "\"num_key_value_heads\": 4", "\"num_key_value_heads\": 2")
        }
        try fails(.model, "\"logits\" has the shape", of: Self.llama) {
            try patch("\($0)/config.json", "\"vocab_size\": 424", "\"vocab_size\": 425")
        }
        try fails(.model, "model.onnx", of: Self.llama) {
            try Files.writeAtomically([1, 2, 3], to: "\($0)/model.onnx")
        }
    }

    func testFeaturesOfAnotherNumberAreNamed() throws {
        let folder = try copy(Self.llava)
        try patch(
            "\(folder.path)/config.json", "\"vision_feature_select_strategy\": \"default\"",
            "\"vision_feature_select_strategy\": \"full\"   ")
        let pair = try XCTUnwrap(llavaPairs().first).pair
        assertFails(.model, "image_features of shape [1, 16, 32] for an image; config.json requires 17 × 32") {
            _ = try self.policy(folder.path).logProbabilities([pair])
        }
    }
}
