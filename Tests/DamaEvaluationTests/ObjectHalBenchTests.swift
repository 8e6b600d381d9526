import DamaSupport
import DamaTestSupport
import Foundation
import XCTest

@testable import DamaEvaluation

final class ObjectHalBenchTests: XCTestCase {
    /// What `summarize_gpt_obj_halbench_review.py` prints, by the names of the metrics.
    private let printed = [
        "response_hallucination": "Response Hall", "mention_hallucination": "Object Hall",
        "response_correct": "Response Correct", "object_correct": "Object Correct", "object_recall": "Object Recall",
        "average_length": "Average Length", "coco_sentences": "COCO Sent Number", "coco_words": "COCO Word Number",
        "truth_words": "GT Word Number",
    ]

    private func checkPrinted(_ metrics: [String: Metric], _ variant: JSON?) throws {
        for (name, label) in printed {
            XCTAssertEqual(metrics[name]?.official, try XCTUnwrap(variant?["summary"]?[label]?.string), name)
        }
        // CHAIRs as the first script prints it.
        let first = try XCTUnwrap(variant?["printed"]?.string?.split(separator: "\t").first)
        XCTAssertEqual(metrics["chair_s"]?.official, String(first))
    }

    func testPlainEqualsTheScript() throws {
        let fixture = try ObjectFixture()
        let report = try fixture.prepare(ObjectHalBench.self)
        XCTAssertEqual(report.missing.map(\.name), ["official_prompts.json"])
        let benchmark = try fixture.open(ObjectHalBench.self, .init(variant: "plain"))
        let rows = try ObjectFixture.rows("answers.jsonl")
        XCTAssertEqual(benchmark.questions.count, 300)
        XCTAssertFalse(benchmark.needsJudge)
        let metrics = try fixture.check(benchmark, "plain", rows: rows)
        try checkPrinted(metrics, fixture.expected["plain"])
        // 2pr/(p + r) of the script's lines that are not printed.
        let values = try XCTUnwrap(fixture.expected["plain"]?["metrics"])
        let (recall, right) = (values["obj_rec"]?.double ?? 0, values["object_correct_rate"]?.double ?? 0)
        XCTAssertEqual(metrics["object_f1"]?.value ?? 0, 200 * recall * right / (recall + right), accuracy: 1e-10)
        let (coverage, response) = (295.0 / 300, values["correct_rate"]?.double ?? 0)
        XCTAssertEqual(
            metrics["response_f1"]?.value ?? 0, 200 * coverage * response / (coverage + response), accuracy: 1e-10)
        XCTAssertNil(metrics["failed"])
    }

    /// The words of each answer, which the script has in its result.
    func testWordsEqualTheScripts() throws {
        let fixture = try ObjectFixture()
        try fixture.prepare(ObjectHalBench.self)
        let reader = try ObjectReader(
            DataFolder(path: fixture.output(ObjectHalBench.self), benchmark: ObjectHalBench.name))
        let rows = try ObjectFixture.rows("answers.jsonl")
        let expected = try XCTUnwrap(fixture.expected["plain"]?["rows"]?.array)
        for (row, wanted) in zip(rows, expected) {
            let words = reader.words(of: try ObjectAnswer.text(row))
            XCTAssertEqual(words.map { JSON.string($0) }, wanted["words"]?.array)
        }
    }

    func testListsOfAJudgeEqualTheScript() throws {
        let fixture = try ObjectFixture()
        try fixture.prepare(ObjectHalBench.self)
        let benchmark = try fixture.open(ObjectHalBench.self, .init(variant: "llm", prompts: "own"))
        let rows = try ObjectFixture.rows("answers.jsonl")
        XCTAssertTrue(benchmark.needsJudge)
        let metrics = try fixture.check(benchmark, "llm", rows: rows, judge: FixtureJudge(rows))
        try checkPrinted(metrics, fixture.expected["llm"])
        XCTAssertEqual(metrics["failed"]?.value, 0)
        XCTAssertEqual(benchmark.identity["prompts"]?["name"], "libdama 1")
        XCTAssertNotNil(benchmark.identity["tagger"])
    }

