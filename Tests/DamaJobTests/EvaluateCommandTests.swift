import Dama
import DamaTestSupport
import XCTest

/// `dama evaluate` as a process, with the POPE of DamaEvaluationTests/Fixtures/make_pope.py.
final class EvaluateCommandTests: XCTestCase {
    private let fixtures = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .appendingPathComponent("DamaEvaluationTests/Fixtures/pope").path
    private var folder: TemporaryDirectory!
    private var data: String { folder.path + "/data" }
    private var set: String { fixtures + "/coco_pope_popular.json" }

    override func setUpWithError() throws { folder = try TemporaryDirectory() }

    private func run(_ arguments: [String]) throws -> (code: Int32, output: String, errors: String) {
        let (process, output, errors) = (Process(), Pipe(), Pipe())
        process.executableURL = try Self.product("dama-cli")
        process.arguments = ["evaluate"] + arguments
        process.standardOutput = output
        process.standardError = errors
        process.standardInput = FileHandle.nullDevice
        try process.run()
        let text = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        let complaint = String(decoding: errors.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        process.waitUntilExit()
        return (process.terminationStatus, text, complaint)
    }

    /// The fixture's answers to one set, named by its own ids.
    private func answers() throws -> String {
        let rows = try Files.read(fixtures + "/answers.jsonl").split(separator: 0x0A)[120..<240]
        let lines = try rows.enumerated().map { index, row -> String in
            let answer = try JSON(parsing: row)["text"] ?? .null
            return (["id": .int(Int64(index + 1)), "response": answer] as JSON).text + "\n"
        }
        return try folder.write(lines.flatMap { Array($0.utf8) }, to: "answers.jsonl")
    }

    private func scoring(_ more: [String] = []) throws -> [String] {
        ["pope", "--data", data, "--responses", try answers(), "--out", folder.path + "/results.jsonl", "--quiet"]
            + more
    }

    func testFromDownloadsToMetrics() throws {
        let needed = try run(["prepare", "pope", "--out", data])
        XCTAssertEqual(needed.code, 4, needed.errors)
        XCTAssertTrue(needed.output.contains("optional \(data)/popular.jsonl: the questions"), needed.output)
        XCTAssertTrue(needed.output.contains("    coco_pope_popular.json from https://github.com/AoiDragon/POPE"))
        XCTAssertFalse(Files.isThere(data))
        let made = try run(["prepare", "pope", "--from", set, "--out", data])
        XCTAssertEqual(made.code, 0, made.errors)
        XCTAssertTrue(made.output.hasPrefix("made     \(data)/popular.jsonl\n"), made.output)
        XCTAssertTrue(try run(["prepare", "pope", "--out", data]).output.hasPrefix("kept     \(data)/popular.jsonl\n"))

        let questions = folder.path + "/questions.jsonl"
        let asked = try run(["questions", "pope", "--data", data, "--out", questions])
        XCTAssertEqual(asked.code, 0, asked.errors)
        XCTAssertEqual(asked.output, "120 questions  \(questions)\n")
        XCTAssertEqual(try Files.read(questions).split(separator: 0x0A).count, 120)

        let expected = try XCTUnwrap(Files.readJSON(fixtures + "/expected.json")["popular"])
        let first = try run(try scoring())
        XCTAssertEqual(first.code, 0, first.errors)
        let lines = first.output.split(separator: "\n").map(String.init)
        XCTAssertTrue(lines[0].hasPrefix("120 of 120 questions answered"), first.output)
        for (line, name) in zip(lines[1...5], ["f1", "accuracy", "precision", "recall", "yes_ratio"]) {
            let words = line.split(separator: " ").map(String.init)
            XCTAssertEqual(words, [name, try XCTUnwrap(expected[name]?.array?[1].string)])
        }
        XCTAssertTrue(lines[6].hasSuffix("/results.summary.json"), first.output)
        let again = try run(try scoring())
        XCTAssertTrue(again.output.hasPrefix("already done"), again.output)
        XCTAssertEqual(again.output.split(separator: "\n").dropFirst().map(String.init), lines)
        XCTAssertTrue(try run(try scoring(["--part", "random"])).errors.contains("has no random.jsonl"))
        // `run` is the default.
        XCTAssertEqual(try run(["run"] + scoring(["--restart", "--set", "block_rows=7"])).code, 0)
    }

    func testErrorsAreOneLine() throws {
        XCTAssertEqual(try run(["prepare", "pope", "--from", set, "--out", data]).code, 0)
        let judge = ["--judge", "http://u:secret@127.0.0.1:9/v1"]
        for (arguments, code, message) in [
            (["prepare", "popes", "--out", data], Int32(1), "dama evaluate prepare: benchmark is \"popes\""),
            (["prepare", "pope", "--from", "/nowhere", "--out", data], 1, "/nowhere"),
            (["questions", "pope", "--data", data, "--out", set], 1, "dama evaluate questions: \(set) exists"),
            (try scoring(["--variant", "a"]), 1, "dama evaluate: variant is \"a\"; pope has none"),
            (try scoring(["--prompts", "a"]), 1, "prompts is \"a\"; expected own or official"),
            (try scoring(["--runs", "3"]), 1, "runs is 3; without a judge all runs would be the same"),
            (try scoring(["--max-missing=-1"]), 1, "max_missing is -1"),
            (try scoring(["--set", "responses=a"]), 1, "unknown field \"responses\""),
            (
                try scoring(["--judge", "gpt"]), 1,
                "--judge gpt: expected an http:// or https:// address, command:COMMAND"
            ),
            (try scoring(judge), 1, "requires --judge-model, the model's name on the server"),
            (try scoring(judge + ["--judge-model", "m", "--judge-rate", "0"]), 1, "0"),
            (try scoring(judge + ["--judge-model", "m", "--judge-fields", "[]"]), 1, "are not a JSON object"),
            (try scoring(["--judge", "local:/nowhere"]), 1, "/nowhere"),
            (try scoring(["--judge", "command:cat", "--judge-concurrency", "0"]), 1, "expected 1 to 256, found 0"),
            (try scoring(["--judge-model", "m"]), 64, "--judge-model requires --judge"),
            (try scoring(["--judge", "command:cat", "--judge-answers", "a"]), 64, "omit --judge or --judge-answers"),
            (try scoring(judge + ["--judge-expect", "a", "--judge-any-model"]), 64, "exclude each other"),
            (["pope", "--data", data], 64, "--responses"),
        ] {
            let found = try run(arguments)
            XCTAssertEqual(found.code, code, found.errors)
            XCTAssertTrue(found.errors.contains(message), "\(found.errors) lacks \(message)")
            XCTAssertEqual(found.output, "")
            XCTAssertFalse(found.errors.contains("secret"), found.errors)
            if code == 1 { XCTAssertEqual(found.errors.split(separator: "\n").count, 1, found.errors) }
        }
        let responses = try folder.write(Array(#"{"id": 500, "response": "No"}"#.utf8), to: "other.jsonl")
        let rejected = try run([
            "pope", "--data", data, "--responses", responses, "--out", folder.path + "/other.out", "--max-bad", "0",
        ])
        XCTAssertEqual(rejected.code, 3, rejected.errors)
    }

    /// A command and a server judge MM-Vet; answers are kept in a file.
    func testJudges() throws {
        let questions = #"{"v1_0": {"imagename": "a.jpg", "question": "What?", "answer": "b", "capability": ["rec"]}}"#
        let file = try folder.write(Array(questions.utf8), to: "mm-vet.json")
        let responses = try folder.write(Array(#"{"v1_0": "c"}"#.utf8), to: "answers.json")
        XCTAssertEqual(try run(["prepare", "mm-vet", "--from", file, "--out", data]).code, 0)
        let cache = folder.path + "/cache.jsonl"
        func score(_ output: String, _ more: [String]) throws -> (code: Int32, output: String, errors: String) {
            try run(
                [
                    "mm-vet", "--data", data, "--responses", responses, "--out", "\(folder.path)/\(output).jsonl",
                    "--quiet", "--judge-cache", cache,
                ] + more)
        }
        // Of two runs: their mean and deviation.
        let grader = #"command:grep -q '"run":0' && echo 0.5 || echo 1.0"#
        let byCommand = try score("command", ["--judge", grader, "--runs", "2"])
        XCTAssertEqual(byCommand.code, 0, byCommand.errors)
        XCTAssertTrue(byCommand.output.contains(" 75.0 ± 25.000\n"), byCommand.output)
        XCTAssertEqual(try Files.read(cache).split(separator: 0x0A).count, 2)

        let server = try LocalServer([
            .init(body: #"{"model": "m-0613", "choices": [{"message": {"content": "0.7"}}]}"#),
            .init(body: #"{"model": "n", "choices": [{"message": {"content": "0.7"}}]}"#),
            .init(body: #"{"model": "n", "choices": [{"message": {"content": "0.3"}}]}"#),
        ])
        defer { server.stop() }
        let judge = ["--judge", server.url, "--judge-rate", "6000", "--judge-fields", #"{"seed": 7}"#]
        let first = try score("first", judge + ["--judge-model", "m"])
        XCTAssertTrue(first.output.contains(" 70.0\n"), first.output + first.errors)
        XCTAssertTrue(server.requests[0].contains(#""seed":7"#), server.requests[0])
        let other = try score("other", judge + ["--judge-model", "o"])
        XCTAssertEqual(other.code, 1)
        XCTAssertTrue(other.errors.contains("the judge must be \"o\", but \"n\" answered"), other.errors)
        let any = try score("other", judge + ["--judge-model", "o", "--judge-any-model"])
        XCTAssertTrue(any.output.contains(" 30.0\n"), any.output + any.errors)
        // The file answers, and the server is not asked again.
        let kept = try score("kept", judge + ["--judge-model", "m", "--judge-expect", "m-0613"])
        XCTAssertTrue(kept.output.contains(" 70.0\n"), kept.output + kept.errors)
        XCTAssertEqual(server.requests.count, 3)
        XCTAssertTrue(try score("none", []).errors.contains("mm-vet needs a judge"))
    }

    /// A benchmark without a judge does not ask one.
    func testAJudgeIsNotAskedWithoutNeed() throws {
        XCTAssertEqual(try run(["prepare", "pope", "--from", set, "--out", data]).code, 0)
        let asked = folder.path + "/asked"
        let found = try run(try scoring(["--judge", "command:touch \(asked); echo No"]))
        XCTAssertEqual(found.code, 0, found.errors)
        XCTAssertFalse(Files.isThere(asked))
    }
}
