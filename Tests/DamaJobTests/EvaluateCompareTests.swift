import Dama
import DamaTestSupport
import Foundation
import XCTest

/// `dama evaluate compare` over evaluations of a small set in POPE's form.
final class EvaluateCompareTests: XCTestCase {
    private var folder: TemporaryDirectory!
    private var data: String { folder.path + "/data" }

    override func setUpWithError() throws {
        folder = try TemporaryDirectory()
        try prepare(labels: { $0 % 2 == 0 ? "yes" : "no" }, to: data)
        // 20 questions; "a" is right about the first 12, "b" about all but the last 2 of those and 6 others.
        try evaluate("a", right: { $0 < 12 })
        try evaluate("b", right: { $0 < 10 || $0 >= 14 })
    }

    private func prepare(labels: (Int) -> String, to output: String) throws {
        let rows = (0..<20).map { index -> String in
            let row: JSON = [
                "question_id": .int(Int64(index)), "image": "a.jpg", "text": "Is there a dog in the image?",
                "label": .string(labels(index)),
            ]
            return row.text
        }
        let file = try folder.write(Array(rows.joined(separator: "\n").utf8), to: "coco_pope_random.json")
        _ = try EvaluationData.prepare(benchmark: "pope", from: [file], to: output, acceptsAnyVersion: true)
    }

    private func evaluate(
        _ name: String, data: String? = nil, count: Int = 20, right: (Int) -> Bool
    ) throws {
        let rows = (0..<count).map { index -> String in
            let row: JSON = [
                "id": .string("random/\(index)"), "response": (index % 2 == 0) == right(index) ? "Yes." : "No.",
            ]
            return row.text
        }
        let answers = try folder.write(Array(rows.joined(separator: "\n").utf8), to: "\(name).answers.jsonl")
        try EvaluateJob(
            EvaluateOptions(
                benchmark: "pope", responses: answers, data: data ?? self.data, output: "\(folder.path)/\(name).jsonl")
        ).run()
    }

