import DamaSupport
import DamaTestSupport
import XCTest

@testable import DamaEvaluation

final class LlavaBenchTests: JudgedTestCase {
    private let categories = ["conv", "detail", "complex"]

    private func folder(_ count: Int) throws -> DataFolder {
        let questions = (0..<count).map { number -> JSON in
            [
                "question_id": .int(Int64(number)), "image": number % 2 == 0 ? "000.jpg" : "001.jpg",
                "text": .string("What is \(number)?"), "category": .string(categories[number % 3]),
            ]
        }
        return try data(
            LlavaBench.self,
            [
                "questions.jsonl": .array(questions),
                "context.jsonl": [
                    ["image": "000.jpg", "caption": "A dog."], ["image": "001.jpg", "caption": ["A cat.", "A mat."]],
                ],
                "answers_gpt4.jsonl": .array(
                    (0..<count).map { ["text": .string("It is \($0)."), "answer_id": "x"] }),
            ], lines: true)
    }

    private func rows(_ count: Int) -> [JSON] {
        (0..<count).map { ["question_id": .int(Int64($0)), "text": "R", "answer_id": "y"] }
    }

    /// Writes reviews as the official script does.
    private func reviews(_ cases: [JSON], tuples: [JSON]? = nil, named name: String) throws -> String {
        let lines = cases.enumerated().map { number, review -> String in
            var members: [JSONObject.Member] = [("id", .int(Int64(number + 1))), ("question_id", .int(Int64(number)))]
            members.append(("content", review["content"] ?? ""))
            if let tuples { members.append(("tuple", tuples[number])) }
            return JSON.object(JSONObject(members)).text + "\n"
        }
        return try folder.write(Array(lines.joined().utf8), to: name)
    }

    // MARK: Numbers

    private func assertTuples(_ cases: JSON) throws {
        let reviews = try XCTUnwrap(cases["reviews"]?.array).map { LlavaBenchReview($0["content"]?.string ?? "") }
        let tuples = try XCTUnwrap(cases["tuples"]?.array).map { ($0.array ?? []).compactMap(\.double) }
        XCTAssertEqual(reviews.map { [$0.reference, $0.model] }, tuples)
    }

    func testReviews() throws {
        try assertTuples(official("llava"))
        try assertTuples(restated("llava"))
        XCTAssertTrue(LlavaBenchReview("nan 8").isFailed)
        XCTAssertTrue(LlavaBenchReview("8 inf").isFailed)
    }

    /// Every number that the official scripts print, from their reviews with and without `tuple`.
    func testOfficialSummaries() throws {
        let golden = try official("llava")
        let cases = try XCTUnwrap(golden["reviews"]?.array)
        let folder = try folder(cases.count)
        for (name, tuples) in [("with", golden["tuple"]?.array ?? golden["tuples"]?.array), ("without", nil)] {
            let path = try reviews(cases, tuples: tuples, named: "\(name).jsonl")
            var settings = BenchmarkSettings(variant: "keep-failed", judgeAnswers: path)
            let kept = try LlavaBench(folder, settings)
            let metrics = try kept.metrics(counts(kept, rows(cases.count)))
            var compared = 0
            for line in try XCTUnwrap(golden["llava"]?.array).compactMap(\.string) {
                let fields = line.split(separator: " ").map(String.init)
                guard fields.count == 4 else { continue }
                let group = fields[0] == "all" ? "" : "\(fields[0].dropFirst(12))_"
                XCTAssertEqual(try metric("\(group)relative_score", metrics).official, fields[1])
                XCTAssertEqual(try metric("\(group)reference_score", metrics).official, fields[2])
                XCTAssertEqual(try metric("\(group)model_score", metrics).official, fields[3])
                compared += 3
            }
            XCTAssertEqual(compared, 12)
            settings.variant = "drop-failed"
            let dropped = try LlavaBench(folder, settings)
            let others = try dropped.metrics(counts(dropped, rows(cases.count)))
            for line in try XCTUnwrap(golden["rlhf_v"]?.array).compactMap(\.string) {
                let fields = line.split { " [],".contains($0) }.map(String.init)
                guard fields.count == 4, fields[0] == "all" || fields[0].hasPrefix("llava_bench_") else { continue }
                let group = fields[0] == "all" ? "" : "\(fields[0].dropFirst(12))_"
                XCTAssertEqual(try metric("\(group)reference_mean", others).official, fields[1])
                XCTAssertEqual(try metric("\(group)model_mean", others).official, fields[2])
                XCTAssertEqual(try metric("\(group)relative_score", others).official, fields[3])
                compared += 3
            }
            XCTAssertEqual(compared, 24)
            XCTAssertEqual(
                try metric("relative_score_without_failed", metrics).value,
                try metric("relative_score", others).value)
            XCTAssertEqual(try metric("failed", metrics).value, 10)
        }
    }

