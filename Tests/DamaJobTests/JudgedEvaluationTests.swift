import Dama
import DamaSupport
import DamaTestSupport
import XCTest

/// Evaluations whose judge is a server, from the answers to the summary.
final class JudgedEvaluationTests: JudgeTestCase {
    private var folder: TemporaryDirectory!
    private var data: String { folder.path + "/data" }

    /// Six questions of MM-Vet, and the answers in the official form: one object.
    override func setUpWithError() throws {
        folder = try TemporaryDirectory()
        let questions = JSONObject(
            (0..<6).map { number in
                (
                    "v1_\(number)",
                    [
                        "imagename": .string("v1_\(number).jpg"), "question": .string("What is \(number)?"),
                        "answer": "a<AND>b", "capability": [number % 2 == 0 ? "ocr" : "rec"],
                    ]
                )
            })
        let answers = JSONObject((0..<6).map { ("v1_\($0)", .string("answer \($0)")) })
        let path = try folder.write(Array(JSON.object(questions).text.utf8), to: "mm-vet.json")
        try folder.write(Array(JSON.object(answers).text.utf8), to: "answers.json")
        try EvaluationData.prepare(benchmark: "mm-vet", from: [path], to: data, acceptsAnyVersion: true)
    }

    private func options(_ output: String = "out.jsonl") -> EvaluateOptions {
        var options = EvaluateOptions(
            benchmark: "mm-vet", responses: folder.path + "/answers.json", data: data,
            output: "\(folder.path)/\(output)")
        options.rows.blockRows = 2
        options.rows.workers = 1
        return options
    }

    private func judge(_ server: LocalServer, cache: String? = nil) throws -> CachedJudge {
        var endpoint = endpoint(server)
        endpoint.retries = 0
        return CachedJudge(
            try EndpointJudge(endpoint), cache: try JudgeCache(path: cache.map { "\(folder.path)/\($0)" }))
    }

    /// Two runs; one answer is a grade only when asked again. The numbers are worked out by hand.
    func testTheSummary() throws {
        var options = options()
        options.runs = 2
        // Asked by question, then by run.
        let texts = ["0.5", "0.5", "1.0", "0.0", "good", "0.5", "0.5", "0.2", "0.4", "0.1", "0.1", "1", "0"]
        let server = try LocalServer(texts.map { answer($0, model: "m-0613") })
        defer { server.stop() }
        let summary = try EvaluateJob(options, judge: try judge(server)).run()
        XCTAssertEqual(server.requests.count, 13)
        XCTAssertEqual(summary.judgeModels, ["m-0613": 12])
        let total = try XCTUnwrap(summary.values.first { $0.name == "total" })
        // (0.5 + 1 + 0.5 + 0.2 + 0.1 + 1) / 6 and (0.5 + 0 + 0.5 + 0.4 + 0.1 + 0) / 6, in percent.
        XCTAssertEqual(try XCTUnwrap(total.runs[0]), 55, accuracy: 1e-12)
        XCTAssertEqual(try XCTUnwrap(total.runs[1]), 25, accuracy: 1e-12)
        XCTAssertEqual(total.official, "40.0")
        XCTAssertEqual(try XCTUnwrap(total.standardDeviation), 15, accuracy: 1e-12)
        let json = try Files.readJSON(folder.path + "/out.summary.json")
        XCTAssertEqual(json["judge_models"], ["m-0613": 12])
        XCTAssertEqual(json["settings"]?["benchmark"]?["prompts"]?["name"], "libdama 1")
        let text = String(decoding: try Files.read(folder.path + "/out.summary.json"), as: UTF8.self)
        XCTAssertFalse(text.contains("s3cret"))
        let third = try JSON(
            parsing: Files.read(folder.path + "/out.jsonl").split(separator: UInt8(ascii: "\n"))[2])
        XCTAssertEqual(third["id"], "v1_2")
        XCTAssertEqual(third["runs"]?.array?.first?["attempts"], 2)
        // A finished job is not run again.
        let again = try EvaluateJob(options, judge: try judge(server)).run()
        XCTAssertTrue(again.wasComplete)
        XCTAssertEqual(again.judgeModels, summary.judgeModels)
    }

    /// A judge that fails ends the job; the next run asks for the rest alone, and writes what one run would have. The
    /// job itself keeps the answers to a block that was not completed.
    func testAFailureLosesNothing() throws {
        var options = options()
        options.rows.blockRows = 6
        var wholeOptions = options
        wholeOptions.rows.output = folder.path + "/whole.jsonl"
        let good = (0..<6).map { answer("0.\($0)") }
        let whole = try LocalServer(good)
        defer { whole.stop() }
        try EvaluateJob(wholeOptions, judge: try judge(whole)).run()
        let server = try LocalServer(good[..<3] + [.init(status: 401, body: "no")] + good[3...])
        defer { server.stop() }
        let stopped = options
        assertFails(.io, "status 401") {
            try EvaluateJob(stopped, judge: try self.judge(server)).run()
        }
        XCTAssertTrue(Files.isThere(folder.path + "/out.partial/judge"))
        try EvaluateJob(options, judge: try judge(server)).run()
        XCTAssertFalse(Files.isThere(folder.path + "/out.partial"))
        XCTAssertEqual(server.requests.count, 7)
        XCTAssertEqual(
            try Files.read(folder.path + "/out.jsonl"), try Files.read(folder.path + "/whole.jsonl"))
    }

    func testAnotherModelEndsTheJob() throws {
        let server = try LocalServer((0..<6).map { _ in answer("0.5", model: "small") })
        defer { server.stop() }
        var options = options()
        options.rows.blockRows = 6
        let block = options
        assertFails(.model, "must be \"m\", but \"small\" answered") {
            try EvaluateJob(block, judge: try self.judge(server)).run()
        }
        // The rest of the block is not asked.
        XCTAssertEqual(server.requests.count, 1)
        assertFails(.invalidArgument, "mm-vet needs a judge") { try EvaluateJob(self.options()).run() }
    }

    /// Grades of an earlier run of the official script: no judge is asked.
    func testOfficialGrades() throws {
        let grades = JSONObject(
            (0..<6).map { number in
                (
                    "v1_\(number)",
                    [
                        "model": ["gpt-4-0613", "gpt-4-0613"], "content": ["0.5", "1"],
                        "score": [0.5, .double(number == 0 ? 0.25 : 1)],
                    ]
                )
            })
        var options = options()
        options.judgeAnswers = try folder.write(Array(JSON.object(grades).text.utf8), to: "grades.json")
        options.runs = 3
        let three = options
        assertFails(.invalidArgument, "runs is 3; the file of the judge's answers holds 2") {
            try EvaluateJob(three).run()
        }
        options.runs = 2
        let summary = try EvaluateJob(options).run()
        XCTAssertEqual(summary.judgeModels, ["gpt-4-0613": 12])
        // (50 + 87.5) / 2, which NumPy rounds to even.
        XCTAssertEqual(summary.values.first?.official, "68.8")
        XCTAssertEqual(summary.values.first?.runs, [50, 87.5])
    }
}