    func testReadyListsEqualTheScript() throws {
        let fixture = try ObjectFixture()
        try fixture.prepare(ObjectHalBench.self)
        let rows = try ObjectFixture.rows("answers.jsonl")
        // The script's own result: nothing is left to be read by a tagger.
        let official = ObjectFixture.path("hall_obj_halbench_answer_-1.json")
        let read = try fixture.open(ObjectHalBench.self, .init(variant: "llm", prompts: "own", judgeAnswers: official))
        XCTAssertFalse(read.needsJudge)
        XCTAssertNil(read.identity["tagger"])
        try checkPrinted(fixture.check(read, "llm", rows: rows), fixture.expected["llm"])
        // Lists as a judge wrote them.
        var lines: [UInt8] = []
        for (id, texts) in try XCTUnwrap(Fixtures.json("object-halbench/replies.json").object?.members) {
            let list = ExtractedList.parse(try XCTUnwrap(texts.array?.last?.string)) ?? []
            let row: JSON = ["image_id": .string(id), "extract_objs": .array(list.map { .string($0) })]
            lines += Array("\(row.text)\n".utf8)
        }
        let path = try fixture.folder.write(lines, to: "lists.jsonl")
        let listed = try fixture.open(ObjectHalBench.self, .init(variant: "llm", prompts: "own", judgeAnswers: path))
        XCTAssertNotNil(listed.identity["tagger"])
        try checkPrinted(fixture.check(listed, "llm", rows: rows), fixture.expected["llm"])
    }

    func testAnswersThatAreNoListsAreFailures() throws {
        final class Nonsense: Judge {
            let name = "nonsense"
            let asked = Recorder()
            func answer(_ request: JudgeRequest, stop: StopSignal) throws(DamaError) -> JudgeAnswer {
                asked.add(request)
                return JudgeAnswer(text: "I see nothing.", model: "m")
            }
        }
        let fixture = try ObjectFixture()
        try fixture.prepare(ObjectHalBench.self)
        let benchmark = try fixture.open(ObjectHalBench.self, .init(variant: "llm", prompts: "own"))
        let judge = Nonsense()
        let answer = try benchmark.answer(in: ["id": 2, "response": "a dog and a cat"], at: 0)
        let score = try benchmark.score(answer, run: 3, judge: judge, stop: StopSignal())
        XCTAssertNil(score.pass)
        XCTAssertEqual(score.counts, ["failed": 1])
        XCTAssertEqual(score.evidence["failure"], "no list in 10 answers")
        XCTAssertEqual(score.evidence["judge"], "I see nothing.")
        XCTAssertEqual(judge.asked.requests.map(\.attempt), Array(0..<10))
        XCTAssertEqual(Set(judge.asked.requests.map(\.run)), [3])
        XCTAssertTrue(judge.asked.requests[0].messages[0].content.hasSuffix("(2)\n\nAnswer: a dog and a cat"))
        // Three words are not asked about.
        let short = try benchmark.answer(in: ["id": 2, "response": "a  dog\tthere"], at: 0)
        XCTAssertEqual(try benchmark.score(short, run: 0, judge: judge, stop: StopSignal()).evidence["short"], true)
        XCTAssertEqual(judge.asked.requests.count, 10)
        // All failed: nothing to divide by.
        for metric in benchmark.metrics(score.counts) where metric.name != "failed" {
            XCTAssertTrue(metric.value == nil || metric.value == 0, metric.name)
        }
    }

