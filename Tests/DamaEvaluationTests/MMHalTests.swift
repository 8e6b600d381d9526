import DamaSupport
import DamaTestSupport
import XCTest

@testable import DamaEvaluation

final class MMHalTests: JudgedTestCase {
    private func questions(_ count: Int = 96) -> JSON {
        .array(
            (0..<count).map { number in
                [
                    "image_src": .string("https://h/8/i\(number)_o.jpg"),
                    "image_content": [.string("Dog \(number)"), "Tree"], "question": .string("What is \(number)?"),
                    "gt_answer": .string("It is \(number)."),
                ]
            })
    }

    private func benchmark(_ settings: BenchmarkSettings = BenchmarkSettings(), count: Int = 96) throws -> MMHal {
        try MMHal(data(MMHal.self, ["response_template.json": questions(count)]), settings)
    }

    // MARK: Numbers

    /// Outputs of the official script.
    func testOfficialScores() throws {
        let golden = try official("mmhal")
        let answers = try XCTUnwrap(golden["answers"]?.array).compactMap(\.string)
        XCTAssertEqual(answers.count, 48)
        XCTAssertEqual(answers.map { MMHalRating($0).official }, golden["scores"]?.array?.compactMap(\.int))
    }

    func testRatingsAndMetricsByTheirDefinition() throws {
        let cases = try restated("mmhal")
        let answers = try XCTUnwrap(cases["answers"]?.array).compactMap(\.string)
        let expected = try XCTUnwrap(cases["found"]?.array)
        XCTAssertEqual(answers.map { MMHalRating($0).found }, expected.map(\.int))
        var sum = Counts()
        for (question, answer) in answers.enumerated() {
            sum += MMHal.score(MMHalRating(answer), question: question).counts
        }
        let metrics = MMHal.metrics(sum)
        try assertPrinted(metrics, cases["printed"])
        for name in ["failed", "average_score_without_failed", "hallucination_rate_without_failed"] {
            // One division of whole numbers.
            XCTAssertEqual(try metric(name, metrics).value, cases[name]?.double, name)
        }
        XCTAssertTrue(MMHal.metrics(Counts()).allSatisfy { $0.value == nil || $0.name == "failed" })
    }

    // MARK: The judge

    func testAJudgeIsAskedAndAFailureIsCounted() throws {
        let benchmark = try benchmark(count: 8)
        XCTAssertTrue(benchmark.needsJudge)
        XCTAssertEqual(benchmark.questions[3].image, "i3_o.jpg")
        XCTAssertEqual(benchmark.identity["prompts"]?["name"], "libdama 1")
        let judge = ScriptedJudge(["It is 1.": ["Rating: 5"], "It is 2.": ["Rating: 5, or Rating: 1"]])
        func score(_ id: JSON, run: Int = 0) throws -> AnswerScore {
            let row: JSON = ["id": id, "response": "a {} b"]
            return try benchmark.score(
                benchmark.answer(in: row, at: 7), run: run, judge: judge, stop: StopSignal())
        }
        let good = try score(1, run: 3)
        XCTAssertEqual(good.pass, true)
        XCTAssertEqual(good.evidence, ["rating": 5, "judge": "Rating: 5", "judge_model": "m"])
        let bad = try score("2")
        XCTAssertEqual(bad.pass, false)
        XCTAssertEqual(bad.counts["failed"], 1)
        XCTAssertEqual(bad.counts["comparison_answers"], 1)
        XCTAssertEqual(bad.evidence["failed"], true)
        let request = try XCTUnwrap(judge.requests.first)
        XCTAssertEqual(request.messages.map(\.role), ["user"])
        XCTAssertEqual(request.run, 3)
        XCTAssertEqual(request.temperature, 0)
        for part in [
            "Objects in the image: Dog 1, Tree\n", "Question: What is 1?\n", "Reference answer: It is 1.\n",
            "Answer to grade: a {} b\n",
        ] {
            XCTAssertTrue(request.messages[0].content.contains(part), part)
        }
    }

