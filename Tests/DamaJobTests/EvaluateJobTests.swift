import Dama
import DamaTestSupport
import Foundation
import XCTest

/// Evaluation as a job, with POPE; the expected metrics come from scikit-learn (make_pope.py of DamaEvaluationTests).
final class EvaluateJobTests: XCTestCase {
    private let fixtures =
        URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent().path
        + "/DamaEvaluationTests/Fixtures/pope"
    private var folder: TemporaryDirectory!
    private var data: String { folder.path + "/data" }

    override func setUpWithError() throws {
        folder = try TemporaryDirectory()
        let names = ["random", "popular", "adversarial"].map { "coco_pope_\($0).json" } + ["llava_pope_test.jsonl"]
        try EvaluationData.prepare(benchmark: "pope", from: names.map { "\(fixtures)/\($0)" }, to: data)
    }

    private func options(_ responses: String? = nil, _ output: String = "results.jsonl") -> EvaluateOptions {
        EvaluateOptions(
            benchmark: "pope", responses: responses ?? "\(fixtures)/answers.jsonl", data: data,
            output: "\(folder.path)/\(output)")
    }

    private func answers() throws -> [JSON] { try rows("\(fixtures)/answers.jsonl") }

    private func rows(_ path: String) throws -> [JSON] {
        try Files.read(path).split(separator: 0x0A).map { try JSON(parsing: $0) }
    }

    private func write(_ rows: [JSON], to name: String = "answers.jsonl") throws -> String {
        try folder.write(rows.flatMap { Array("\($0.text)\n".utf8) }, to: name)
    }

    private func metric(_ name: String, _ summary: EvaluateSummary) -> EvaluationMetric? {
        summary.values.first { $0.name == name }
    }

    // MARK: Results

    func testTheMetricsAreThoseOfScikitLearn() throws {
        let summary = try EvaluateJob(options()).run()
        XCTAssertEqual([summary.questions, summary.answered, summary.missing, summary.rowsRejected], [360, 360, 0, 0])
        XCTAssertEqual(
            summary.empty, try answers().filter { ["", " "].contains($0["text"]?.string) }.count)
        let expected = try Files.readJSON("\(fixtures)/expected.json")
        for part in ["random", "popular", "adversarial"] {
            for name in ["f1", "accuracy", "precision", "recall", "yes_ratio"] {
                XCTAssertEqual(
                    metric("\(part)_\(name)", summary)?.official, expected[part]?[name]?.array?[1].string, name)
            }
        }
        let json = try Files.readJSON(folder.path + "/results.summary.json")
        XCTAssertEqual(json["metrics"]?["popular_f1"]?["official"], expected["popular"]?["f1"]?.array?[1])
        XCTAssertEqual(json["metrics"]?["f1"]?["value"]?.double, metric("f1", summary)?.value)
        let settings = json["settings"]?.text ?? ""
        // Everything that the numbers depend on: the data, and what it was made of.
        let digest = try Files.digest("\(fixtures)/coco_pope_random.json").sha256
        XCTAssertTrue(settings.contains(digest), settings)
        XCTAssertTrue(settings.contains("coco_pope_random.json of no known version"), settings)
        let lines = try rows(folder.path + "/results.jsonl")
        XCTAssertEqual(lines.map { $0["id"] }, try answers().map { $0["question_id"] })
        XCTAssertEqual(lines.filter { $0["pass"] == true }.count, Int((metric("accuracy", summary)?.value ?? 0) * 360))
    }

    /// The metrics do not depend on the answers' order, nor on whether they are lines or one array.
    func testTheOrderOfTheAnswersDoesNotMatter() throws {
        let first = try EvaluateJob(options()).run()
        let array = try folder.write(
            Array(JSON.array(Array(try answers().reversed())).text.utf8), to: "reversed.json")
        var other = options(array, "other.jsonl")
        other.rows.blockRows = 7
        XCTAssertEqual(try EvaluateJob(other).run().values, first.values)
    }

    func testOnePartAlone() throws {
        var options = options(try write(Array(answers()[240...])))
        options.part = "adversarial"
        let summary = try EvaluateJob(options).run()
        XCTAssertEqual([summary.questions, summary.answered], [120, 120])
        XCTAssertEqual(metric("f1", summary)?.official, "0.723")
        options.part = "popular"
        assertFails(.invalidArgument, "restart") { _ = try EvaluateJob(options).run() }
        options.rows.restart = true
        assertFails(.model, "all 120 rows were rejected") { _ = try EvaluateJob(options).run() }
        options.part = "rare"
        assertFails(.invalidArgument, "part is \"rare\"; expected random or popular or adversarial") {
            _ = try EvaluateJob(options).run()
        }
    }

