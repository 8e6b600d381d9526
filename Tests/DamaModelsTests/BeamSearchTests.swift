import DamaRuntime
import DamaSupport
import DamaTestSupport
import XCTest

@testable import DamaModels

/// Beam search against transformers (Fixtures/make_beams.py): its rules over tables of log-probabilities, and whole
/// searches of models.
final class BeamSearchTests: XCTestCase {
    override class func setUp() { TestRuntime.configure() }

    private func options(_ json: JSON) throws -> GenerationOptions {
        var options = GenerationOptions()
        options.beams = try XCTUnwrap(json["num_beams"]?.int)
        options.maximumTokens = try XCTUnwrap(json["max_tokens"]?.int)
        options.lengthPenalty = try XCTUnwrap(json["length_penalty"]?.double)
        let stopping = json["early_stopping"]
        options.earlyStopping = try XCTUnwrap(
            EarlyStopping(rawValue: stopping?.bool.map { String($0) } ?? stopping?.string ?? ""))
        options.endTokens = try ids(json["end_tokens"])
        return options
    }

    private func ids(_ json: JSON?) throws -> [Int32] {
        try XCTUnwrap(json?.array).map { Int32(try XCTUnwrap($0.int)) }
    }

    // MARK: Rules

    func testRulesEqualTransformersWithTies() throws {
        let cases = try XCTUnwrap(Fixtures.json("beams/rules.json").array)
        XCTAssertEqual(cases.count, 240)
        for (number, json) in cases.enumerated() {
            let table = try XCTUnwrap(json["eighths"]?.array).map { row in
                try XCTUnwrap(row.array).map { Float(try XCTUnwrap($0.int)) / 8 }
            }
            let options = try options(json)
            let prompt = try XCTUnwrap(json["prompt"]?.int)
            var search = BeamSearch(
                options, room: options.maximumTokens, ends: options.endTokens ?? [], state: [Int32]())
            while !search.isDone {
                let rows = search.beams.map { table[Int($0.tokens.last ?? Int32(prompt))] }
                try withBuffers(rows) { buffers in
                    // The table holds log-probabilities already.
                    try search.advance(buffers, normalizers: rows.map { _ in 0 }) { tokens, token in
                        tokens.append(token)
                        return false
                    }
                }
                XCTAssertEqual(Set(search.beams.map(\.row)).count, search.beams.count, "\(number): rows")
                XCTAssertTrue(search.beams.allSatisfy { $0.state == $0.tokens }, "\(number): states")
            }
            XCTAssertEqual(search.finished.first?.continuation.tokens, try ids(json["tokens"]), "\(number)")
        }
    }

    private func withBuffers(_ rows: [[Float]], _ body: ([UnsafeBufferPointer<Float>]) throws -> Void) throws {
        let all = rows.flatMap { $0 }
        try all.withUnsafeBufferPointer { all in
            var start = 0
            try body(
                rows.map { row in
                    defer { start += row.count }
                    return UnsafeBufferPointer(rebasing: all[start..<start + row.count])
                })
        }
    }

    func testLogitsThatAreNotNumbersAreRefused() throws {
        var options = GenerationOptions()
        options.beams = 2
        for value in [Float.nan, -.infinity] {
            var search = BeamSearch(options, room: 3, ends: [], state: ())
            assertFails(.model, "no finite logit") {
                try self.withBuffers([[value, value]]) { rows in
                    try search.advance(rows, normalizers: [0]) { _, _ in false }
                }
            }
        }
    }

    // MARK: Decoders

    private func compareTokens(_ name: String, _ decoder: any CausalDecoder) throws {
        let cases = try XCTUnwrap(Fixtures.json("beams/models.json")[name]?.array)
        XCTAssertGreaterThan(cases.count, 8, name)
        for (number, json) in cases.enumerated() {
            let options = try options(json)
            let prompts = try XCTUnwrap(json["prompts"]?.array).map { DecoderPrompt(try ids($0)) }
            let expected = try XCTUnwrap(json["tokens"]?.array).map { try ids($0) }
            XCTAssertEqual(try search(decoder, prompts, options).map(\.tokens), expected, "\(name), \(number)")
            // A prompt on its own gives the same.
            guard number % 4 == 0 else { continue }
            let last = try search(decoder, Array(prompts.suffix(1)), options)
            XCTAssertEqual(last.map(\.tokens), Array(expected.suffix(1)), "\(name), \(number), alone")
        }
    }

    private func search(
        _ decoder: any CausalDecoder, _ prompts: [DecoderPrompt], _ options: GenerationOptions
    ) throws -> [Continuation] {
        var results = prompts.map { _ in Continuation(tokens: [], finish: .stop) }
        try decoder.search(prompts, options, state: (), push: { _, _ in false }) { index, found, _ in
            XCTAssertEqual(results[index].finish, .stop, "ended twice")
            results[index] = found
        }
        return results
    }

    func testLlamaEqualsTransformersTokenForToken() throws {
        for name in LlamaDecoderTests.cases { try compareTokens("llama/\(name)", LlamaDecoderTests.decoder(name)) }
    }

    func testWindowsEqualTransformersTokenForToken() throws {
        for name in ["mistral", "qwen2_window", "qwen3_window"] {
            let family = try FamilyFixture(name)
            var options = PolicyOptions()
            options.template = family.template
            try compareTokens("families/\(name)", Policy(directory: family.directory, options: options).decoder)
        }
    }

