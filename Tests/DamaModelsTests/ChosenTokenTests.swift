import DamaRuntime
import DamaSupport
import DamaTestSupport
import XCTest

@testable import DamaModels

/// Greedy decoding with a decoder whose cache chooses the tokens.
final class ChosenTokenTests: XCTestCase {
    override class func setUp() { TestRuntime.configure() }

    /// A Llama decoder whose caches return the likeliest tokens, found by sorting.
    private final class ChoosingDecoder: CausalDecoder {
        let base: LlamaDecoder
        /// From which step on no row has a likeliest token.
        let damagedFrom: Int

        init(_ base: LlamaDecoder, damagedFrom: Int = .max) { (self.base, self.damagedFrom) = (base, damagedFrom) }

        var runtime: OnnxRuntime { base.runtime }
        var vocabularySize: Int { base.vocabularySize }
        var hiddenSize: Int { base.hiddenSize }
        var maximumPositions: Int { base.maximumPositions }
        var endTokens: [Int32] { base.endTokens }
        var packsResponses: Bool { base.packsResponses }
        var identity: JSON { base.identity }
        var fingerprint: String { get throws(DamaError) { base.fingerprint } }
        var choosesTokens: Bool { true }

        func logProbabilities(_ rows: [DecoderRow], options: RunOptions?) throws(DamaError) -> [[Float]] {
            try base.logProbabilities(rows, options: options)
        }

        func makeCache(batch: Int, length: Int, output: StepOutput) throws(DamaError) -> any KeyValueCache {
            let cache = try base.makeCache(batch: batch, length: length, output: .logits)
            return output == .logits ? cache : ChoosingCache(cache, damagedFrom: damagedFrom)
        }
    }

    private final class ChoosingCache: KeyValueCache {
        let base: any KeyValueCache
        let damagedFrom: Int
        var steps = 0

        init(_ base: any KeyValueCache, damagedFrom: Int) { (self.base, self.damagedFrom) = (base, damagedFrom) }

        func start(_ prompts: [DecoderPrompt], run: RunOptions?) throws(DamaError) -> TensorValue {
            try chosen(base.start(prompts, run: run))
        }
        func keep(_ rows: [Int]) throws(DamaError) { try base.keep(rows) }
        func copy(_ copies: [CacheCopy]) throws(DamaError) { try base.copy(copies) }
        func step(_ tokens: [Int32], at lengths: [Int], run: RunOptions?) throws(DamaError) -> TensorValue {
            try chosen(base.step(tokens, at: lengths, run: run))
        }

        private func chosen(_ logits: TensorValue) throws(DamaError) -> TensorValue {
            defer { steps += 1 }
            let (rows, size) = (logits.shape[0], logits.shape[1])
            let all: [Float] = try logits.array()
            let tokens = (0..<rows).map { row in
                let order = (0..<size).sorted { (all[row * size + $0], $1) > (all[row * size + $1], $0) }
                return steps < damagedFrom ? Int64(order[0]) : -1
            }
            return try TensorValue(logits.runtime, tokens, shape: [rows])
        }
    }

    private let prompts = [[5, 6, 7], [8], [9, 10, 11, 12, 13]].map { DecoderPrompt($0) }

    private var options: GenerationOptions {
        var options = GenerationOptions()
        options.maximumTokens = 12
        options.endTokens = []
        return options
    }

    func testChosenTokensGiveTheSameTexts() throws {
        let base = try LlamaDecoderTests.decoder("mha")
        let expected = try base.generate(prompts, options)
        XCTAssertEqual(try ChoosingDecoder(base).generate(prompts, options), expected)
        // Continuations that end leave the batch.
        var options = options
        options.endTokens = [expected[0].tokens[3], expected[2].tokens[5]]
        XCTAssertEqual(try ChoosingDecoder(base).generate(prompts, options), try base.generate(prompts, options))
    }

    func testSamplingTakesLogits() throws {
        let base = try LlamaDecoderTests.decoder("mha")
        var options = options
        options.sampling = SamplingOptions(temperature: 1)
        options.seed = 3
        XCTAssertEqual(try ChoosingDecoder(base).generate(prompts, options), try base.generate(prompts, options))
    }

    func testARowWithoutALikeliestTokenIsAnError() throws {
        let decoder = ChoosingDecoder(try LlamaDecoderTests.decoder("mha"), damagedFrom: 2)
        assertFails(.model, "no finite logit") { _ = try decoder.generate(self.prompts, self.options) }
    }
}
