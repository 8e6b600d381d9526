import DamaSupport
import DamaTestSupport
import Foundation
import XCTest

@testable import DamaEvaluation

/// POPE with questions and answers of our own; the expected metrics come from scikit-learn
/// (Fixtures/make_pope.py).
final class PopeTests: XCTestCase {
    private let fixtures = URL(fileURLWithPath: #filePath).deletingLastPathComponent().path + "/Fixtures/pope"
    private var folder: TemporaryDirectory!

    override func setUpWithError() throws { folder = try TemporaryDirectory() }

    /// The benchmark with these of the fixture's files.
    private func benchmark(_ names: [String], part: String? = nil) throws -> Pope {
        let data = "\(folder.path)/data-\(names.joined(separator: "-"))"
        let preparation = DataPreparation(benchmark: Pope.name, inputs: Pope.inputs)
        _ = try preparation.run(from: names.map { "\(fixtures)/\($0)" }, to: data)
        return try Pope(try DataFolder(path: data, benchmark: Pope.name), BenchmarkSettings(part: part))
    }

    private let sets = Pope.parts.map { "coco_pope_\($0).json" }

    private func answers() throws -> [JSON] {
        try Files.read("\(fixtures)/answers.jsonl").split(separator: 0x0A).map { try JSON(parsing: $0) }
    }

    private func counts(_ pope: Pope, _ answers: [JSON]) throws -> Counts {
        var sum = Counts()
        for (index, row) in answers.enumerated() {
            let answer = try pope.answer(in: row, at: index)
            sum += try pope.score(answer, run: 0, judge: nil, stop: StopSignal()).counts
        }
        return sum
    }

    private func check(_ metrics: [Metric], _ prefix: String, _ expected: JSON, isOfficial: Bool) throws {
        for name in ["f1", "accuracy", "precision", "recall", "yes_ratio"] {
            let metric = try XCTUnwrap(metrics.first { $0.name == prefix + name })
            let wanted = try XCTUnwrap(expected[name]?.array)
            // Both divide integers, in orders that may differ in the last bits.
            XCTAssertEqual(
                try XCTUnwrap(metric.value), try XCTUnwrap(wanted[0].double), accuracy: 1e-15, prefix + name)
            XCTAssertEqual(metric.official, isOfficial ? wanted[1].string : nil, prefix + name)
        }
    }

    func testMetricsAreThoseOfScikitLearn() throws {
        let expected = try Files.readJSON("\(fixtures)/expected.json")
        let pope = try benchmark(sets + ["llava_pope_test.jsonl"])
        let counts = try counts(pope, try answers())
        for cell in ["true_yes", "false_yes", "true_no", "false_no"] {
            XCTAssertEqual(counts[cell], expected["all"]?["counts"]?[cell]?.double, cell)
        }
        let metrics = pope.metrics(counts)
        XCTAssertEqual(metrics.count, 20)
        try check(metrics, "", try XCTUnwrap(expected["all"]), isOfficial: false)
        for part in Pope.parts {
            try check(metrics, "\(part)_", try XCTUnwrap(expected[part]), isOfficial: true)
        }
    }

    /// A single set is named by LLaVA's ids, by its own ids, or by both joined.
    func testOneSetAlone() throws {
        let expected = try XCTUnwrap(Files.readJSON("\(fixtures)/expected.json")["popular"])
        let answers = Array(try answers()[120..<240])
        let named = try benchmark(sets + ["llava_pope_test.jsonl"], part: "popular")
        try check(named.metrics(try counts(named, answers)), "", expected, isOfficial: true)
        let own = answers.enumerated().map { index, row -> JSON in
            ["question_id": .int(Int64(index + 1)), "answer": row["text"] ?? .null]
        }
        let joined = own.enumerated().map { index, row -> JSON in
            ["id": .string("popular/\(index + 1)"), "response": row["answer"] ?? .null]
        }
        for pope in [try benchmark([sets[1]]), try benchmark(sets, part: "popular")] {
            for rows in [own, joined] {
                let metrics = pope.metrics(try counts(pope, rows))
                XCTAssertEqual(metrics.count, 5)
                try check(metrics, "", expected, isOfficial: true)
            }
        }
        // With several sets an own id is no question's.
        let all = try benchmark(sets)
        XCTAssertThrowsError(try all.answer(in: own[0], at: 0)) { error in
            XCTAssertEqual((error as? BadAnswer)?.kind, .unknownQuestion)
        }
        XCTAssertEqual(try all.answer(in: joined[7], at: 0).question, 127)
    }

    /// An id as a string is the same as the integer; a second field stands in for one that is missing or null.
    func testFieldsOfAnswers() throws {
        let pope = try benchmark([sets[0]])
        XCTAssertEqual(try pope.answer(in: ["question_id": "3", "text": "a"], at: 0).question, 2)
        XCTAssertEqual(try pope.answer(in: ["id": .null, "question_id": 3, "answer": "a"], at: 0).question, 2)
        let bad: [(JSON, BadAnswer.Kind)] = [
            (["text": "a"], .missingField), (["id": 3], .missingField), (["id": 3, "text": 4], .wrongType),
            (["id": [3], "text": "a"], .wrongType), (["id": 0, "text": "a"], .unknownQuestion),
            (["id": "random/121", "text": "a"], .unknownQuestion), (["id": "03", "text": "a"], .unknownQuestion),
        ]
        for (row, kind) in bad {
            XCTAssertThrowsError(try pope.answer(in: row, at: 0), row.text) { error in
                XCTAssertEqual((error as? BadAnswer)?.kind, kind, row.text)
            }
        }
    }

    /// A metric whose denominator is 0 has no value.
    func testUndefinedMetrics() throws {
        let pope = try benchmark([sets[0]])
        func values(_ counts: Counts) -> [Double?] { pope.metrics(counts).map(\.value) }
        XCTAssertEqual(values([:]), [nil, nil, nil, nil, nil])
        XCTAssertEqual(values(["true_no": 3]), [nil, 1, nil, nil, 0])
        XCTAssertEqual(values(["false_no": 3]), [nil, 0, nil, 0, 0])
        XCTAssertEqual(values(["false_yes": 1, "false_no": 1]), [nil, 0, 0, 0, 0.5])
    }

    func testDataThatIsNotPope() throws {
        for (text, message) in [
            (
                #"{"question_id": 1, "image": "a.jpg", "text": "b"}"#,
                "question 1 lacks question_id, image, text or label"
            ),
            ("{", "random.jsonl, line 1"),
        ] {
            let path = try folder.write(Array(text.utf8), to: "coco_pope_random.json")
            assertFails(.invalidArgument, message) {
                let data = "\(self.folder.path)/data"
                _ = try DataPreparation(benchmark: Pope.name, inputs: Pope.inputs).run(from: [path], to: data)
                _ = try Pope(try DataFolder(path: data, benchmark: Pope.name), BenchmarkSettings())
            }
        }
        assertFails(.invalidArgument, "has no popular.jsonl") {
            _ = try self.benchmark([self.sets[0]], part: "popular")
        }
        assertFails(.invalidArgument, "has none of the sets random, popular, adversarial") {
            _ = try self.benchmark(["llava_pope_test.jsonl"])
        }
    }
}