    // MARK: Bad answers

    func testMissingRepeatedUnknownAndEmptyAnswers() throws {
        var rows = try answers()
        rows.removeSubrange(10..<20)
        rows.insert(["question_id": 5, "text": "Yes."], at: 100)
        rows.insert(["question_id": 360, "text": "Yes."], at: 101)
        rows.insert(["question_id": 12], at: 102)
        rows.insert(["question_id": 12, "text": ["Yes."]], at: 103)
        rows.insert("Yes.", at: 104)
        rows.append(["question_id": 13, "text": " \n"])
        let responses = try write(rows)
        var options = options(responses)
        options.maximumMissing = 8
        assertFails(.model, "9 of 360 questions have no answer, more than the 8 allowed: 10, 11, 12, …") {
            _ = try EvaluateJob(options).run()
        }
        XCTAssertFalse(Files.isThere(folder.path + "/results.jsonl"))
        // The limit changes no score: the job resumes.
        options.maximumMissing = 9
        let summary = try EvaluateJob(options).run()
        XCTAssertEqual([summary.questions, summary.answered, summary.missing, summary.rowsRejected], [360, 351, 9, 5])
        let rejects = try self.rows(folder.path + "/results.rejects.jsonl")
        XCTAssertEqual(
            rejects.map { $0["kind"]?.string },
            ["repeated_answer", "unknown_question", "missing_field", "wrong_type", "invalid_json"],
            "\(rejects.map(\.text))")
        XCTAssertEqual(rejects.first?["reason"], "the question 5 has an answer already")
        let whole = try EvaluateJob(self.options(nil, "whole.jsonl")).run()
        // The first answer counts.
        let five = try ["results", "whole"].map { name in
            try XCTUnwrap(self.rows("\(folder.path)/\(name).jsonl").first { $0["id"] == 5 })
        }
        XCTAssertEqual(five[0], five[1])
        XCTAssertEqual(five[0]["says"], "no")
        XCTAssertNotEqual(metric("random_f1", whole), metric("random_f1", summary))
        XCTAssertEqual(metric("popular_f1", whole), metric("popular_f1", summary))
    }

    func testTooManyBadAnswersStopIt() throws {
        var options = options(try write([["question_id": 1, "text": "Yes."], ["question_id": 1, "text": "No."]]))
        options.rows.maximumRejected = 0
        assertFails(.model, "1 of 2 rows were rejected, more than the 0 allowed; see") {
            _ = try EvaluateJob(options).run()
        }
    }

    // MARK: Settings

    func testBadSettings() throws {
        func fails(_ message: String, _ change: (inout EvaluateOptions) -> Void) {
            var options = options()
            change(&options)
            assertFails(.invalidArgument, message) { _ = try EvaluateJob(options).run() }
        }
        fails("benchmark is \"popes\"; expected one of") { $0.benchmark = "popes" }
        fails("the benchmark is missing") { $0.benchmark = "" }
        fails("variant is \"exact\"; pope has none") { $0.variant = "exact" }
        fails("prompts is \"mine\"; expected own or official") { $0.prompts = "mine" }
        fails("runs is 2; without a judge all runs would be the same") { $0.runs = 2 }
        fails("runs is 0") { $0.runs = 0 }
        fails("holds no benchmark.json; prepare the data") { $0.data = self.folder.path }
        fails("is the dataset itself") { $0.rows.output = $0.rows.data }
    }

    func testDataThatChanges() throws {
        let stopped = options()
        assertFails(.cancelled, "stopped") {
            _ = try EvaluateJob(stopped).run { progress throws(DamaError) in
                if progress.phase == .writing { throw .cancelled }
            }
        }
        // Damaged data is no data; other data is another job.
        let file = data + "/random.jsonl"
        let original = try Files.read(file)
        try Files.writeAtomically(original + [0x0A], to: file)
        assertFails(.invalidArgument, "random.jsonl has changed since it was prepared; prepare it again") {
            _ = try EvaluateJob(stopped).run()
        }
        let other = try folder.write(original + [0x0A], to: "coco_pope_random.json")
        try EvaluationData.prepare(benchmark: "pope", from: [other], to: data)
        assertFails(.invalidArgument, "restart") { _ = try EvaluateJob(stopped).run() }
        try EvaluationData.prepare(benchmark: "pope", from: ["\(fixtures)/coco_pope_random.json"], to: data)
        XCTAssertEqual(try EvaluateJob(stopped).run().answered, 360)
    }

