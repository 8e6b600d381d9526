import DamaImage
import DamaSupport
import DamaTestSupport
import Foundation
import XCTest

@testable import DamaModels

/// Log-probabilities and generated text of LLaVA from image files and text, against transformers
/// (Fixtures/make_llava.py).
final class PolicyTests: XCTestCase {
    override class func setUp() { TestRuntime.configure() }

    /// fp32 on both sides through a vision tower and a decoder; the log-probabilities are of the order of 10.
    private let tolerance: Float = 1e-4

    private static let cases = ["default", "full_gqa_tied"]
    private let image = ImageSource.path(Fixtures.path("llava/image.png"))

    private func policy(_ name: String, _ change: (inout PolicyOptions) -> Void = { _ in }) throws -> Policy {
        var options = PolicyOptions()
        change(&options)
        return try Policy(directory: Fixtures.path("llava/\(name)"), options: options)
    }

    private func expected(_ name: String) throws -> [JSON] {
        try XCTUnwrap(Fixtures.json("llava/\(name)/expected.json").array)
    }

    private func pair(_ json: JSON, image: ImageSource?) throws -> PreferencePair {
        PreferencePair(
            image: image, prompt: try XCTUnwrap(json["prompt"]?.string), chosen: try XCTUnwrap(json["chosen"]?.string),
            rejected: try XCTUnwrap(json["rejected"]?.string))
    }

    private func assertEqual(
        _ found: ResponseLogProbability, _ expected: JSON?, tolerance: Float, _ what: String, line: UInt = #line
    ) throws {
        let expected = try XCTUnwrap(expected?.array).map { Float(try XCTUnwrap($0.double)) }
        XCTAssertEqual(found.count, expected.count, what, line: line)
        for (a, b) in zip(found.tokens, expected) { XCTAssertEqual(a, b, accuracy: tolerance, what, line: line) }
        XCTAssertEqual(found.sum, expected.reduce(0) { $0 + Double($1) }, accuracy: 1e-3, what, line: line)
    }

    func testLogProbabilitiesEqualTransformersFromFileAndText() throws {
        for name in Self.cases {
            let expected = try expected(name)
            let pairs = try expected.map { try pair($0, image: image) }
            for (what, change) in [
                ("packed", { (_: inout PolicyOptions) in }),
                ("separate", { $0.sharesPrefix = false }),
                ("one by one", { $0.tokenBudget = 1 }),
            ] {
                let found = try policy(name, change).logProbabilities(pairs)
                for (found, json) in zip(found, expected) {
                    try assertEqual(found.chosen, json["chosen_logps"], tolerance: tolerance, "\(name), \(what)")
                    try assertEqual(found.rejected, json["rejected_logps"], tolerance: tolerance, "\(name), \(what)")
                }
            }
        }
    }

    func testPackedAndSeparateSequencesAgree() throws {
        let pairs = try expected("default").map { try pair($0, image: image) }
        let packed = try policy("default").logProbabilities(pairs)
        let separate = try policy("default") { $0.sharesPrefix = false }.logProbabilities(pairs)
        for (a, b) in zip(packed, separate) {
            for (x, y) in zip(a.chosen.tokens + a.rejected.tokens, b.chosen.tokens + b.rejected.tokens) {
                // The same sums in another order.
                XCTAssertEqual(x, y, accuracy: 1e-5)
            }
        }
    }

    func testGreedyTextEqualsTransformers() throws {
        for name in Self.cases {
            let expected = try expected(name)
            let policy = try policy(name)
            var options = GenerationOptions()
            options.maximumTokens = 20
            options.endTokens = []
            let requests = try expected.map {
                GenerationRequest(image: image, prompt: try XCTUnwrap($0["prompt"]?.string))
            }
            var heard = [String](repeating: "", count: requests.count)
            let found = try policy.generate(requests, options) { index, text in heard[index] += text }
            for (index, json) in expected.enumerated() {
                let ids = try XCTUnwrap(json["continuation"]?.array).compactMap(\.int)
                XCTAssertEqual(found[index].tokens.map(Int.init), ids, name)
                XCTAssertEqual(heard[index], found[index].text)
            }
        }
    }

