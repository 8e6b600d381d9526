import DamaImage
import DamaPreference
import DamaRuntime
import DamaSupport
import DamaTestSupport
import Foundation
import XCTest

@testable import DamaModels

/// SigLIP as a scorer, against transformers' `SiglipModel` (Fixtures/make_siglip.py).
final class SiglipTests: XCTestCase {
    override class func setUp() { TestRuntime.configure() }

    private static let directory = Fixtures.path("siglip")

    private func expected() throws -> JSON { try Fixtures.json("siglip/expected.json") }
    private func strings(_ key: String) throws -> [String] {
        try XCTUnwrap(expected()[key]?.array).compactMap(\.string)
    }
    private func images() throws -> [ImageSource] { try strings("images").map { .path(Fixtures.path("clip/\($0)")) } }
    private func matrix(_ json: JSON?) throws -> [[Double]] {
        try XCTUnwrap(json?.array).map { $0.array?.compactMap(\.double) ?? [] }
    }

    /// A copy of the fixture with some text of one of its files replaced.
    private func copy(_ name: String, replacing old: String, with new: String) throws -> TemporaryDirectory {
        let folder = try TemporaryDirectory()
        for name in try FileManager.default.contentsOfDirectory(atPath: Self.directory) {
            try FileManager.default.copyItem(atPath: "\(Self.directory)/\(name)", toPath: "\(folder.path)/\(name)")
        }
        let text = String(decoding: try Files.read("\(folder.path)/\(name)"), as: UTF8.self)
        XCTAssertTrue(text.contains(old), "\(name) has no \(old)")
        try folder.write(Array(text.replacingOccurrences(of: old, with: new).utf8), to: name)
        return folder
    }

    private func assertClose(_ a: [[Float]], _ b: [[Double]], _ tolerance: Double, _ what: String) {
        XCTAssertEqual(a.map(\.count), b.map(\.count), what)
        for (x, y) in zip(a.joined(), b.joined()) { XCTAssertEqual(Double(x), y, accuracy: tolerance, what) }
    }

    func testScoresEqualTransformersButForTheBias() throws {
        let expected = try expected()
        let bias = try XCTUnwrap(expected["logit_bias"]?.double)
        let left = try copy(
            "tokenizer_config.json", replacing: "\"padding_side\": \"right\"", with: "\"padding_side\": \"left\"")
        for (side, directory) in [("right", Self.directory), ("left", left.path)] {
            let scorer = try Scorer(directory: directory)
            let sentences = try strings("sentences")
            XCTAssertEqual(
                Double(scorer.logitScale), try XCTUnwrap(expected["logit_scale"]?.double), accuracy: 1e-4)
            XCTAssertEqual(scorer.encoder.tokenLimit, 32)
            // fp32 on both sides, times a scale of 40; Pillow's pixels are equal.
            let logits = try matrix(expected[side]?["logits"]).map { $0.map { $0 - bias } }
            assertClose(
                try images().map { try scorer.score(image: $0, sentences: sentences) }, logits, 1e-4, side)
            assertClose(
                try scorer.embedTexts(sentences), try matrix(expected[side]?["text_embeds"]), 2e-6, "texts, \(side)")
            assertClose(try scorer.embedImages(images()), try matrix(expected["image_embeds"]), 2e-6, "images")
            XCTAssertEqual(
                try sentences.map { try scorer.encoder.tokenCount($0) },
                try XCTUnwrap(expected["token_counts"]?.array).compactMap(\.int))
        }
    }

    /// P of Eq. (5) is the softmax of transformers' logits, whose bias cancels.
    func testProbabilitiesEqualTheSoftmaxOfTheLogits() throws {
        let expected = try expected()
        let scorer = try Scorer(directory: Self.directory)
        let sentences = try strings("sentences")
        for (image, row) in zip(try images(), try matrix(expected["right"]?["probabilities"])) {
            let found = try scorer.hardness(
                image: image, chosen: Array(sentences[..<3]), rejected: Array(sentences[3...]))
            for (sentence, probability) in zip(found.chosen + found.rejected, row) {
                // A score's error of 1e-4 changes its share by this part.
                XCTAssertEqual(sentence.probability, probability, accuracy: 2e-4 * probability + 1e-9)
            }
        }
    }

