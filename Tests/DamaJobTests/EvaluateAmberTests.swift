import Dama
import DamaSupport
import DamaTestSupport
import XCTest

/// AMBER as a job, with the data of DamaEvaluationTests (Fixtures/make_amber.py there).
final class EvaluateAmberTests: XCTestCase {
    private static func fixture(_ name: String) -> String {
        Fixtures.path("../../DamaEvaluationTests/Fixtures/amber/\(name)")
    }

    /// The official list of answers, in another order: descriptions are rejected, the numbers are the official ones.
    func testTheMetricsDoNotDependOnTheOrderOfTheAnswers() throws {
        let folder = try TemporaryDirectory()
        let data = "\(folder.path)/data"
        let report = try EvaluationData.prepare(
            benchmark: "amber",
            from: ["annotations.json", "relation.json", "safe_words.txt", "query_all.json"].map(Self.fixture),
            to: data, acceptsAnyVersion: true)
        XCTAssertEqual(report.missing.map(\.name), ["words.bin", "similar_words.json"])
        XCTAssertEqual(
            try EvaluationQuestions.write(
                benchmark: "amber", data: data, part: "discriminative", to: "\(folder.path)/questions.jsonl"), 120)

        let answers = try XCTUnwrap(Files.readJSON(Self.fixture("responses.json")).array)
        let responses = try folder.write(Array(JSON.array(answers.reversed()).text.utf8), to: "responses.json")
        var options = EvaluateOptions(
            benchmark: "amber", responses: responses, data: data, output: "\(folder.path)/out.jsonl")
        options.part = "discriminative"
        let summary = try EvaluateJob(options).run()
        XCTAssertEqual([summary.questions, summary.answered, summary.rowsRejected], [120, 120, 230])
        let expected = try Files.readJSON(Self.fixture("expected.json"))["types"]?["d"]?.array?.compactMap(\.string)
        XCTAssertEqual(summary.values.compactMap(\.official), expected)

        options.part = nil
        options.rows.output = "\(folder.path)/all.jsonl"
        assertFails(.invalidArgument, "has no words.bin, which the descriptions need") {
            _ = try EvaluateJob(options).run()
        }
    }
}