    func testStopStringsEndTheTextBeforeThem() throws {
        let policy = try policy("default")
        var options = GenerationOptions()
        options.maximumTokens = 20
        options.endTokens = []
        let request = GenerationRequest(image: image, prompt: "What?")
        let free = try policy.generate([request], options)[0].text
        let middle = Array(free.unicodeScalars)
        try XCTSkipIf(middle.count < 8, "the random model says too little")
        let stop = String(String.UnicodeScalarView(middle[5..<7]))
        let before = String(
            free.unicodeScalars.prefix(try XCTUnwrap(free.firstRange(of: stop)).lowerBound.utf16Offset(in: free)))
        var heard = ""
        let found = try policy.generate([request], options, stop: [stop]) { _, text in heard += text }[0]
        XCTAssertEqual(found.finish, .stop)
        XCTAssertEqual(found.text, before)
        XCTAssertEqual(heard, before)
    }

    func testOverlongResponsesAreErrorsOrCutAndFlagged() throws {
        let json = try expected("default")[0]
        let whole = try policy("default").logProbabilities([pair(json, image: image)])[0]
        let full = try XCTUnwrap(json["rejected_ids"]?.array?.count)
        let limit =
            try policy("default").text.encode(
                [ChatMessage(.user, "What is in the image?")], responses: ["x", "y"],
                imageTokens: [TokenSequence.placeholders(16)]
            )
            .prompt.count + 10
        assertFails(.invalidArgument, "pair 0: prompt") {
            _ = try self.policy("default") { $0.maximumLength = limit }.logProbabilities([
                self.pair(json, image: self.image)
            ])
        }
        let cut = try policy("default") {
            $0.maximumLength = limit
            $0.overlong = .cut
        }.logProbabilities([pair(json, image: image)])[0]
        XCTAssertTrue(cut.rejected.wasCut)
        XCTAssertLessThan(cut.rejected.count, full)
        for (a, b) in zip(cut.rejected.tokens, whole.rejected.tokens) { XCTAssertEqual(a, b, accuracy: 1e-5) }
    }

    /// Weights are shared while in use; a replaced file is another file, even under the same path.
    func testPoliciesOfTheSameFilesShareTheirWeights() throws {
        let folder = try TemporaryDirectory()
        let directory = folder.path + "/model"
        try FileManager.default.copyItem(atPath: Fixtures.path("llava/default"), toPath: directory)
        func weights(_ policy: Policy) throws -> ModelWeights {
            try XCTUnwrap(policy.decoder as? LlamaDecoder).weights
        }
        let first = try Policy(directory: directory)
        let shared = try weights(first)
        XCTAssertTrue(try weights(Policy(directory: directory)) === shared)
        XCTAssertFalse(try weights(policy("default")) === shared)

        var bytes = try Files.read(directory + "/model.safetensors")
        bytes[bytes.count - 1] ^= 0x80
        try Files.writeAtomically(bytes, to: directory + "/model.safetensors")
        let second = try weights(Policy(directory: directory))
        XCTAssertFalse(second === shared)
        XCTAssertNotEqual(second.store.fingerprint, shared.store.fingerprint)
    }

    func testAPromptThatFillsTheModelsPositionsIsNamed() throws {
        let policy = try policy("default")
        let request = GenerationRequest(image: image, prompt: String(repeating: "what ", count: 512))
        let short = GenerationRequest(image: image, prompt: "What?")
        assertFails(.shapeMismatch, "prompt 1: the prompt has ") {
            _ = try policy.generate([short, request], GenerationOptions())
        }
        assertFails(.shapeMismatch, "the model has 512 positions for prompt and continuation") {
            _ = try policy.prepare(request)
        }
    }

    func testBadInputIsNamed() throws {
        let policy = try policy("default")
        let good = PreferencePair(image: image, prompt: "a", chosen: "b", rejected: "c")
        func fails(_ text: String, _ change: (inout PreferencePair) -> Void) {
            var pair = good
            change(&pair)
            assertFails(.invalidArgument, text) { _ = try policy.logProbabilities([good, pair]) }
        }
        fails("pair 1: the pair has no image") { $0.image = nil }
        fails("pair 1: a response is empty") { $0.chosen = "" }
        fails("pair 1: the prompt contains <image> 2 times") { $0.prompt = "<image> <image>" }
        assertFails(.invalidArgument, "batch is empty") { _ = try policy.logProbabilities([]) }
        assertFails(.invalidArgument, "the template's date is \"today\"") {
            _ = try self.policy("default") { $0.templateDate = "today" }
        }
        assertFails(.io, "config.json") { _ = try Policy(directory: "/nonexistent") }
        assertFails(.unsupported, "supported are \"llama\"") { _ = try Policy(directory: Fixtures.path("clip/legacy")) }
    }
}