    private func compare(_ arguments: [String]) throws -> (code: Int32, output: String, errors: String) {
        let (process, output, errors) = (Process(), Pipe(), Pipe())
        process.executableURL = try Self.product("dama-cli")
        process.arguments = ["evaluate", "compare"] + arguments
        process.currentDirectoryURL = URL(fileURLWithPath: folder.path)
        process.standardOutput = output
        process.standardError = errors
        try process.run()
        let text = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        let complaint = String(decoding: errors.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        process.waitUntilExit()
        return (process.terminationStatus, text, complaint)
    }

    func testTheTableAndItsFiles() throws {
        let found = try compare([
            "a.summary.json", "b.summary.json", "--csv", "c.csv", "--html", "c.html", "--json", "c.json", "--seed", "4",
            "--resamples", "500",
        ])
        XCTAssertEqual(found.code, 0, found.errors)
        XCTAssertTrue(found.output.hasPrefix("pope: 20 questions"), found.output)
        // 2 questions only a, 6 only b: 2 · (1 + 8 + 28) / 2^8.
        XCTAssertTrue(
            found.output.contains("right: a 60.0 %, b 80.0 %; only a 2, only b 6, McNemar's exact test p = 0.2891"),
            found.output)
        let json = try Files.readJSON(folder.path + "/c.json")
        XCTAssertEqual(json["mcnemar"]?.array?[0]["p"]?.double, 74.0 / 256)
        let accuracy = try XCTUnwrap(json["metrics"]?.array?.first { $0["name"] == "accuracy" })
        XCTAssertEqual(accuracy["values"]?.array?.map { $0["value"]?.double }, [0.6, 0.8])
        XCTAssertEqual(try XCTUnwrap(accuracy["differences"]?.array?[1]["value"]?.double), 0.2, accuracy: 1e-15)
        // The metrics are those of the evaluations themselves.
        for (index, name) in ["a", "b"].enumerated() {
            let summary = try Files.readJSON("\(folder.path)/\(name).summary.json")["metrics"]?.object?.members ?? []
            XCTAssertEqual(summary.map(\.key), json["metrics"]?.array?.compactMap { $0["name"]?.string })
            XCTAssertEqual(
                summary.map { $0.value["value"]?.double },
                json["metrics"]?.array?.map { $0["values"]?.array?[index]["value"]?.double })
        }
        XCTAssertTrue(
            String(decoding: try Files.read(folder.path + "/c.csv"), as: UTF8.self).hasPrefix("metric,result,value"))
        XCTAssertTrue(String(decoding: try Files.read(folder.path + "/c.html"), as: UTF8.self).contains("<svg"))
        // The same seed gives the same bytes, whatever the order of the threads.
        let again = try compare([
            "a.summary.json", "b.summary.json", "--json", "d.json", "--seed", "4", "--resamples", "500",
        ])
        XCTAssertEqual(again.output, found.output)
        XCTAssertEqual(try Files.read(folder.path + "/d.json"), try Files.read(folder.path + "/c.json"))
    }

    func testQuestionsThatAreMissingAreLeftOut() throws {
        try evaluate("short", count: 15) { $0 < 12 }
        let found = try compare(["a.summary.json", "short.summary.json"])
        XCTAssertEqual(found.code, 0, found.errors)
        XCTAssertTrue(found.output.hasPrefix("pope: 15 questions"), found.output)
        XCTAssertTrue(
            found.output.contains(
                "left out of a: 5 of 20 questions, which another result does not have: \"random/15\""),
            found.output)
    }

    func testOtherDataIsRefusedUnlessAllowed() throws {
        let other = folder.path + "/other"
        try prepare(labels: { _ in "yes" }, to: other)
        try evaluate("other", data: other) { _ in true }
        let refused = try compare(["a.summary.json", "other.summary.json"])
        XCTAssertEqual(refused.code, 1)
        XCTAssertTrue(refused.errors.contains("the results differ in data.random.jsonl.sha256 (a "), refused.errors)
        XCTAssertEqual(refused.errors.split(separator: "\n").count, 1)
        let allowed = try compare(["a.summary.json", "other.summary.json", "--allow-different"])
        XCTAssertEqual(allowed.code, 0, allowed.errors)
        XCTAssertTrue(allowed.output.contains("different data.random.jsonl.sha256: a "), allowed.output)
        let elsewhere = folder.path + "/elsewhere"
        try prepare(labels: { _ in "no" }, to: elsewhere)
        let wrong = try compare(["a.summary.json", "b.summary.json", "--data", elsewhere])
        XCTAssertTrue(wrong.errors.contains("holds other data than a.summary.json was computed with"), wrong.errors)
    }

    func testWhatIsNoResultIsNamed() throws {
        for (arguments, code, message) in [
            (["a.summary.json"], Int32(64), "at least two summaries"),
            (["a.summary.json", "b.jsonl"], 1, "expected a file NAME.summary.json"),
            (["a.summary.json", "none.summary.json"], 1, "none.summary.json"),
            (["a.summary.json", "b.summary.json", "--resamples", "0"], 1, "resamples is 0"),
            (["a.summary.json", "b.summary.json", "--confidence", "1"], 1, "confidence is 1.0"),
        ] {
            let found = try compare(arguments)
            XCTAssertEqual(found.code, code, found.errors)
            XCTAssertTrue(found.errors.contains(message), found.errors)
        }
        try folder.write(Array(#"{"settings": {"job": "score"}}"#.utf8), to: "score.summary.json")
        XCTAssertTrue(
            try compare(["a.summary.json", "score.summary.json"]).errors.contains("is not the summary of an evaluation")
        )
        try folder.write(try Files.read(folder.path + "/a.jsonl"), to: "b.jsonl")
        XCTAssertTrue(try compare(["a.summary.json", "b.summary.json"]).errors.contains("has changed"))
        try FileManager.default.removeItem(atPath: folder.path + "/b.jsonl")
        XCTAssertTrue(try compare(["a.summary.json", "b.summary.json"]).errors.contains("b.jsonl is missing"))
    }
}