    func testOfficialPromptsAreFilledInTheOfficialOrder() throws {
        let plain = try data(MMHal.self, ["response_template.json": questions(8)])
        assertFails(.invalidArgument, "has no official prompts") {
            _ = try MMHal(plain, BenchmarkSettings(prompts: "official"))
        }
        let folder = try addPrompts(
            MMHal.self, ["source": "eval_gpt_mmhal.py", "template": "c {} q {} g {} a {} {{x}}"], to: plain)
        let benchmark = try MMHal(folder, BenchmarkSettings(prompts: "official"))
        XCTAssertEqual(benchmark.identity["prompts"]?["name"], "official, from eval_gpt_mmhal.py")
        let judge = ScriptedJudge(["": ["rating: 2"]])
        _ = try counts(benchmark, [["id": 2, "response": "R"]], judge: judge)
        XCTAssertEqual(judge.requests[0].messages[0].content, "c Dog 2, Tree q What is 2? g It is 2. a R {x}")
    }

    // MARK: Official files

    /// The official file of answers has no ids, and the file of the judge's answers is one of an API's answers.
    func testOfficialFiles() throws {
        let golden = try official("mmhal")
        let half = try XCTUnwrap(golden["answers"]?.array)
        let scores = try XCTUnwrap(golden["scores"]?.array).compactMap(\.int)
        let answers = half + half
        let api = answers.map { text -> JSON in
            ["model": "gpt-4-0314", "choices": [["message": ["role": "assistant", "content": text]]]]
        }
        let merged = answers.map { text -> JSON in ["question": "?", "gpt4_review": text] }
        let rows = (0..<96).map { number -> JSON in
            ["question": .string("What is \(number)?"), "model_answer": .string("answer \(number)")]
        }
        for (name, list) in [("api", api), ("merged", merged), ("texts", answers)] {
            let path = try folder.write(Array(JSON.array(list).text.utf8), to: "\(name).json")
            let benchmark = try MMHal(
                data(MMHal.self, ["response_template.json": questions()]), BenchmarkSettings(judgeAnswers: path))
            XCTAssertFalse(benchmark.needsJudge)
            let sum = try counts(benchmark, rows)
            XCTAssertEqual(sum["score"], Double(2 * scores.reduce(0, +)), name)
            XCTAssertEqual(sum["hallucinated"], Double(2 * scores.count { $0 < 3 }), name)
        }
        let short = try folder.write(Array(JSON.array(Array(api.dropLast())).text.utf8), to: "short.json")
        assertFails(.invalidArgument, "holds 95 answers of a judge; the benchmark has 96 questions") {
            _ = try self.benchmark(BenchmarkSettings(judgeAnswers: short))
        }
        let other = try folder.write(Array(#"[{"a": 1}]"#.utf8), to: "other.json")
        assertFails(.invalidArgument, "answer 0 of the judge has neither") {
            _ = try self.benchmark(BenchmarkSettings(judgeAnswers: other))
        }
    }

    func testBadAnswersAndData() throws {
        let benchmark = try benchmark(count: 8)
        let good: [JSON] = [
            ["question": "What is 3?", "text": "a"], ["question": "What is 3?", "answer": "a"],
            ["question_id": 3, "question": "whatever", "text": "a"], ["model_answer": "a"],
        ]
        for row in good {
            let answer = try benchmark.answer(in: row, at: 3)
            XCTAssertEqual([answer.question.description, answer.text], ["3", "a"], row.text)
        }
        let cases: [(JSON, Int, BadAnswer.Kind)] = [
            (["question": "What is 1?", "model_answer": "a"], 0, .unknownQuestion),
            (["model_answer": "a"], 8, .unknownQuestion), (["model_answer": 1], 0, .wrongType),
            (["question": "What is 1?", "text": "a"], 0, .unknownQuestion), (["text": "a"], 0, .missingField),
            (["id": 8, "response": "a"], 0, .unknownQuestion), (["id": 1], 0, .missingField),
            (["response": "a"], 0, .missingField), (["id": 1, "response": 2], 0, .wrongType),
        ]
        for (row, position, kind) in cases {
            XCTAssertThrowsError(try benchmark.answer(in: row, at: position), row.text) {
                XCTAssertEqual(($0 as? BadAnswer)?.kind, kind, row.text)
            }
        }
        for bad in [JSON.array([]), [["question": "q"]], ["a": 1]] {
            folder = try TemporaryDirectory()
            assertFails(.invalidArgument, "response_template.json") {
                _ = try MMHal(self.data(MMHal.self, ["response_template.json": bad]), BenchmarkSettings())
            }
        }
    }
}
