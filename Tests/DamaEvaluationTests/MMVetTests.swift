import DamaSupport
import DamaTestSupport
import XCTest

@testable import DamaEvaluation

final class MMVetTests: JudgedTestCase {
    private func rows(_ benchmark: MMVet, _ predictions: JSON?) throws -> [JSON] {
        try XCTUnwrap(benchmark.rows(of: XCTUnwrap(predictions?.object)))
    }

    // MARK: Numbers

    func testGrades() throws {
        for entry in try XCTUnwrap(restated("grade_texts").array) {
            let text = try XCTUnwrap(entry["text"]?.string)
            XCTAssertEqual(MMVetGrade.parse(text)?.grade, entry["grade"]?.double, text.debugDescription)
        }
    }

    /// The judge of the official run says the same again; every number that was printed then is the same.
    func testTheOfficialRun() throws {
        let golden = try official("mmvet")
        let data = try XCTUnwrap(golden["data"])
        let benchmark = try MMVet(self.data(MMVet.self, ["mm-vet.json": data]), BenchmarkSettings())
        let texts = try XCTUnwrap(golden["judge"]?.object?.members).map { member in
            (member.key, (member.value.array ?? []).compactMap(\.string))
        }
        let judge = ScriptedJudge(Dictionary(texts, uniquingKeysWith: { first, _ in first }))
        var sum = Counts()
        for row in try rows(benchmark, golden["predictions"]) {
            let score = try benchmark.score(
                benchmark.answer(in: row, at: 0), run: 0, judge: judge, stop: StopSignal())
            let id = try XCTUnwrap(row["id"]?.string)
            XCTAssertEqual(score.counts["score"], golden["scores"]?[id]?.double, id)
            sum += score.counts
        }
        let metrics = benchmark.metrics(sum)
        let capabilities = try XCTUnwrap(golden["capability"]?.object?.members)
        for member in capabilities where !["std", "runs"].contains(member.key) {
            XCTAssertEqual(try metric(member.key, metrics).official, member.value.string, member.key)
        }
        XCTAssertEqual(capabilities.count, 9)
        let sets = try XCTUnwrap(golden["integration"]?.object?.members)
        for member in sets where !["total", "std", "runs"].contains(member.key) {
            let name = "set_" + MMVetSummary.set(member.key.split(separator: "_").map(String.init))
            XCTAssertEqual(try metric(name, metrics).official, member.value.string, member.key)
        }
        XCTAssertEqual(sets.count, 10)
        // Two answers each that are never a grade: " 0.7" and "x".
        XCTAssertEqual(try metric("failed", metrics).value, 4)
    }

    func testMeansByTheirDefinition() throws {
        let cases = try restated("mmvet")
        let needed = try XCTUnwrap(cases["capabilities"]?.object?.members)
        let data = JSONObject(
            needed.map { member in
                (member.key, ["imagename": "a", "question": "q", "answer": "a", "capability": member.value])
            })
        let grades = JSONObject(
            (cases["grades"]?.object?.members ?? []).map { member in
                (member.key, ["model": ["gpt-4-0613", "b", "c"], "content": ["0", "0", "0"], "score": member.value])
            })
        let path = try folder.write(Array(JSON.object(grades).text.utf8), to: "grades.json")
        let benchmark = try MMVet(
            self.data(MMVet.self, ["mm-vet.json": .object(data)]), BenchmarkSettings(judgeAnswers: path))
        XCTAssertEqual(benchmark.maximumRuns, 3)
        let rows = needed.map { member -> JSON in ["id": .string(member.key), "response": "r"] }
        var runs: [[Metric]] = []
        for run in 0..<3 {
            runs.append(try benchmark.metrics(counts(benchmark, rows, run: run)))
            let printed = try XCTUnwrap(cases["runs"]?.array?[run].object?.members)
            XCTAssertEqual(runs[run].count, printed.count + 2)
            try assertPrinted(runs[run], .object(JSONObject(printed)))
        }
        let table = MetricTable(runs)
        for member in try XCTUnwrap(cases["exact_mean"]?.object?.members) {
            let row = try XCTUnwrap(table.rows.first { $0.name == member.key })
            XCTAssertEqual(row.official, cases["mean"]?[member.key]?.string)
            // Sums of 40 numbers up to 100, in another order: some units of the last of 53 bits.
            XCTAssertEqual(try XCTUnwrap(row.value), try XCTUnwrap(member.value.double), accuracy: 1e-12)
            XCTAssertEqual(
                try XCTUnwrap(row.standardDeviation), try XCTUnwrap(cases["exact_std"]?[member.key]?.double),
                accuracy: 1e-12)
        }
        assertFails(.invalidArgument, "no grade of the question") {
            _ = try self.counts(benchmark, [rows[0]], run: 3)
        }
    }

