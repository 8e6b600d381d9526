import Dama
import DamaSupport
import DamaTestSupport
import XCTest

/// Object HalBench and CHAIR as jobs, with the data of DamaEvaluationTests (Fixtures/make_object_halbench.py there).
final class EvaluateObjectsTests: XCTestCase {
    private static func fixture(_ name: String) -> String {
        Fixtures.path("../../DamaEvaluationTests/Fixtures/object-halbench/\(name)")
    }

    private func prepare(_ benchmark: String, _ files: [String], to data: String) throws {
        let files = files + ["annotations_trainval2014.zip", "synonyms_refine.txt", "nltk_data"]
        let report = try EvaluationData.prepare(
            benchmark: benchmark, from: files.map(Self.fixture), to: data, acceptsAnyVersion: true)
        XCTAssertTrue(report.missing.allSatisfy(\.isOptional))
    }

    func testObjectHalBench() throws {
        let folder = try TemporaryDirectory()
        let data = "\(folder.path)/data"
        try prepare("object-halbench", ["obj_halbench_300_with_image.jsonl"], to: data)
        let questions = "\(folder.path)/questions.jsonl"
        XCTAssertEqual(try EvaluationQuestions.write(benchmark: "object-halbench", data: data, to: questions), 300)
        let first = try XCTUnwrap(Files.read(questions).split(separator: UInt8(ascii: "\n")).first)
        let question = try JSON(parsing: first)
        XCTAssertEqual(question["idx"], 2)
        XCTAssertEqual(Base64.decode(try XCTUnwrap(question["image"]?.string).utf8)?.starts(with: [0x89, 0x50]), true)

        let expected = try Files.readJSON(Self.fixture("expected.json"))
        for variant in ["plain", "llm"] {
            var options = EvaluateOptions(
                benchmark: "object-halbench", responses: Self.fixture("answers.jsonl"), data: data,
                output: "\(folder.path)/\(variant).jsonl")
            options.variant = variant
            if variant == "llm" { options.judgeAnswers = Self.fixture("hall_obj_halbench_answer_-1.json") }
            let summary = try EvaluateJob(options).run()
            XCTAssertEqual([summary.questions, summary.answered, summary.rowsRejected], [300, 300, 0])
            XCTAssertEqual(
                summary.values.first?.official, expected[variant]?["summary"]?["Response Hall"]?.string, variant)
        }
        var judged = EvaluateOptions(
            benchmark: "object-halbench", responses: Self.fixture("answers.jsonl"), data: data,
            output: "\(folder.path)/judged.jsonl")
        judged.variant = "llm"
        assertFails(.invalidArgument, "object-halbench needs a judge") { _ = try EvaluateJob(judged).run() }
    }

    /// A file that is one JSON object, as evaluation tools for captions write it.
    func testChair() throws {
        let folder = try TemporaryDirectory()
        let data = "\(folder.path)/data"
        try prepare("chair", [], to: data)
        let summary = try EvaluateJob(
            EvaluateOptions(
                benchmark: "chair", responses: Self.fixture("captions.json"), data: data,
                output: "\(folder.path)/out.jsonl")
        ).run()
        XCTAssertEqual([summary.questions, summary.answered, summary.rowsRejected], [320, 42, 0])
        let printed = try XCTUnwrap(Files.readJSON(Self.fixture("expected.json"))["chair"]?["printed"]?.string)
            .split(separator: "\t").map(String.init)
        XCTAssertEqual(summary.values.map(\.official), [printed[0], printed[2]])
    }
}
