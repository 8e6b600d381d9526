import DamaSupport
import DamaTestSupport
import Synchronization
import XCTest

@testable import DamaEvaluation

final class CustomTests: XCTestCase {
    private var folder: TemporaryDirectory!

    override func setUpWithError() throws { folder = try TemporaryDirectory() }

    private func open(questions: String, metrics: String) throws -> Custom {
        let files = [
            try folder.write(Array(questions.utf8), to: "questions.jsonl"),
            try folder.write(Array(metrics.utf8), to: "metrics.json"),
        ]
        let output = folder.path + "/data"
        _ = try DataPreparation(benchmark: Custom.name, inputs: Custom.inputs).run(from: files, to: output)
        return try Custom(try DataFolder(path: output, benchmark: Custom.name), BenchmarkSettings())
    }

    private let questions = """
        {"idx": 1, "image": "a.png", "question": "How many?", "reference": "two"}

        {"id": "ü", "prompt": "What?", "reference": "a dog"}
        """
    private let metrics = #"{"words": {"numerator": "right", "denominator": "words", "scale": 100}}"#

    func testTheJudgeSeesTheWholeQuestion() throws {
        let custom = try open(questions: questions, metrics: metrics)
        XCTAssertEqual(custom.questions.map(\.id), [1, "ü"])
        XCTAssertEqual(custom.questions.map(\.text), ["How many?", "What?"])
        XCTAssertEqual(custom.questions.map(\.image), ["a.png", nil])
        let judge = RecordedJudge([#"{"counts": {"right": 1, "words": 2.5}, "pass": true, "why": "said two", "id": 9}"#]
        )
        let answer = try custom.answer(in: ["idx": "1", "response": "two dogs"], at: 0)
        let score = try custom.score(answer, run: 3, judge: judge, stop: StopSignal())
        XCTAssertEqual(
            score, AnswerScore(pass: true, counts: ["right": 1, "words": 2.5], evidence: ["why": "said two"]))
        let request = try XCTUnwrap(judge.requests.first)
        XCTAssertEqual(request.run, 3)
        XCTAssertEqual(
            try JSON(parsing: request.messages[0].content.utf8),
            [
                "question": ["idx": 1, "image": "a.png", "question": "How many?", "reference": "two"],
                "answer": "two dogs",
            ])
        XCTAssertEqual(custom.metrics(["right": 1, "words": 2.5]), [Metric("words", 40)])
        XCTAssertEqual(custom.metrics([:]), [Metric("words", nil)])
    }

    func testAJudgeIsAskedAgain() throws {
        let custom = try open(questions: questions, metrics: metrics)
        let answer = BenchmarkAnswer(question: 1, text: "")
        let judge = RecordedJudge(["I think it is right.", #"{"counts": {"right": "one"}}"#, #"{"counts": {}}"#])
        XCTAssertEqual(
            try custom.score(answer, run: 0, judge: judge, stop: StopSignal()), AnswerScore(pass: nil, counts: [:]))
        XCTAssertEqual(judge.requests.map(\.attempt), [0, 1, 2])
        assertFails(.model, #"question "ü" is no JSON object with "counts": "no""#) {
            _ = try custom.score(
                answer, run: 0, judge: RecordedJudge(["yes", "maybe", "no"]), stop: StopSignal())
        }
    }

    func testBadFilesAreNamed() throws {
        assertFails(.invalidArgument, #"question 2: the field "idx" or "id" is missing"#) {
            _ = try open(questions: "{\"idx\": 1, \"question\": \"?\"}\n{\"question\": \"?\"}", metrics: metrics)
        }
        folder = try TemporaryDirectory()
        assertFails(.invalidArgument, "questions.jsonl, line 1") { _ = try open(questions: "{", metrics: metrics) }
        folder = try TemporaryDirectory()
        assertFails(.invalidArgument, "is not an object of metrics") {
            _ = try open(questions: questions, metrics: "[]")
        }
        folder = try TemporaryDirectory()
        assertFails(.model, "denominator") {
            _ = try open(questions: questions, metrics: #"{"a": {"numerator": "x"}}"#)
        }
    }

    func testAnAnswerToNoQuestion() throws {
        let custom = try open(questions: questions, metrics: metrics)
        func failure(_ row: JSON) -> BadAnswer? {
            do throws(BadAnswer) {
                _ = try custom.answer(in: row, at: 0)
                return nil
            } catch {
                return error
            }
        }
        XCTAssertEqual(failure(["id": 2, "response": "x"])?.kind, .unknownQuestion)
        XCTAssertEqual(failure(["id": 1.5, "response": "x"])?.kind, .wrongType)
        XCTAssertEqual(failure(["id": 1])?.kind, .missingField)
        XCTAssertEqual(failure(["id": 1, "response": ["x"]])?.kind, .wrongType)
        // Canonically equivalent, but other bytes.
        XCTAssertEqual(failure(["id": "u\u{308}", "response": "x"])?.kind, .unknownQuestion)
    }
}

/// A judge that gives the same answers in turn.
final class RecordedJudge: Judge {
    let name = "recorded"
    private let state: Mutex<(answers: [String], requests: [JudgeRequest])>

    init(_ answers: [String]) { state = Mutex((answers, [])) }

    var requests: [JudgeRequest] { state.withLock { $0.requests } }

    func answer(_ request: JudgeRequest, stop: StopSignal) throws(DamaError) -> JudgeAnswer {
        let text: String? = state.withLock { state in
            state.requests.append(request)
            return state.answers.isEmpty ? nil : state.answers.removeFirst()
        }
        guard let text else { throw .io("no more answers") }
        return JudgeAnswer(text: text)
    }
}