    // MARK: Resuming

    /// Stopped at every report in turn, it ends with the bytes of an uninterrupted run.
    func testStoppedAtEveryStepItEndsWithTheSameBytes() throws {
        var rows = try answers()
        rows.insert(rows[3], at: 200)
        rows.insert(["question_id": -1, "text": ""], at: 0)
        let responses = try write(rows)
        func run(_ output: String, _ observer: @escaping (JobProgress) throws(DamaError) -> Void) throws {
            var options = options(responses, output)
            options.rows.blockRows = 10
            options.rows.workers = 2
            try EvaluateJob(options).run(observer: observer)
        }
        try run("whole.jsonl") { _ in }
        var stops = 0
        for patience in 1... {
            var reports = 0
            do {
                try run("stopped.jsonl") { progress throws(DamaError) in
                    // Waiting for a block, which takes any number of reports, is no step.
                    reports += 1
                    if reports > patience { throw .cancelled }
                }
                break
            } catch let error as DamaError where error.code == .cancelled {
                stops += 1
            }
        }
        XCTAssertGreaterThan(stops, 10)
        for suffix in ["jsonl", "rejects.jsonl", "summary.json"] {
            XCTAssertEqual(
                try Files.read("\(folder.path)/stopped.\(suffix)"), try Files.read("\(folder.path)/whole.\(suffix)"),
                suffix)
        }
        XCTAssertFalse(Files.isThere(folder.path + "/stopped.partial"))
    }

    /// A metric without a value is read again as such.
    func testAFinishedJobWithUndefinedMetricsIsReadAgain() throws {
        let options = options(try write([["question_id": 0, "text": "No"], ["question_id": 1, "text": "No"]]))
        var first = try EvaluateJob(options).run()
        XCTAssertEqual(metric("popular_f1", first)?.runs, [nil])
        first.wasComplete = true
        XCTAssertEqual(try EvaluateJob(options).run(), first)
    }

    func testAFinishedJobIsNotDoneAgain() throws {
        var first = try EvaluateJob(options()).run()
        XCTAssertFalse(first.wasComplete)
        let second = try EvaluateJob(options()).run()
        XCTAssertTrue(second.wasComplete)
        first.wasComplete = true
        XCTAssertEqual(second, first)
    }

    // MARK: Questions

    func testQuestionsAreADatasetToAnswer() throws {
        let output = folder.path + "/questions.jsonl"
        XCTAssertEqual(try EvaluationQuestions.write(benchmark: "pope", data: data, to: output), 360)
        let rows = try rows(output)
        let asked = try self.rows("\(fixtures)/coco_pope_popular.json")
        XCTAssertEqual(rows[120..<240].map { $0["question"] }, asked.map { $0["text"] })
        XCTAssertEqual(rows[120..<240].map { $0["image"] }, asked.map { $0["image"] })
        XCTAssertEqual(rows.map { $0["idx"] }, (0..<360).map { .int($0) })
        assertFails(.invalidArgument, "questions.jsonl exists and is not replaced") {
            try EvaluationQuestions.write(benchmark: "pope", data: self.data, to: output)
        }
        XCTAssertEqual(
            try EvaluationQuestions.write(benchmark: "pope", data: data, part: "random", to: output + "2"), 120)
        XCTAssertEqual(try self.rows(output + "2"), Array(rows[..<120]))
    }

    /// Files that are one JSON object hold rows if the benchmark says so.
    func testFilesOfAnotherFormAreConverted() throws {
        let path = try folder.write(Array(#"{"a": "x", "b": "y"}"#.utf8), to: "object.json")
        var reader = try RowReader(path: path) { _ in Array("{\"id\": \"a\"}\n{\"id\": \"b\"}\n".utf8) }
        var found: [String] = []
        while let row = try reader.next() { found.append(try JSON(parsing: row.bytes)["id"]?.string ?? "") }
        XCTAssertEqual(found, ["a", "b"])
        let digest = try Files.digest(path)
        XCTAssertEqual(reader.contents.sha256, digest.sha256)
        XCTAssertEqual([reader.contents.rowCount, reader.contents.byteCount], [2, digest.byteCount])
        // POPE has no such form: the object is a row, and an answer to no question.
        assertFails(.model, "all 1 rows were rejected") { _ = try EvaluateJob(self.options(path)).run() }
    }
}
