import Dama
import DamaTestSupport
import Foundation
import XCTest

/// Generation over a dataset with the small LLaVA of the model tests. The expected continuations come from
/// transformers.
final class GenerateJobTests: XCTestCase {
    override class func setUp() { TestRuntime.configure() }

    private static let models =
        URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .path + "/DamaModelsTests/Fixtures/llava"

    private var policy: Policy { get throws { try Policy(directory: Self.models + "/default") } }

    /// Prompts, and the token ids with which transformers continues them. The texts are compared through our own
    /// decoder, token by token: the random model's bytes are not valid UTF-8, and decoders differ in the number of
    /// U+FFFD for them.
    private func expected() throws -> [(prompt: String, text: String)] {
        let tokenizer = try Tokenizer(directory: Self.models + "/default")
        return try XCTUnwrap(Files.readJSON(Self.models + "/default/expected.json").array).map { json in
            var decoder = StreamingDecoder(tokenizer)
            let ids = try XCTUnwrap(json["continuation"]?.array).compactMap { $0.int.map(Int32.init) }
            XCTAssertEqual(ids.count, 20)
            let text = ids.map { decoder.push($0) }.joined()
            return (try XCTUnwrap(json["prompt"]?.string), text + decoder.finish())
        }
    }

    /// Options for a dataset of `count` rows that repeat the fixture's prompts, followed by rejected rows.
    private func options(_ folder: TemporaryDirectory, count: Int, bad: Bool = false) throws -> GenerateOptions {
        try? FileManager.default.copyItem(atPath: Self.models + "/image.png", toPath: folder.path + "/image.png")
        let prompts = try expected().map(\.prompt)
        var lines = (0..<count).map { index -> String in
            let row: JSON = [
                "idx": .string("q\(index)"), "image": "image.png", "question": .string(prompts[index % prompts.count]),
            ]
            return row.text
        }
        if bad {
            lines += [
                #"{"idx":"no question","image":"image.png"}"#, #"{"idx":"no image","question":"q"}"#,
                #"{"idx":"two images","image":"image.png","question":"<image><image>"}"#,
                #"{"idx":"missing","image":"none.png","question":"q"}"#,
                #"{"idx":"too long","image":"image.png","question":"\#(String(repeating: "a b c ", count: 400))"}"#,
                "{broken",
            ]
        }
        try folder.write(Array(lines.joined(separator: "\n").utf8), to: "questions.jsonl")
        var options = GenerateOptions(data: folder.path + "/questions.jsonl", output: folder.path + "/out.jsonl")
        options.generation.maximumTokens = 20
        options.generation.endTokens = []
        return options
    }

    private func sampled(_ options: GenerateOptions, samples: Int) -> GenerateOptions {
        var options = options
        options.samples = samples
        options.generation.sampling = SamplingOptions(temperature: 1)
        options.generation.seed = 3
        return options
    }

    private func lines(_ path: String) throws -> [JSON] {
        try Files.read(path).split(separator: 0x0A).map { try JSON(parsing: $0) }
    }

    /// Rows with embedded images and questions in messages give the same responses as rows with paths.
    func testImagesInRowsAndQuestionsInMessages() throws {
        let policy = try policy
        let folder = try TemporaryDirectory()
        var options = try options(folder, count: 2)
        let base64 = try Data(contentsOf: URL(fileURLWithPath: folder.path + "/image.png")).base64EncodedString()
        let rows = try expected().prefix(2).map { expected -> String in
            let row: JSON = [
                "images": [.string("data:image/png;base64,\(base64)")],
                "prompt": [
                    [
                        "role": "user",
                        "content": [["type": "image"], ["type": "text", "text": .string(expected.prompt)]],
                    ]
                ],
            ]
            return row.text
        }
        options.rows.data = try folder.write(Array(rows.joined(separator: "\n").utf8), to: "messages.jsonl")
        XCTAssertEqual(try GenerateJob(options, policy: policy).run().rowsRejected, 0)
        XCTAssertEqual(
            try lines(options.rows.output).map { $0["response"]?.string }, try expected().prefix(2).map(\.text))
    }