    func testSummariesByTheirDefinition() throws {
        let cases = try restated("llava")
        let list = try XCTUnwrap(cases["reviews"]?.array)
        let folder = try folder(list.count)
        let path = try reviews(list, named: "reviews.jsonl")
        for (variant, name) in [("keep-failed", "keep_failed"), ("drop-failed", "drop_failed")] {
            let benchmark = try LlavaBench(folder, BenchmarkSettings(variant: variant, judgeAnswers: path))
            let metrics = try benchmark.metrics(counts(benchmark, rows(list.count)))
            try assertPrinted(metrics, cases[name])
            XCTAssertEqual(try metric("failed", metrics).value, cases["failed"]?.double)
            XCTAssertTrue(benchmark.metrics(Counts()).allSatisfy { $0.value == nil || $0.name == "failed" })
        }
    }

    // MARK: The judge

    func testAJudgeIsAsked() throws {
        let benchmark = try LlavaBench(folder(6), BenchmarkSettings(variant: "keep-failed"))
        let judge = ScriptedJudge(["It is 1.": ["8 6\nbecause"], "It is 2.": ["I cannot"]])
        func score(_ id: JSON) throws -> AnswerScore {
            try benchmark.score(
                benchmark.answer(in: ["id": id, "response": "R"], at: 0), run: 2, judge: judge, stop: StopSignal())
        }
        XCTAssertEqual(
            try score(1).evidence,
            ["reference_score": 8.0, "model_score": 6.0, "judge": "8 6\nbecause", "judge_model": "m"])
        XCTAssertEqual(try score(2).evidence["failed"], true)
        let request = try XCTUnwrap(judge.requests.first)
        XCTAssertEqual(request.messages.map(\.role), ["system", "user"])
        XCTAssertEqual([request.temperature, Double(request.maximumTokens), Double(request.run)], [0.2, 1024, 2])
        for part in ["A cat.\nA mat.\n", "Question: What is 1?\n", "<answer 1>\nIt is 1.\n", "<answer 2>\nR\n"] {
            XCTAssertTrue(request.messages[1].content.contains(part), part)
        }
    }

    func testOfficialPrompts() throws {
        var prompts: [JSONObject.Member] = [("source", "s.py"), ("system", "be fair")]
        for category in categories {
            prompts += [("role \(category)", "Assistant"), ("prompt \(category)", .string("rate \(category)"))]
        }
        let folder = try addPrompts(LlavaBench.self, .object(JSONObject(prompts)), to: folder(3))
        let benchmark = try LlavaBench(folder, BenchmarkSettings(prompts: "official"))
        let judge = ScriptedJudge(["": ["8 6"]])
        _ = try counts(benchmark, [["id": 1, "response": "R"]], judge: judge)
        XCTAssertEqual(judge.requests[0].messages[0], .init(role: "system", content: "be fair"))
        XCTAssertEqual(
            judge.requests[0].messages[1].content,
            "[Context]\nA cat.\nA mat.\n\n[Question]\nWhat is 1?\n\n[Assistant 1]\nIt is 1.\n\n[End of Assistant 1]\n\n"
                + "[Assistant 2]\nR\n\n[End of Assistant 2]\n\n[System]\nrate detail\n\n")
    }

    func testBadFiles() throws {
        let folder = try folder(3)
        for (text, message) in [
            (#"{"question_id": 7, "content": "8 7"}"#, "review 1 is of the unknown question 7"),
            (#"{"question_id": 1}"#, "review 1 has neither tuple nor content"), ("{", "line 1: "),
            (#"{"question_id": 1, "content": "8 7"}"# + "\n" + #"{"question_id": 1, "content": "8 7"}"#, "one already"),
        ] {
            let path = try self.folder.write(Array(text.utf8), to: "bad.jsonl")
            assertFails(.invalidArgument, message) {
                _ = try LlavaBench(folder, BenchmarkSettings(judgeAnswers: path))
            }
        }
        let path = try self.folder.write(Array(#"{"question_id": 1, "tuple": [NaN, 5]}"#.utf8), to: "some.jsonl")
        let benchmark = try LlavaBench(folder, BenchmarkSettings(variant: "keep-failed", judgeAnswers: path))
        XCTAssertEqual(try counts(benchmark, [["id": 1, "response": ""]])["failed"], 1)
        assertFails(.invalidArgument, "no review of the question 2") {
            _ = try self.counts(benchmark, [["id": 2, "response": ""]])
        }
    }
}
