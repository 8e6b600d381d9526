import Dama
import DamaTestSupport
import Foundation
import Synchronization
import XCTest

/// Evaluation with a judge as a job, with a small MM-Vet of our own.
final class EvaluateJudgeTests: XCTestCase {
    private var folder: TemporaryDirectory!
    private let count = 24

    override func setUpWithError() throws {
        folder = try TemporaryDirectory()
        var questions: [JSONObject.Member] = []
        var answers: [JSONObject.Member] = []
        for number in 0..<count {
            questions.append(
                (
                    "v1_\(number)",
                    [
                        "imagename": .string("\(number).jpg"), "question": "What is it?", "answer": "it",
                        "capability": number % 2 == 0 ? ["rec"] : ["rec", "ocr"],
                    ]
                ))
            answers.append(("v1_\(number)", .string("prediction \(number).")))
        }
        let file = try folder.write(Array(JSON.object(JSONObject(questions)).text.utf8), to: "mm-vet.json")
        // The official form, one object, over several lines and after a mark of its encoding.
        try folder.write(Array("\u{FEFF} \n\(JSON.object(JSONObject(answers)).text)\n".utf8), to: "answers.json")
        try EvaluationData.prepare(benchmark: "mm-vet", from: [file], to: folder.path + "/data")
    }

    /// Grades prediction n with n/100 in the first run, and one hundredth more in each other run.
    private final class Grader: Judge {
        let name = "grader"
        let asked = Mutex<[String]>([])
        /// The prediction at which it fails.
        let failing: Int?
        let delay: UInt32

        init(failing: Int? = nil, delay: UInt32 = 0) {
            self.failing = failing
            self.delay = delay
        }

        func answer(_ request: JudgeRequest, stop: StopSignal) throws(DamaError) -> JudgeAnswer {
            let text = request.messages.last?.content ?? ""
            let words = text.components(separatedBy: "prediction ").last ?? ""
            let number = Int(words.prefix { $0.isNumber }) ?? -1
            asked.withLock { $0.append("\(number)/\(request.run)") }
            if number == failing { throw .io("the judge is away") }
            usleep(delay)
            return JudgeAnswer(text: "0.\(String(100 + number + request.run).dropFirst())", model: "grader-1")
        }
    }

    private func options(_ output: String) -> EvaluateOptions {
        var options = EvaluateOptions(
            benchmark: "mm-vet", responses: folder.path + "/answers.json", data: folder.path + "/data",
            output: "\(folder.path)/\(output).jsonl")
        options.runs = 3
        options.rows.blockRows = 4
        options.rows.workers = 2
        return options
    }

    func testEachAnswerIsJudgedInEachRun() throws {
        let grader = Grader()
        let summary = try EvaluateJob(options("results"), judge: grader).run()
        XCTAssertEqual(summary.answered, count)
        XCTAssertEqual(
            Set(grader.asked.withLock { $0 }), Set((0..<count).flatMap { n in (0..<3).map { "\(n)/\($0)" } }))
        XCTAssertEqual(grader.asked.withLock(\.count), 3 * count)
        // The mean of 0 to 23 is 11.5; of the odd ones 12.
        let total = try XCTUnwrap(summary.values.first { $0.name == "total" })
        XCTAssertEqual(try XCTUnwrap(total.value), 12.5, accuracy: 1e-12)
        XCTAssertEqual(try XCTUnwrap(total.standardDeviation), (2.0 / 3).squareRoot(), accuracy: 1e-12)
        let reading = try XCTUnwrap(summary.values.first { $0.name == "ocr" })
        XCTAssertEqual(try XCTUnwrap(reading.runs.first ?? nil), 12, accuracy: 1e-12)
        let json = try Files.readJSON(folder.path + "/results.summary.json")
        XCTAssertEqual(json["settings"]?["judge"], "grader")
        XCTAssertEqual(json["settings"]?["runs"], 3)
        let other = options("results")
        assertFails(.invalidArgument, "mm-vet needs a judge") { _ = try EvaluateJob(other).run() }
    }

    /// Stopped after each block, and once with a torn journal: the bytes of an uninterrupted run.
    func testAStoppedJobEndsWithTheSameBytes() throws {
        try EvaluateJob(options("whole"), judge: Grader()).run()
        var stops = 0
        while true {
            var first: Int?
            do {
                try EvaluateJob(options("stopped"), judge: Grader()).run { progress throws(DamaError) in
                    guard progress.phase == .computing else { return }
                    if let first, progress.rowsDone > first { throw .cancelled }
                    first = first ?? progress.rowsDone
                }
                break
            } catch {
                XCTAssertEqual(error.code, .cancelled, error.message)
                stops += 1
                let journal = folder.path + "/stopped.partial/journal"
                if stops == 2 { try Files.writeAtomically(try Files.read(journal).dropLast(3), to: journal) }
            }
            guard stops < 50 else { return XCTFail("no progress") }
        }
        XCTAssertGreaterThan(stops, 4)
        for suffix in ["jsonl", "rejects.jsonl", "summary.json"] {
            XCTAssertEqual(
                try Files.read("\(folder.path)/stopped.\(suffix)"), try Files.read("\(folder.path)/whole.\(suffix)"),
                suffix)
        }
    }

    /// Its error ends the job, and no further answer is asked for; with a cache none is lost.
    func testAJudgeThatFailsIsNotAskedOnAndOn() throws {
        var options = options("results")
        options.rows.blockRows = count
        options.runs = 1
        let cache = folder.path + "/cache.jsonl"
        let failing = Grader(failing: 6, delay: 20_000)
        assertFails(.io, "the judge is away") {
            _ = try EvaluateJob(options, judge: CachedJudge(failing, cache: JudgeCache(path: cache))).run()
        }
        // Two workers: one more at most when it fails, and those before it.
        let asked = Set(failing.asked.withLock { $0 })
        XCTAssertLessThan(asked.count, count - 2, "\(asked)")
        let grader = Grader()
        let summary = try EvaluateJob(options, judge: CachedJudge(grader, cache: JudgeCache(path: cache))).run()
        XCTAssertEqual(summary.answered, count)
        XCTAssertEqual(Set(grader.asked.withLock { $0 }).intersection(asked), ["6/0"])
    }

    func testAStopEndsTheWaitForAJudge() throws {
        struct Waiting: Judge {
            let name = "waiting"

            func answer(_ request: JudgeRequest, stop: StopSignal) throws(DamaError) -> JudgeAnswer {
                while true {
                    try stop.check()
                    usleep(1000)
                }
            }
        }
        let options = options("results")
        assertFails(.cancelled, "stopped") {
            _ = try EvaluateJob(options, judge: Waiting()).run { progress throws(DamaError) in
                if progress.phase == .computing { throw .cancelled }
            }
        }
    }
}