    /// A file that counts positions itself, which runs each beam alone.
    func testOnnxDecoderEqualsTransformersTokenForToken() throws {
        var options = PolicyOptions()
        options.template = "plain"
        let policy = try Policy(directory: Fixtures.path("onnx/llama"), options: options)
        try compareTokens("onnx/llama", policy.decoder)
    }

    // MARK: Policies

    private func compareImages(_ name: String, _ policy: Policy, image: (String) -> String) throws {
        let cases = try XCTUnwrap(Fixtures.json("beams/models.json")[name]?.array)
        XCTAssertGreaterThan(cases.count, 5, name)
        var stops = 0
        for (number, json) in cases.enumerated() {
            let options = try options(json)
            let stop = json["stop"]?.array?.compactMap(\.string) ?? []
            stops += stop.isEmpty ? 0 : 1
            let requests = try XCTUnwrap(json["prompts"]?.array).map { prompt in
                GenerationRequest(
                    images: try XCTUnwrap(prompt["images"]?.array).map { .path(image(try XCTUnwrap($0.string))) },
                    messages: [ChatMessage(.user, try XCTUnwrap(prompt["question"]?.string))])
            }
            var heard = [String](repeating: "", count: requests.count)
            var steps = 0
            let found = try policy.generate(
                requests, options, stop: stop, onText: { heard[$0] += $1 }, onStep: { steps += 1 })
            let expected = try XCTUnwrap(json["tokens"]?.array).map { try ids($0) }
            XCTAssertEqual(found.map(\.tokens), expected, "\(name), \(number)")
            XCTAssertEqual(heard, found.map(\.text), "\(name), \(number)")
            XCTAssertLessThan(steps, options.maximumTokens)
            for text in found where text.finish == .stop {
                XCTAssertFalse(stop.contains { text.text.contains($0) }, "\(name), \(number)")
            }
        }
        XCTAssertEqual(stops > 2, name.hasPrefix("llava"), "\(name): \(stops) cases with stop strings")
    }

    private func policy(_ directory: String, _ template: String?) throws -> Policy {
        var options = PolicyOptions()
        options.template = template
        return try Policy(directory: directory, options: options)
    }

    func testLlavaEqualsTransformersFromImagesAndText() throws {
        for (name, directory) in [
            ("llava/default", "llava/default"), ("llava/full_gqa_tied", "llava/full_gqa_tied"),
            ("llava/default", "onnx/llava"),
        ] {
            try compareImages(name, policy(Fixtures.path(directory), "vicuna_v1")) { Fixtures.path("llava/\($0).png") }
        }
    }

    func testSmolVLMEqualsTransformersFromImagesAndText() throws {
        let fixture = try TiledFixture("idefics3/smolvlm", tokenizer: "idefics3")
        let template = "User:{image}{question}<end_of_utterance>\nAssistant: {response}<end_of_utterance>"
        try compareImages("idefics3/smolvlm", policy(fixture.directory, template)) { fixture.image($0) }
    }

    // MARK: Options and ends

    func testWrongOptionsAreNamed() throws {
        let decoder = try LlamaDecoderTests.decoder("mha")
        func fails(_ message: String, streams: [UInt64]? = nil, _ change: (inout GenerationOptions) -> Void) {
            var options = GenerationOptions()
            options.beams = 3
            change(&options)
            assertFails(.invalidArgument, message) {
                _ = try self.search(decoder, [DecoderPrompt([1], streams: streams)], options)
            }
        }
        fails("num_beams is 3 and the temperature is 0.5") { $0.sampling.temperature = 0.5 }
        fails("2 samples by beam search", streams: [1, 2]) { _ in }
        fails("num_beams is 0; it must be 1") { $0.beams = 0 }
        fails("num_beams is 1025") { $0.beams = 1025 }
        fails("length_penalty is nan") { $0.lengthPenalty = .nan }
    }

    func testPromptsWithoutContinuationsGiveNoResults() throws {
        let decoder = try LlamaDecoderTests.decoder("mha")
        var options = GenerationOptions()
        (options.beams, options.maximumTokens) = (2, 3)
        var found: [Int] = []
        try decoder.search(
            [DecoderPrompt([1], streams: []), DecoderPrompt([4], streams: [0])], options, state: (),
            push: { _, _ in false }, onEnd: { index, _, _ in found.append(index) })
        XCTAssertEqual(found, [0])
    }

    func testCancelsBetweenSteps() throws {
        let decoder = try LlamaDecoderTests.decoder("mha")
        var options = GenerationOptions()
        options.beams = 2
        options.endTokens = []
        var steps = 0
        assertFails(.cancelled, "stopped at the request") {
            try decoder.search(
                [DecoderPrompt([1])], options, state: (), push: { _, _ in false },
                onStep: { () throws(DamaError) in
                    steps += 1
                    if steps == 3 { throw .cancelled }
                }, onEnd: { _, _, _ in XCTFail() })
        }
        XCTAssertEqual(steps, 3)
        let run = try RunOptions(decoder.runtime)
        run.cancel()
        assertFails(.cancelled, "stopped at the request") {
            try decoder.search(
                [DecoderPrompt([1])], options, state: (), run: run, push: { _, _ in false }, onEnd: { _, _, _ in })
        }
    }

    func testEndsWhereTheModelsPositionsEnd() throws {
        let decoder = try LlamaDecoderTests.decoder("mha")
        var options = GenerationOptions()
        (options.beams, options.maximumTokens, options.endTokens) = (3, 100, [])
        let found = try search(decoder, [DecoderPrompt([Int32](repeating: 5, count: 250))], options)
        XCTAssertEqual(found[0].tokens.count, 6)
    }
}
