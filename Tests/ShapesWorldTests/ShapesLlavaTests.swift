import DamaImage
import DamaModels
import DamaSupport
import DamaTestSupport
import XCTest

@testable import ShapesWorld

/// The committed policy, through the library's own path, against transformers (`make_policy.py`).
final class ShapesLlavaTests: XCTestCase {
    override class func setUp() { TestRuntime.configure() }

    func testLogProbabilitiesOfTheDemosPairsEqualTransformers() throws {
        var options = PolicyOptions()
        options.template = "llava-1.5"
        let policy = try Policy(directory: ShapesClipTests.model("shapes-llava"), options: options)
        let expected = try Fixtures.json("policy.json")
        func numbers(_ key: String) throws -> [Double] {
            try XCTUnwrap(expected[key]?.array).compactMap(\.double)
        }
        let generator = PairGenerator(scenes: SceneGenerator(seed: 7, split: .preference))
        let renderer = try Renderer()
        let pairs = try numbers("chosen").indices.map { index in
            let pair = generator.pair(index)
            let jpeg = try JPEGEncoder.encode(renderer.render(pair.scene), quality: 90)
            return DamaModels.PreferencePair(
                image: .bytes(jpeg), prompt: pair.question, chosen: pair.chosen.text, rejected: pair.rejected.text)
        }
        let found = try policy.logProbabilities(pairs)
        XCTAssertEqual(found.map { Double($0.chosen.count) }, try numbers("chosen_tokens"))
        XCTAssertEqual(found.map { Double($0.rejected.count) }, try numbers("rejected_tokens"))
        // Sums of some 50 tokens, each within 1e-4 as in the parity tests.
        for (result, sum) in zip(found, try numbers("chosen")) {
            XCTAssertEqual(result.chosen.sum, sum, accuracy: 5e-3)
        }
        for (result, sum) in zip(found, try numbers("rejected")) {
            XCTAssertEqual(result.rejected.sum, sum, accuracy: 5e-3)
        }
    }

    /// In float16 on the CPU: log-probabilities near those of float32, and the same texts.
    func testFloat16() throws {
        let generator = PairGenerator(scenes: SceneGenerator(seed: 7, split: .preference))
        let renderer = try Renderer()
        let pairs = try (0..<6).map { index in
            let pair = generator.pair(index)
            let jpeg = try JPEGEncoder.encode(renderer.render(pair.scene), quality: 90)
            return DamaModels.PreferencePair(
                image: .bytes(jpeg), prompt: pair.question, chosen: pair.chosen.text, rejected: pair.rejected.text)
        }
        var results: [[PairLogProbabilities]] = []
        var texts: [[String]] = []
        for precision in [Precision.float32, .float16] {
            var options = PolicyOptions()
            options.template = "llava-1.5"
            options.precision = precision
            let policy = try Policy(directory: ShapesClipTests.model("shapes-llava"), options: options)
            results.append(try policy.logProbabilities(pairs))
            var generation = GenerationOptions()
            generation.maximumTokens = 40
            let requests = pairs.map { GenerationRequest(image: $0.images.first, prompt: $0.prompt) }
            texts.append(try policy.generate(requests, generation).map(\.text))
        }
        for (single, half) in zip(results[0], results[1]) {
            for (a, b) in zip(
                half.chosen.tokens + half.rejected.tokens, single.chosen.tokens + single.rejected.tokens)
            {
                // Logits of up to 20 through six layers and the tower: some 200 roundings of 2⁻¹¹, as a random walk
                // 7e-3, of which a token's numbers cancel a part.
                XCTAssertEqual(a, b, accuracy: 0.1)
            }
            XCTAssertNotEqual(half.chosen.sum, single.chosen.sum, "not computed in float16")
        }
        XCTAssertEqual(texts[1], texts[0])
    }
}
