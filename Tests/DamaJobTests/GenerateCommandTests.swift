import Dama
import DamaTestSupport
import XCTest

/// `dama generate` as a process, with the small LLaVA of DamaModelsTests/Fixtures/make_llava.py.
final class GenerateCommandTests: XCTestCase {
    private let fixtures = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .appendingPathComponent("DamaModelsTests/Fixtures/llava").path
    private var model: String { fixtures + "/default" }

    override func setUp() { TestRuntime.configure() }

    private func process(_ arguments: [String]) throws -> (process: Process, output: Pipe, errors: Pipe) {
        let (process, output, errors) = (Process(), Pipe(), Pipe())
        process.executableURL = try Self.product("dama-cli")
        process.arguments = ["generate"] + arguments
        process.standardOutput = output
        process.standardError = errors
        return (process, output, errors)
    }

    private func run(
        _ arguments: [String], input: String = ""
    ) throws -> (code: Int32, output: String, errors: String) {
        let (process, output, errors) = try process(arguments)
        let pipe = Pipe()
        process.standardInput = pipe
        try process.run()
        pipe.fileHandleForWriting.write(Data(input.utf8))
        try pipe.fileHandleForWriting.close()
        let text = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        let complaint = String(decoding: errors.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        process.waitUntilExit()
        return (process.terminationStatus, text, complaint)
    }

    // Before the fix, a pipe given as the image blocked forever.
    func testAnImageThatIsNoFileIsRefused() throws {
        let folder = try TemporaryDirectory()
        XCTAssertEqual(mkfifo(folder.path + "/pipe", 0o600), 0)
        let found = try run(["--model", model, "--image", folder.path + "/pipe", "--prompt", "what"])
        XCTAssertEqual(found.code, 1)
        XCTAssertTrue(found.errors.contains("pipe is not a regular file"), found.errors)
    }

    func testTheTextIsTransformersText() throws {
        let first = try XCTUnwrap(Files.readJSON(model + "/expected.json").array?.first)
        let expected = try XCTUnwrap(first["continuation_text"]?.string)
        let prompt = try XCTUnwrap(first["prompt"]?.string)
        let image = ["--model", model, "--image", fixtures + "/image.png", "--max-tokens", "20"]
        let given = try run(image + ["--prompt", prompt])
        XCTAssertEqual(given.code, 0, given.errors)
        XCTAssertEqual(given.output, expected + "\n")
        XCTAssertEqual(try run(image, input: prompt + "\n").output, expected + "\n")

        let stop = "start"
        let before = try XCTUnwrap(expected.range(of: stop)).lowerBound
        XCTAssertEqual(try run(image + ["--prompt", prompt, "--stop", stop]).output, expected[..<before] + "\n")

        // The same seed gives the same text.
        let sampled = image + ["--prompt", prompt, "--temperature", "1", "--top-k", "50", "--top-p", "0.9", "--seed"]
        XCTAssertEqual(try run(sampled + ["7"]).output, try run(sampled + ["7"]).output)
        XCTAssertNotEqual(try run(sampled + ["7"]).output, try run(sampled + ["8"]).output)
    }

    func testBeamsAreTransformersBeams() throws {
        let cases = try XCTUnwrap(Files.readJSON(fixtures + "/../beams/models.json")["llava/default"]?.array)
        let known = try XCTUnwrap(cases.first { $0["end_tokens"] == [2] && $0["length_penalty"]?.double != 1 })
        let prompt = try XCTUnwrap(known["prompts"]?.array?.first?["question"]?.string)
        func text(_ name: String) -> String { known[name].map { $0.string ?? $0.text } ?? "" }
        let arguments = [
            "--model", model, "--image", fixtures + "/image.png", "--prompt", prompt, "--max-tokens",
            text("max_tokens"),
            "--num-beams", text("num_beams"), "--length-penalty", text("length_penalty"), "--early-stopping",
            text("early_stopping"),
        ]
        let tokenizer = try Tokenizer(directory: model)
        var decoder = StreamingDecoder(tokenizer)
        let ids = try XCTUnwrap(known["tokens"]?.array?.first?.array).compactMap { $0.int.map(Int32.init) }
        let expected = ids.map { decoder.push($0) }.joined() + decoder.finish()
        XCTAssertEqual(try run(arguments).output, expected + "\n")
        let refused = try run(arguments + ["--temperature", "0.5"])
        XCTAssertEqual(refused.code, 1)
        XCTAssertTrue(refused.errors.contains("beam search does not sample"), refused.errors)
    }

    func testCtrlCStopsIt() throws {
        // Sampling makes an early end token unlikely; the text runs up to the model's 512 positions.
        let (process, output, errors) = try process([
            "--model", model, "--image", fixtures + "/image.png", "--prompt", "Go on.", "--max-tokens", "100000",
            "--temperature", "5",
        ])
        try process.run()
        XCTAssertFalse(output.fileHandleForReading.availableData.isEmpty, "text is written before generation ends")
        kill(process.processIdentifier, SIGINT)
        let complaint = String(decoding: errors.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        process.waitUntilExit()
        XCTAssertEqual(process.terminationReason, .exit)
        XCTAssertEqual(process.terminationStatus, 130, complaint)
        XCTAssertEqual(complaint, "")
    }

    func testADatasetIsAnsweredAndTakenUpAgain() throws {
        let folder = try TemporaryDirectory()
        let row: JSON = ["id": "a", "image": "image.png", "question": "What?"]
        try folder.write(Array(row.text.utf8), to: "questions.jsonl")
        let arguments = [
            "--model", model, "--data", folder.path + "/questions.jsonl", "--image-root", fixtures, "--out",
            folder.path + "/out.jsonl", "--max-tokens", "5", "--temperature", "2", "--samples", "3", "--quiet",
        ]
        let first = try run(arguments)
        XCTAssertEqual(first.code, 0, first.errors)
        XCTAssertTrue(first.output.hasPrefix("1 of 1 rows"), first.output)
        let line = try JSON(parsing: Files.read(folder.path + "/out.jsonl"))
        XCTAssertEqual(line["id"], "a")
        XCTAssertEqual(line["responses"]?.array?.count, 3)
        XCTAssertTrue(try run(arguments).output.hasPrefix("already done"))
        XCTAssertTrue(try run(arguments + ["--seed", "1"]).errors.contains("--restart"))
        for (wrong, message) in [
            (["--data", "x.jsonl"], "--data requires --out"), (["--out", "x.jsonl"], "--out requires --data"),
            (["--samples", "2", "--prompt", "a"], "--samples requires --data"),
            (["--data", "x", "--out", "y", "--prompt", "a"], "omit --image and --prompt"),
        ] {
            let found = try run(["--model", model] + wrong)
            XCTAssertEqual(found.code, 64, found.errors)
            XCTAssertTrue(found.errors.contains(message), found.errors)
        }
    }

    func testErrorsAreOneLine() throws {
        for (arguments, code, message) in [
            (["--model", "/nowhere", "--prompt", "- a"], Int32(1), "dama generate: cannot open /nowhere/config.json"),
            (
                ["--model", model, "--prompt", "a"], 1,
                "dama generate: prompt 0: the prompt has no image, but the model takes one"
            ),
            (["--model", model, "--prompt", "a", "--top-p", "2"], 1, "top_p is 2.0"),
            (["--model", model, "--prompt", "a", "--template", "vicuna_v9"], 1, "unknown template \"vicuna_v9\""),
            (["--model", model, "--prompt", "a", "--provider", "quantum"], 1, "unknown execution provider 'quantum'"),
            (["--model", model, "--prompt", "a", "--precision", "half"], 1, "unknown precision 'half'"),
            (["--model", model, "--prompt", "a", "--precision", "bfloat16"], 1, "use float32 or float16"),
            (["--prompt", "a"], 64, "--model"),
        ] {
            let found = try run(arguments)
            XCTAssertEqual(found.code, code, found.errors)
            XCTAssertTrue(found.errors.contains(message), found.errors)
            XCTAssertEqual(found.output, "")
            if code == 1 { XCTAssertEqual(found.errors.split(separator: "\n").count, 1, found.errors) }
        }
    }
}
