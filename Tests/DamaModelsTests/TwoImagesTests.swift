import DamaImage
import DamaSupport
import DamaTestSupport
import XCTest

@testable import DamaModels

/// Several images in one prompt, against transformers (Fixtures/make_two_images.py).
final class TwoImagesTests: XCTestCase {
    override class func setUp() { TestRuntime.configure() }

    private struct Case {
        var images: [ImageSource]
        var json: JSON

        func text(_ key: String) throws -> String { try XCTUnwrap(json[key]?.string) }
        func numbers(_ key: String) throws -> [Double] {
            try XCTUnwrap(json[key]?.array).map { try XCTUnwrap($0.double) }
        }
        func pair() throws -> PreferencePair {
            PreferencePair(
                images: images, prompt: try text("prompt"), chosen: try text("chosen"), rejected: try text("rejected"))
        }
    }

    private static let files = [Fixtures.path("llava/image.png"), Fixtures.path("two_images/second.png")]

    private func cases() throws -> [Case] {
        try XCTUnwrap(Fixtures.json("two_images/expected.json").array).map { json in
            let images = try XCTUnwrap(json["images"]?.array).map { ImageSource.path(Self.files[$0.int ?? 0]) }
            return Case(images: images, json: json)
        }
    }

    private func policy(_ change: (inout PolicyOptions) -> Void = { _ in }) throws -> Policy {
        var options = PolicyOptions()
        change(&options)
        return try Policy(directory: Fixtures.path("llava/default"), options: options)
    }

    func testLogProbabilitiesEqualTransformers() throws {
        let cases = try cases()
        for change in [{ (_: inout PolicyOptions) in }, { $0.sharesPrefix = false }] {
            let policy = try policy(change)
            let pairs = try cases.map { try $0.pair() }
            for (found, known) in zip(try policy.logProbabilities(pairs), cases) {
                for (response, key) in [(found.chosen, "chosen_logps"), (found.rejected, "rejected_logps")] {
                    let expected = try known.numbers(key)
                    XCTAssertEqual(response.count, expected.count)
                    // As in PolicyTests: fp32 on both sides.
                    for (a, b) in zip(response.tokens, expected) { XCTAssertEqual(Double(a), b, accuracy: 1e-4) }
                }
            }
            for (prepared, known) in zip(try policy.prepare(pairs), cases) {
                let placeholders = prepared.sequence.tokens.count { $0 == TokenSequence.imagePlaceholder }
                XCTAssertEqual(placeholders, try XCTUnwrap(known.json["image_tokens"]?.int))
            }
        }
    }

    func testGreedyTextEqualsTransformers() throws {
        let cases = try cases()
        var options = GenerationOptions()
        options.maximumTokens = 16
        options.endTokens = []
        let requests = try cases.map { GenerationRequest(images: $0.images, prompt: try $0.text("prompt")) }
        let found = try policy().generate(requests, options)
        for (found, known) in zip(found, cases) {
            XCTAssertEqual(found.tokens.map(Double.init), try known.numbers("continuation"))
        }
    }

    func testTheOrderOfImagesCounts() throws {
        let pair = try cases()[0].pair()
        var other = pair
        other.images.reverse()
        let found = try policy().logProbabilities([pair, other])
        XCTAssertGreaterThan(abs(found[0].chosen.sum - found[1].chosen.sum), 1e-3)
    }

    func testMarksAndImagesMustAgree() throws {
        let policy = try policy()
        var pair = try cases()[0].pair()
        pair.prompt = "<image>\nWhat?"
        assertFails(.invalidArgument, "pair 0: the prompt contains <image> 1 time, but there are 2 images") {
            _ = try policy.logProbabilities([pair])
        }
        pair.images.removeLast()
        pair.prompt = "<image> or <image>?"
        assertFails(.invalidArgument, "the prompt contains <image> 2 times, but there is 1 image") {
            _ = try policy.prepare(pair)
        }
        let request = GenerationRequest(images: pair.images, prompt: pair.prompt)
        assertFails(.invalidArgument, "prompt 0: the prompt contains <image> 2 times, but there is 1 image") {
            _ = try policy.generate([request], GenerationOptions())
        }
    }

    func testImagesThatDoNotFitTheModel() throws {
        let policy = try self.policy { $0.maximumLength = 100 }
        let pair = try cases()[0].pair()
        assertFails(.invalidArgument, "longer than the maximum of 100") { _ = try policy.prepare(pair) }
    }
}