    // MARK: The judge

    private let data: JSON = [
        "v1_0": [
            "imagename": "v1_0.jpg", "question": "What is x?", "answer": "-1<AND>-5<OR>é",
            "capability": ["ocr", "ocr"],
        ]
    ]

    func testTheAttemptsOfTheJudge() throws {
        let plain = try data(MMVet.self, ["mm-vet.json": data])
        let prompts: JSON = ["source": "s.py", "prompt": "P", "reminder": "\nNUMBER: "]
        let benchmark = try MMVet(
            addPrompts(MMVet.self, prompts, to: plain), BenchmarkSettings(prompts: "official"))
        let row: JSON = ["question_id": "v1_0", "text": "a | b"]
        func score(_ texts: [String]) throws -> (AnswerScore, [JudgeRequest]) {
            let judge = ScriptedJudge(["": texts])
            let score = try benchmark.score(
                benchmark.answer(in: row, at: 0), run: 4, judge: judge, stop: StopSignal())
            return (score, judge.requests)
        }
        let (good, requests) = try score(["good", "1.5", "0.4 x"])
        XCTAssertEqual(good.counts["score"], 0.4)
        XCTAssertEqual(good.evidence, ["attempts": 3, "judge": "0.4 x", "judge_model": "m"])
        XCTAssertEqual(requests.map(\.temperature), [0, 0, 0.5])
        XCTAssertEqual(requests.map(\.attempt), [0, 1, 2])
        XCTAssertEqual(requests.map(\.run), [4, 4, 4])
        XCTAssertEqual(requests.map(\.maximumTokens), [3, 3, 3])
        let line = "P\nWhat is x? | -1 <AND> -5 <OR> é | a | b | "
        XCTAssertEqual(requests.map { $0.messages[0].content }, [line, line + "\nNUMBER: ", line + "\nNUMBER: "])
        let (bad, all) = try score(["x"])
        XCTAssertEqual(all.map(\.temperature), [0, 0, 0.5, 1, 1.5])
        XCTAssertEqual(
            bad.counts,
            [
                "answers": 1, "score": 0, "failed": 1, "capability_ocr_answers": 1,
                "capability_ocr_score": 0, "set_ocr_answers": 1, "set_ocr_score": 0,
            ])
        XCTAssertEqual(bad.evidence["failed"], true)
    }

    func testAnswersAsOneObject() throws {
        let benchmark = try MMVet(data(MMVet.self, ["mm-vet.json": data]), BenchmarkSettings())
        XCTAssertEqual(
            try rows(benchmark, ["v1_0": "a", "v1_1": ""]),
            [["id": "v1_0", "response": "a"], ["id": "v1_1", "response": ""]])
        XCTAssertNil(benchmark.rows(of: ["id": "v1_0", "response": "a"]))
        XCTAssertNil(benchmark.rows(of: ["v1_0": 1]))
        XCTAssertNil(benchmark.rows(of: [:]))
    }

    func testBadFiles() throws {
        let folder = try data(MMVet.self, ["mm-vet.json": data])
        for (text, message) in [
            ("[]", "is not the script's file of grades"), (#"{"v9": {"score": [1]}}"#, "has no question \"v9\""),
            (#"{"v1_0": {"score": []}}"#, "\"v1_0\" has no scores"),
            (#"{"v1_0": {"score": [1.5]}}"#, "not from 0 to 1"),
            (#"{"v1_0": {"score": [NaN]}}"#, "not from 0 to 1"),
        ] {
            let path = try self.folder.write(Array(text.utf8), to: "bad.json")
            assertFails(.invalidArgument, message) {
                _ = try MMVet(folder, BenchmarkSettings(judgeAnswers: path))
            }
        }
    }
}
