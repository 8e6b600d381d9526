import Dama
import DamaTestSupport
import Foundation
import JobTestSupport
import XCTest

/// A stop request takes effect while the job waits for something outside the process.
final class CancellationTests: JobTestCase {
    /// Returns the seconds until a job with `splitter` has stopped, with a stop request after half a second.
    private func secondsToStop(_ splitter: any ResponseSplitter) throws -> Double {
        try Dataset(count: 12).write(to: folder.path)
        let job = ScoreJob(options(), encoder: AngleEncoder(), splitter: splitter)
        let start = Date()
        var told: Date?
        assertFails(.cancelled, "stopped") {
            try job.run { _ throws(DamaError) in
                guard Date().timeIntervalSince(start) > 0.5 else { return }
                if told == nil { told = Date() }
                throw .cancelled
            }
        }
        return Date().timeIntervalSince(try XCTUnwrap(told))
    }

    // A server that accepts requests and never answers. Before the fix, a signal took effect only after 5 attempts of
    // 60 s each.
    func testASilentServer() throws {
        let server = try LocalServer(Array(repeating: .init(body: "", delay: 60), count: 50))
        defer { server.stop() }
        let writer = try EndpointWriter(ChatEndpoint(url: server.url, model: "m"))
        let seconds = try secondsToStop(LanguageModelSplitter(writer, cache: try SplitCache()))
        XCTAssertLessThan(seconds, 2)
    }

    /// A stop request ends the pauses between attempts too.
    func testAPauseBetweenAttempts() throws {
        let server = try LocalServer([])
        server.stop()
        var endpoint = ChatEndpoint(url: server.url, model: "m")
        endpoint.firstPause = 60
        let seconds = try secondsToStop(
            LanguageModelSplitter(try EndpointWriter(endpoint), cache: try SplitCache()))
        XCTAssertLessThan(seconds, 2)
    }

    func testACommandThatTakesLong() throws {
        let mark = "\(folder.path)/mark"
        let writer = try CommandWriter("sleep 1000 & echo $! >>\(mark); wait", timeout: 600)
        let seconds = try secondsToStop(LanguageModelSplitter(writer, cache: try SplitCache()))
        XCTAssertLessThan(seconds, 2)
        try assertEnded(mark)
    }

    // A command that leaves a program running. Before the fix, the program kept running and held the output open until
    // the time limit.
    func testWhatACommandLeavesBehindIsEnded() throws {
        let mark = "\(folder.path)/mark"
        let start = Date()
        let writer = try CommandWriter("sleep 1000 & echo $! >>\(mark); echo answer", timeout: 20)
        XCTAssertEqual(try writer.write("text"), "answer\n")
        XCTAssertLessThan(Date().timeIntervalSince(start), 5)
        try assertEnded(mark)
    }

    // A command that closes its output and continues. Before the fix, the time limit did not apply to it.
    func testACommandThatGoesOnAfterItsOutputIsOverTime() throws {
        let mark = "\(folder.path)/mark"
        let start = Date()
        let writer = try CommandWriter("echo $$ >\(mark); exec >&-; sleep 1000 & echo $! >>\(mark); wait", timeout: 0.5)
        assertFails(.io, "longer than 0.5 s") { _ = try writer.write("text") }
        XCTAssertLessThan(Date().timeIntervalSince(start), 5)
        try assertEnded(mark)
    }

    /// Tests that a command in its own process group has the signal mask that programs expect.
    func testACommandHearsSignals() throws {
        XCTAssertEqual(
            try CommandWriter("grep -h SigBlk /proc/self/status | tr -d '\\t'").write("text"),
            "SigBlk:0000000000000000\n")
    }

    /// Processes that have ended, or that only init can reap.
    private func assertEnded(_ mark: String, file: StaticString = #filePath, line: UInt = #line) throws {
        let numbers = String(decoding: try Files.read(mark), as: UTF8.self).split(separator: "\n")
        XCTAssertFalse(numbers.isEmpty, file: file, line: line)
        for number in numbers {
            var state = "?"
            for _ in 0..<40 where state != "" {
                let status = try? String(contentsOfFile: "/proc/\(number)/stat", encoding: .utf8)
                state = status.map { String($0.split(separator: ")").last?.prefix(2) ?? "") } ?? ""
                if state == " Z" { state = "" }
                if state != "" { usleep(50_000) }
            }
            XCTAssertEqual(state, "", "program \(number) runs on", file: file, line: line)
        }
    }
}
