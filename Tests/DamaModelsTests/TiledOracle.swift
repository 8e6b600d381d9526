import DamaImage
import DamaSupport
import DamaTestSupport
import XCTest

@testable import DamaModels

/// Comparisons of a policy whose images are cut into tiles with transformers' results (Fixtures/policy_oracle.py).
enum TiledOracle {
    private struct Case {
        var images: [ImageSource]
        var json: JSON

        func text(_ key: String) throws -> String { try XCTUnwrap(json[key]?.string) }
        func numbers(_ key: String) throws -> [Double] {
            try XCTUnwrap(json[key]?.array).map { try XCTUnwrap($0.double) }
        }
        func request() throws -> GenerationRequest { GenerationRequest(images: images, prompt: try text("prompt")) }
        func pair() throws -> PreferencePair {
            PreferencePair(
                images: images, prompt: try text("prompt"), chosen: try text("chosen"), rejected: try text("rejected"))
        }
    }

    private static func cases(_ fixture: TiledFixture, _ file: String) throws -> [Case] {
        try fixture.expected(file).map { json in
            let names = try XCTUnwrap(json["images"]?.array).map { try XCTUnwrap($0.string) }
            return Case(images: names.map { .path(fixture.image($0)) }, json: json)
        }
    }

    /// The pairs of a fixture in one batch; the tokens of their prompts too, with one for each row of features.
    static func compareLogProbabilities(_ policy: Policy, _ fixture: TiledFixture, _ file: String = "expected") throws {
        let cases = try cases(fixture, file)
        let image = try XCTUnwrap(policy.text.image?.id)
        for known in cases {
            let tokens = try policy.prepare(known.request()).tokens.map {
                Double($0 == TokenSequence.imagePlaceholder ? image : $0)
            }
            XCTAssertEqual(tokens, try known.numbers("prompt_ids"))
        }
        for (found, known) in zip(try policy.logProbabilities(cases.map { try $0.pair() }), cases) {
            for (response, key) in [(found.chosen, "chosen_logps"), (found.rejected, "rejected_logps")] {
                let expected = try known.numbers(key)
                XCTAssertEqual(response.count, expected.count, fixture.folder)
                for (a, b) in zip(response.tokens, expected) {
                    // fp32 on both sides; log-probabilities are of the order of 10.
                    XCTAssertEqual(Double(a), b, accuracy: 1e-4, fixture.folder)
                }
            }
        }
    }

    static func compareGreedyText(_ policy: Policy, _ fixture: TiledFixture, _ file: String = "expected") throws {
        let cases = try cases(fixture, file)
        var options = GenerationOptions()
        options.maximumTokens = 12
        options.endTokens = []
        let found = try policy.generate(cases.map { try $0.request() }, options)
        for (found, known) in zip(found, cases) {
            XCTAssertEqual(found.tokens.map(Double.init), try known.numbers("continuation"), fixture.folder)
        }
    }
}
