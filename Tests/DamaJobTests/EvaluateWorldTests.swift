import Dama
import DamaTestSupport
import Foundation
import XCTest

/// From scenes to a table by the command line, as `make demo` does it: scenes, answers, an evaluation with the exact
/// judge as a program, a comparison.
final class EvaluateWorldTests: XCTestCase {
    private var folder: TemporaryDirectory!
    private let model =
        URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent().path + "/models/shapes-llava"

    override func setUpWithError() throws {
        TestRuntime.configure()
        folder = try TemporaryDirectory()
    }

    @discardableResult
    private func run(_ program: String, _ arguments: String...) throws -> String {
        let (process, output, errors) = (Process(), Pipe(), Pipe())
        process.executableURL = try Self.product(program)
        process.arguments = arguments
        process.currentDirectoryURL = URL(fileURLWithPath: folder.path)
        process.standardOutput = output
        process.standardError = errors
        try process.run()
        let text = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        let complaint = String(decoding: errors.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        process.waitUntilExit()
        XCTAssertEqual(process.terminationStatus, 0, "\(program) \(arguments.joined(separator: " ")): \(complaint)")
        return text
    }

    /// The figures are those of `shapes-world judge`, which reads all answers at once.
    func testTheEvaluationIsTheJudges() throws {
        try run("shapes-world", "scenes", "--split", "test", "--seed", "5", "--count", "6", "--out", "test")
        try run(
            "dama-cli", "generate", "--model", model, "--data", "test/questions.jsonl", "--out", "base.jsonl",
            "--max-tokens", "60", "--quiet")
        // Another policy: it says the first sentence alone.
        let lines = try Files.read(folder.path + "/base.jsonl").split(separator: 0x0A).map { line in
            let json = try JSON(parsing: line)
            let text = try XCTUnwrap(json["response"]?.string)
            let first = String(text.prefix { $0 != "." }) + "."
            return (JSON.object(["id": json["id"] ?? .null, "response": .string(first)])).text + "\n"
        }
        try folder.write(Array(lines.joined().utf8), to: "short.jsonl")

        try run("shapes-world", "benchmark", "--scenes", "test", "--out", "benchmark")
        try run(
            "dama-cli", "evaluate", "prepare", "custom", "--from", "benchmark/questions.jsonl",
            "benchmark/metrics.json", "--out", "data")
        let judge = try Self.product("shapes-world").path
        for policy in ["base", "short"] {
            let printed = try run(
                "dama-cli", "evaluate", "custom", "--data", "data", "--responses", "\(policy).jsonl", "--judge",
                "command:'\(judge)' judge-answer", "--out", "\(policy).results.jsonl", "--quiet")
            XCTAssertTrue(printed.contains("6 of 6 questions answered"), printed)
            try run(
                "shapes-world", "judge", "--truth", "test/truth.jsonl", "--responses", "\(policy).jsonl", "--out",
                "\(policy).judge.json")
            let expected = try Files.readJSON("\(folder.path)/\(policy).judge.json")
            let metrics = try Files.readJSON("\(folder.path)/\(policy).results.summary.json")["metrics"]
            // The judge's shares are per cent here. Sums in another order differ in the last bits.
            for (name, scale) in [
                ("response_level", 100.0), ("mention_level", 100), ("coverage", 100), ("mean_words", 1),
            ] {
                XCTAssertEqual(
                    try XCTUnwrap(metrics?[name]?["value"]?.double), scale * (try XCTUnwrap(expected[name]?.double)),
                    accuracy: 1e-9, "\(policy): \(name)")
            }
        }
        let table = try run(
            "dama-cli", "evaluate", "compare", "base.results.summary.json", "short.results.summary.json")
        for name in ["response_level", "coverage", "mean_words"] { XCTAssertTrue(table.contains(name), table) }
    }
}
