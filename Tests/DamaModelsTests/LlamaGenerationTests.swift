import DamaRuntime
import DamaSupport
import DamaTestSupport
import XCTest

@testable import DamaModels

final class LlamaGenerationTests: XCTestCase {
    override class func setUp() { TestRuntime.configure() }

    private struct Case {
        var prompt: [Int32]
        var continuation: [Int32]
    }

    private func greedy(_ name: String) throws -> [Case] {
        try XCTUnwrap(Fixtures.json("llama/\(name)/expected.json")["greedy"]?.array).map { json in
            func ids(_ key: String) throws -> [Int32] {
                try XCTUnwrap(json[key]?.array).map { Int32(try XCTUnwrap($0.int)) }
            }
            return Case(prompt: try ids("prompt"), continuation: try ids("continuation"))
        }
    }

    private var options: GenerationOptions {
        var options = GenerationOptions()
        options.maximumTokens = 24
        options.endTokens = []
        return options
    }

    /// Prompts of different lengths in one batch with a cache, against transformers on single prompts without a cache.
    func testGreedyBatchEqualsTransformersTokenForToken() throws {
        for name in LlamaDecoderTests.cases {
            let cases = try greedy(name)
            let found = try LlamaDecoderTests.decoder(name).generate(cases.map { .init($0.prompt) }, options)
            XCTAssertEqual(found.map(\.tokens), cases.map(\.continuation), name)
            XCTAssertTrue(found.allSatisfy { $0.finish == .length })
        }
    }

    func testEndsAtAnEndTokenAtTheCallersWordAndAtTheLimit() throws {
        let cases = try greedy("mha")
        let decoder = try LlamaDecoderTests.decoder("mha")
        var options = options
        // The first token that did not occur before: the continuation must end there.
        let first = cases[0].continuation
        let end = try XCTUnwrap(first.indices.first { $0 > 2 && !first[..<$0].contains(first[$0]) })
        options.endTokens = [first[end]]
        var heard: [Int32] = []
        let found = try decoder.generate([.init(cases[0].prompt)], options) { _, token in
            heard.append(token)
            return true
        }
        XCTAssertEqual(found, [.init(tokens: Array(first[..<end]), finish: .endToken)])
        XCTAssertEqual(heard, Array(first[..<end]))

        options.endTokens = []
        var count = 0
        let stopped = try decoder.generate(cases.map { .init($0.prompt) }, options) { index, _ in
            if index == 1 { count += 1 }
            return index != 1 || count < 3
        }
        XCTAssertEqual(stopped[1], .init(tokens: Array(cases[1].continuation[..<3]), finish: .stop))
        // A continuation that ends does not affect the others.
        XCTAssertEqual(stopped[0].tokens, cases[0].continuation)
        XCTAssertEqual(stopped[2].tokens, cases[2].continuation)
    }

    /// Finished continuations leave the batch, at every batch size; the others continue unaffected.
    func testTheOthersGoOnWhereSomeEnd() throws {
        let cases = try greedy("gqa_tied") + greedy("gqa_tied") + greedy("gqa_tied")
        let lengths = cases.indices.map { ($0 * 7) % 20 + 1 }
        var counts = cases.map { _ in 0 }
        let found = try LlamaDecoderTests.decoder("gqa_tied").generate(cases.map { .init($0.prompt) }, options) {
            index, _ in
            counts[index] += 1
            return counts[index] < lengths[index]
        }
        for (index, continuation) in found.enumerated() {
            XCTAssertEqual(continuation.tokens, Array(cases[index].continuation[..<lengths[index]]), "\(index)")
            XCTAssertEqual(continuation.finish, .stop)
        }
    }

    /// Several continuations of a prompt equal those of the same prompt given several times.
    func testStreamsOfOnePromptAreThoseOfManyPrompts() throws {
        let cases = try greedy("mha")
        let decoder = try LlamaDecoderTests.decoder("mha")
        var options = options
        options.sampling = SamplingOptions(temperature: 1)
        let prompts = (0..<6).map { DecoderPrompt(cases[$0 < 4 ? 0 : 1].prompt) }
        let apart = try decoder.generate(prompts, options)
        XCTAssertNotEqual(apart[0], apart[1])
        let together = try decoder.generate(
            [.init(cases[0].prompt, streams: [0, 3, 1, 2]), .init(cases[1].prompt, streams: [4, 5])], options)
        XCTAssertEqual(together, [0, 3, 1, 2, 4, 5].map { apart[$0] })
        // No continuation gives no result and does not affect the others.
        XCTAssertEqual(
            try decoder.generate(
                [.init(cases[0].prompt, streams: []), .init(cases[1].prompt, streams: [5])], options), [apart[5]])
        XCTAssertEqual(
            try decoder.generate(
                [.init(cases[0].prompt, streams: [3, 0]), .init(cases[1].prompt, streams: [])], options),
            [apart[3], apart[0]])
        XCTAssertEqual(try decoder.generate([.init(cases[0].prompt, streams: [])], options), [])
    }

    func testSeedDecidesTheSample() throws {
        let decoder = try LlamaDecoderTests.decoder("gqa_tied")
        let prompt = DecoderPrompt(try greedy("gqa_tied")[0].prompt)
        var options = options
        options.sampling = SamplingOptions(temperature: 5)
        let a = try decoder.generate([prompt], options)
        XCTAssertEqual(a, try decoder.generate([prompt], options))
        options.seed = 1
        XCTAssertNotEqual(a, try decoder.generate([prompt], options))
    }

    func testCancelAndBadInput() throws {
        let decoder = try LlamaDecoderTests.decoder("mha")
        assertFails(.cancelled, "callback") {
            _ = try decoder.generate([.init([1])], self.options) { _, _ throws(DamaError) in throw .cancelled }
        }
        assertFails(.invalidArgument, "prompt 1 has no tokens") {
            _ = try decoder.generate([.init([1]), .init([])], self.options)
        }
        assertFails(.invalidArgument, "batch is empty") { _ = try decoder.generate([], self.options) }
        assertFails(.shapeMismatch, "256 positions") {
            _ = try decoder.generate([.init([Int32](repeating: 5, count: 256))], self.options)
        }
        var options = options
        options.maximumTokens = 0
        assertFails(.invalidArgument, "max_tokens") { _ = try decoder.generate([.init([1])], options) }
    }

    func testStopsWhereTheModelsPositionsEnd() throws {
        let decoder = try LlamaDecoderTests.decoder("mha")
        var options = options
        options.maximumTokens = 100
        let found = try decoder.generate([.init([Int32](repeating: 5, count: 250))], options)
        XCTAssertEqual(found[0].tokens.count, 6)
        XCTAssertEqual(found[0].finish, .length)
        // A long prompt does not shorten the continuation of a short one in the batch.
        options.maximumTokens = 24
        let short = try greedy("mha")[0]
        let both = try decoder.generate([.init([Int32](repeating: 5, count: 250)), .init(short.prompt)], options)
        XCTAssertEqual(both[0], found[0])
        XCTAssertEqual(both[1].tokens, short.continuation)
    }
}