    func testManyTextsAtOnceGiveWhatEachGivesAlone() throws {
        let scorer = try Scorer(directory: Self.directory)
        let texts = (0..<31).map { "\($0) dogs" }
        let together = try scorer.embedTexts(texts)
        for index in [0, 11, 12, 30] {
            let alone = try scorer.embedTexts([texts[index]])[0]
            for (a, b) in zip(together[index], alone) { XCTAssertEqual(a, b, accuracy: 2e-6) }
        }
    }

    func testLongTextsAreRefusedOrCut() throws {
        let long = String(repeating: "dog ", count: 40)
        assertFails(.invalidArgument, "tokens; the model takes 32") {
            _ = try Scorer(directory: Self.directory).embedTexts([long])
        }
        var options = Scorer.Options()
        options.longTexts = .cut
        XCTAssertEqual(try Scorer(directory: Self.directory, options: options).embedTexts([long]).count, 1)
    }

    /// The fingerprint depends on all that scores depend on.
    func testFingerprints() throws {
        let left = try copy("tokenizer_config.json", replacing: "\"right\"", with: "\"left\"")
        let first = try DualEncoder(directory: Self.directory).fingerprint
        XCTAssertEqual(first, try DualEncoder(directory: Self.directory).fingerprint)
        XCTAssertNotEqual(first, try DualEncoder(directory: left.path).fingerprint)
    }

    func testWhatDoesNotFitIsNamed() throws {
        let cases: [(file: String, old: String, new: String, code: DamaError.Code, message: String)] = [
            (
                "config.json", "\"model_type\": \"siglip\"", "\"model_type\": \"siglip2\"", .unsupported,
                "model_type is \"siglip2\", whose images have any shape (NaFlex), which is not supported"
            ),
            (
                "config.json", "\"vision_use_head\": true", "\"vision_use_head\": false", .unsupported,
                "vision_config: vision_use_head is false; scoring needs the pooling head"
            ),
            (
                "config.json", "\"projection_size\": 24", "\"projection_size\": 20", .model,
                "texts have embeddings of 20 numbers (projection_size), images of 24"
            ),
            (
                "config.json", "\"hidden_act\": \"gelu_pytorch_tanh\"", "\"hidden_act\": \"relu\"", .unsupported,
                "hidden_act is \"relu\"; supported are"
            ),
            (
                "tokenizer_config.json", "\"padding_side\": \"right\"", "\"padding_side\": \"above\"", .model,
                "padding_side is \"above\"; expected \"left\" or \"right\""
            ),
            (
                "preprocessor_config.json", "36", "40", .model,
                "the image processor makes images of 40 × 40 pixels; the vision model takes 36 × 36"
            ),
        ]
        for it in cases {
            let folder = try copy(it.file, replacing: it.old, with: it.new)
            assertFails(it.code, it.message) { _ = try Scorer(directory: folder.path) }
        }
    }

    /// Without a pad token of the tokenizer that of config.json counts.
    func testThePadTokenOfTheConfiguration() throws {
        let folder = try copy(
            "tokenizer_config.json", replacing: "\"pad_token\": \"<pad>\"", with: "\"other\": \"<pad>\"")
        XCTAssertEqual(
            try Scorer(directory: folder.path).embedTexts(["a dog"]),
            try Scorer(directory: Self.directory).embedTexts(["a dog"]))
        let config = String(decoding: try Files.read("\(folder.path)/config.json"), as: UTF8.self)
        try folder.write(
            Array(config.replacingOccurrences(of: "\"pad_token_id\": 0,", with: "").utf8), to: "config.json")
        assertFails(.model, "neither the tokenizer (pad_token) nor text_config (pad_token_id) has a pad token") {
            _ = try Scorer(directory: folder.path)
        }
    }
}