    func testRowsOfOtherFormsAndUnknownImages() throws {
        let fixture = try ObjectFixture()
        try fixture.prepare(ObjectHalBench.self)
        let benchmark = try fixture.open(ObjectHalBench.self, .init(variant: "plain"))
        for row: JSON in [
            ["id": 11, "response": " Assistant: a dog "], ["image_id": "0011", "text": "a dog", "answer": "x"],
            ["question_id": 1, "answer": "a dog"],
        ] {
            let answer = try benchmark.answer(in: row, at: 1)
            XCTAssertEqual(answer.question, 1)
            XCTAssertEqual(answer.text, "a dog")
        }
        let official: JSONObject = ["overall": [:], "imgToEval": ["a": ["image_id": 11, "caption": " Assistant: "]]]
        let row = try XCTUnwrap(benchmark.rows(of: official)?.first)
        XCTAssertEqual(try benchmark.answer(in: row, at: 0).text, " Assistant: ")
        for (row, kind): (JSON, BadAnswer.Kind) in [
            (["image_id": 12, "text": ""], .unknownQuestion), (["image_id": 11], .missingField),
            (["image_id": 11, "text": 1], .wrongType), (["image_id": [1], "text": ""], .wrongType),
            (["image_id": 11, "caption": 1], .wrongType),
        ] {
            XCTAssertThrowsError(try benchmark.answer(in: row, at: 0)) {
                XCTAssertEqual(($0 as? BadAnswer)?.kind, kind)
            }
        }
        XCTAssertThrowsError(try benchmark.answer(in: ["text": "a"], at: 300))
    }

    func testQuestionsHaveTheirImages() throws {
        let fixture = try ObjectFixture()
        try fixture.prepare(ObjectHalBench.self)
        let benchmark = try fixture.open(ObjectHalBench.self, .init(variant: "plain"))
        var questions: [BenchmarkQuestion] = []
        try benchmark.forEachQuestion { questions.append($0) }
        let rows = try ObjectFixture.rows("obj_halbench_300_with_image.jsonl")
        XCTAssertEqual(questions.map(\.image), rows.map { $0["image"] })
        XCTAssertEqual(questions.map(\.text), rows.compactMap { $0["question"]?.string })
        XCTAssertEqual(questions.map(\.id), benchmark.questions.map(\.id))
        XCTAssertTrue(benchmark.questions.allSatisfy { $0.image == nil })
    }

    func testDataOfOtherImagesIsRefused() throws {
        let fixture = try ObjectFixture()
        let path = try fixture.folder.write(
            Array(#"{"question": "?", "image": "", "image_id": 77}"#.utf8), to: "obj_halbench_300_with_image.jsonl")
        var preparation = DataPreparation(benchmark: ObjectHalBench.name, inputs: ObjectHalBench.inputs)
        preparation.acceptsAnyVersion = true
        assertFails(.invalidArgument, "the image 77 is in none of the annotation files") {
            _ = try preparation.run(
                from: [path, ObjectFixture.path("annotations_trainval2014.zip")],
                to: fixture.output(ObjectHalBench.self))
        }
        assertFails(.invalidArgument, "the variant plain has no judge") {
            try fixture.prepare(ObjectHalBench.self)
            _ = try fixture.open(ObjectHalBench.self, .init(variant: "plain", judgeAnswers: "x"))
        }
    }

    func testParsesListsAsTheScript() {
        for (text, expected): (String, [String]?) in [
            (#"["a", "b"]"#, ["a", "b"]), (" [\"a\"]\n", ["a"]), ("List:\n[\"a\"]  \n", ["a"]), ("List: [\"a\"]", nil),
            ("List:\n[]", nil), ("[]", []), ("['a']", nil), (#"{"a": 1, "b": 2, "a": 3}"#, ["a", "b"]),
            ("\"ab\"", ["a", "b"]), ("5", nil), ("null", nil), ("", nil),
            (#"["a", 5, 1.5, true, null]"#, ["a", "5", "1.5", "True", "None"]),
            ("[\"a\"]\nNo more.", nil), ("[\"a\",\n\"b\"]", ["a", "b"]), ("[\"a\" \n[\"b\"]", ["b"]),
            ("\u{FEFF}[\"a\"]", nil),
        ] {
            XCTAssertEqual(ExtractedList.parse(text), expected, text)
        }
    }
}

/// Keeps requests from any thread.
final class Recorder: @unchecked Sendable {
    private let lock = NSLock()
    private var kept: [JudgeRequest] = []

    func add(_ request: JudgeRequest) { lock.withLock { kept.append(request) } }
    var requests: [JudgeRequest] { lock.withLock { kept } }
}