    /// Rows as Object HalBench's: `question`, `image` as base64 and `image_id`, which is not an image but the row's id.
    func testImagesAsBase64AndTheirIds() throws {
        let policy = try policy
        let folder = try TemporaryDirectory()
        var options = try options(folder, count: 1)
        let base64 = try Data(contentsOf: URL(fileURLWithPath: folder.path + "/image.png")).base64EncodedString()
        let images: [JSON] = [
            .string(base64), .string("data:image/png;base64,\(base64)"), ["bytes": .string(base64)],
            ["bytes": .string(base64), "path": "elsewhere.png"],
        ]
        let (prompt, text) = try expected()[0]
        let rows = images.enumerated().map { index, image -> String in
            let row: JSON = [
                "question": .string(prompt), "image": image, "image_id": .int(Int64(391_895 + index)),
            ]
            return row.text
        }
        options.rows.data = try folder.write(Array(rows.joined(separator: "\n").utf8), to: "halbench.jsonl")
        options.rows.fields = try FieldNames(mappings: ["idx=image_id"])
        XCTAssertEqual(try GenerateJob(options, policy: policy).run().rowsRejected, 0)
        let found = try lines(options.rows.output)
        XCTAssertEqual(found.map { $0["id"]?.int }, [391_895, 391_896, 391_897, 391_898])
        XCTAssertEqual(found.map { $0["response"]?.string }, images.map { _ in text })
    }

    /// Whether images are padded or cropped follows the model's files.
    func testTheImageModeIsTheCheckpoints() throws {
        let folder = try TemporaryDirectory()
        let model = folder.path + "/model"
        try FileManager.default.copyItem(atPath: Self.models + "/default", toPath: model)
        let path = model + "/preprocessor_config.json"
        var members = try XCTUnwrap(Files.readJSON(path).object?.members)
        members.removeAll { $0.key == "image_processor_type" }
        members += [("image_processor_type", "LlavaImageProcessor"), ("do_pad", true)]
        try Files.writeAtomically(Array(JSON.object(JSONObject(members)).text.utf8), to: path)
        func responses(_ mode: PolicyOptions.ImageMode) throws -> [String] {
            var policyOptions = PolicyOptions()
            policyOptions.imageMode = mode
            var options = try options(folder, count: 3)
            options.rows.restart = true
            try GenerateJob(options, policy: Policy(directory: model, options: policyOptions)).run()
            return try lines(options.rows.output).compactMap { $0["response"]?.string }
        }
        let checkpoint = try responses(.checkpoint)
        XCTAssertEqual(checkpoint, try responses(.pad))
        XCTAssertNotEqual(checkpoint, try responses(.crop))
        XCTAssertEqual(try responses(.crop), try expected().prefix(3).map(\.text))
    }

    /// A search stops between its steps, and the whole job ends with the same bytes.
    func testABeamSearchStopsAndGoesOn() throws {
        let policy = try policy
        let folder = try TemporaryDirectory()
        var options = try options(folder, count: 2)
        options.generation.beams = 3
        options.generation.lengthPenalty = 2
        var calls = 0
        try GenerateJob(options, policy: policy).run { _ throws(DamaError) in calls += 1 }
        XCTAssertGreaterThan(calls, 20, "called at every step")
        let whole = try Files.read(options.rows.output)
        let requests = try expected().prefix(2).map {
            GenerationRequest(image: .path(folder.path + "/image.png"), prompt: $0.prompt)
        }
        let texts = try policy.generate(requests, options.generation).map(\.text)
        XCTAssertEqual(try lines(options.rows.output).map { $0["response"]?.string }, texts)
        XCTAssertNotEqual(texts, try expected().prefix(2).map(\.text), "beam search finds other texts")
        let settings = try Files.readJSON(folder.path + "/out.summary.json")["settings"]
        XCTAssertEqual(settings?["num_beams"], 3)
        XCTAssertEqual(settings?["length_penalty"]?.double, 2)

        options.rows.restart = true
        var left = 12
        assertFails(.cancelled, "stopped") {
            try GenerateJob(options, policy: policy).run { _ throws(DamaError) in
                left -= 1
                if left == 0 { throw .cancelled }
            }
        }
        options.rows.restart = false
        try GenerateJob(options, policy: policy).run()
        XCTAssertEqual(try Files.read(options.rows.output), whole)
    }

    func testGreedyTextsAreTransformersInBatchesOfAnySize() throws {
        let policy = try policy
        let expected = try expected()
        for block in [1, 2, 5, 16] {
            let folder = try TemporaryDirectory()
            var options = try options(folder, count: 7, bad: true)
            options.rows.blockRows = block
            let summary = try GenerateJob(options, policy: policy).run()
            XCTAssertEqual([summary.rows, summary.rowsRejected], [13, 6])
            let found = try lines(options.rows.output)
            XCTAssertEqual(found.map { $0["id"]?.string }, (0..<7).map { "q\($0)" })
            for (index, line) in found.enumerated() {
                XCTAssertEqual(line["response"]?.string, expected[index % expected.count].text, "block of \(block)")
            }
            XCTAssertTrue(found.allSatisfy { $0["finish"] == "length" })
            XCTAssertEqual(summary.rowsCut, 7)
            let rejects = try lines(folder.path + "/out.rejects.jsonl")
            XCTAssertEqual(
                rejects.map { $0["kind"]?.string },
                ["missing_field", "missing_field", "does_not_fit", "image_missing", "does_not_fit", "invalid_json"])
        }
    }

    /// A response depends only on seed, row and sample.
    func testSamplesDependNeitherOnTheBatchNorOnHowManyThereAre() throws {
        let policy = try policy
        func responses(block: Int, samples: Int, seed: UInt64 = 3) throws -> [[String]] {
            let folder = try TemporaryDirectory()
            var options = sampled(try options(folder, count: 6), samples: samples)
            options.rows.blockRows = block
            options.generation.seed = seed
            try GenerateJob(options, policy: policy).run()
            return try lines(options.rows.output).map { line in
                let texts = line["responses"]?.array ?? line["response"].map { [$0] } ?? []
                XCTAssertEqual(line["finish"]?.array?.count ?? 1, texts.count)
                return texts.compactMap(\.string)
            }
        }
        let three = try responses(block: 6, samples: 3)
        XCTAssertEqual(three.map(\.count), [Int](repeating: 3, count: 6))
        XCTAssertEqual(Set(three.flatMap { $0 }).count, 18, "the same prompt, sampled anew each time")
        // The batch changes only the last bits of the logits, which rarely cross a threshold of 2^-53 steps.
        XCTAssertEqual(try responses(block: 2, samples: 3), three)
        XCTAssertEqual(try responses(block: 4, samples: 1), three.map { [$0[0]] })
        XCTAssertNotEqual(try responses(block: 6, samples: 3, seed: 4), three)
    }

    func testStoppedAnywhereItEndsWithTheSameBytes() throws {
        let policy = try policy
        let whole = try TemporaryDirectory()
        func options(_ folder: TemporaryDirectory) throws -> GenerateOptions {
            var options = sampled(try self.options(folder, count: 9, bad: true), samples: 2)
            options.rows.blockRows = 2
            options.imageRoot = whole.path
            return options
        }
        try GenerateJob(options(whole), policy: policy).run()

        var random = RandomGenerator(seed: 3)
        let parts = try TemporaryDirectory()
        var runs = 0
        while true {
            runs += 1
            // Every piece of text is an opportunity to stop, so most stops are inside a block.
            var left = random.uniform(below: 60)
            do {
                try GenerateJob(options(parts), policy: policy).run { _ throws(DamaError) in
                    left -= 1
                    if left < 0 { throw .cancelled }
                }
                break
            } catch let error as DamaError where error.code == .cancelled {
                XCTAssertLessThan(runs, 200)
            }
        }
        XCTAssertGreaterThan(runs, 3)
        for name in ["out.jsonl", "out.rejects.jsonl", "out.summary.json"] {
            XCTAssertEqual(try Files.read("\(parts.path)/\(name)"), try Files.read("\(whole.path)/\(name)"), name)
        }
        XCTAssertTrue(try GenerateJob(options(parts), policy: policy).run().wasComplete)
        // The output of a job with other options is replaced only on restart.
        var other = try options(parts)
        other.generation.seed = 9
        assertFails(.invalidArgument, "seed") { try GenerateJob(other, policy: policy).run() }
        other.rows.restart = true
        XCTAssertFalse(try GenerateJob(other, policy: policy).run().wasComplete)
    }

    func testBadOptionsAreNamed() throws {
        let folder = try TemporaryDirectory()
        let policy = try policy
        let good = try options(folder, count: 1)
        func fails(_ text: String, _ change: (inout GenerateOptions) -> Void) {
            var options = good
            change(&options)
            assertFails(.invalidArgument, text) { try GenerateJob(options, policy: policy).run() }
        }
        fails("samples") { $0.samples = 0 }
        fails("temperature 0") { $0.samples = 2 }
        fails("max_tokens") { $0.generation.maximumTokens = 0 }
        fails("top_p") { $0.generation.sampling.topP = 0 }
        fails("stop string") { $0.stop = [""] }
        fails("block_rows is 0") { $0.rows.blockRows = 0 }
        fails("2 samples by beam search") { ($0.samples, $0.generation.beams) = (2, 3) }
        fails("num_beams is 3 and the temperature is 1.0") {
            ($0.generation.beams, $0.generation.sampling.temperature) = (3, 1)
        }
    }
}
