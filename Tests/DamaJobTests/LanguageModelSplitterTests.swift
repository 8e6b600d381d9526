import Dama
import DamaTestSupport
import Foundation
import XCTest

final class LanguageModelSplitterTests: XCTestCase {
    private let response = "The image shows a man riding a brown horse on a beach, and two dogs run behind him."
    private let lines = [
        "The image shows a man riding a brown horse.", "The man is on a beach.", "Two dogs run behind the man.",
    ]
    private let limit = TokenLimit(maximum: 77) { $0.split(separator: " ").count + 2 }

    private func answer(_ text: String) -> LocalServer.Answer {
        let json: JSON = ["choices": [["message": ["content": .string(text)]]]]
        return .init(body: json.text)
    }

    private func writer(_ server: LocalServer) throws -> EndpointWriter {
        var endpoint = ChatEndpoint(url: server.url, model: "m")
        endpoint.retries = 0
        endpoint.timeout = 5
        return try EndpointWriter(endpoint)
    }

    func testASoundAnswerIsUsedAndAskedForOnce() throws {
        let server = try LocalServer([answer(lines.enumerated().map { "\($0 + 1). \($1)" }.joined(separator: "\n"))])
        defer { server.stop() }
        let splitter = LanguageModelSplitter(try writer(server), cache: try SplitCache())
        for _ in 0..<3 {
            XCTAssertEqual(try splitter.split(response, limit: limit), SplitResponse(lines))
        }
        XCTAssertEqual(server.requests.count, 1)
    }

    func testABadAnswerFallsBackAndIsFlagged() throws {
        let server = try LocalServer([answer("I cannot help with that, sorry. Ask me about something different.")])
        defer { server.stop() }
        let splitter = LanguageModelSplitter(try writer(server), cache: try SplitCache())
        XCTAssertEqual(
            try splitter.split(response, limit: limit),
            SplitResponse(
                try BuiltInSplitter().split(response, limit: limit),
                flags: ["splitter_fallback", "splitter_invented"]))
    }

    func testAServerThatIsGoneStopsTheJob() throws {
        let server = try LocalServer([])
        server.stop()
        let splitter = LanguageModelSplitter(try writer(server), cache: try SplitCache())
        assertFails(.io, "cannot reach") { _ = try splitter.split(self.response, limit: self.limit) }
    }

    func testTheCacheOutlivesTheProcessAndHalfALine() throws {
        let folder = try TemporaryDirectory()
        let path = folder.path + "/splits.jsonl"
        let command = "tee -a \(folder.path)/asked >/dev/null; printf '\(lines.joined(separator: "\\n"))'"
        for round in 0..<3 {
            let splitter = LanguageModelSplitter(try CommandWriter(command), cache: try SplitCache(path: path))
            XCTAssertEqual(try splitter.split(response, limit: limit), SplitResponse(lines))
            if round == 0 {
                let file = try XCTUnwrap(FileHandle(forWritingAtPath: path))
                file.seekToEndOfFile()
                file.write(Data(#"{"key":"x","sent"#.utf8))
            }
        }
        XCTAssertEqual(try String(contentsOfFile: folder.path + "/asked", encoding: .utf8), response)
    }

    func testCommandsThatFail() throws {
        for (command, text) in [
            ("exit 3", "status 3"), ("kill -9 $$", "status 137"), ("sleep 30", "longer than"),
            ("head -c 2000000 /dev/zero", "more than"), ("/nonexistent/program", "status 127"),
        ] {
            let writer = try CommandWriter(command, timeout: 1)
            assertFails(.io, text) { _ = try writer.write("text") }
        }
        assertFails(.invalidArgument, "empty") { _ = try CommandWriter("") }
        // A program may ignore a long input; the writer must not raise SIGPIPE.
        XCTAssertEqual(
            try CommandWriter("exec <&-; echo a").write(String(repeating: "x", count: 4_000_000)), "a\n")
    }

    func testManyAtOnce() throws {
        let writer = try CommandWriter("cat", concurrency: 3)
        DispatchQueue.concurrentPerform(iterations: 20) { index in
            XCTAssertEqual(try? writer.write("line \(index)"), "line \(index)")
        }
    }

    func testAModelThatTakesImagesIsRefused() throws {
        let tests = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        let folder = tests.path + "/DamaModelsTests/Fixtures/llava/default"
        TestRuntime.configure()
        let policy = try Policy(directory: folder)
        assertFails(.unsupported, "text-only") { _ = try PolicyWriter(policy) }
    }

    /// Answers are kept under the name. Before the fix, another template found those of the first.
    func testTheNameHoldsTheTemplate() throws {
        let tests = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        TestRuntime.configure()
        let names = try ["chatml", "plain", "chatml"].map { template in
            var options = PolicyOptions()
            options.template = template
            let folder = tests.path + "/DamaModelsTests/Fixtures/qwen2/tied"
            return try PolicyWriter(Policy(directory: folder, options: options)).name
        }
        XCTAssertEqual(names[0], names[2])
        XCTAssertNotEqual(names[0], names[1])
    }

    /// Summaries and journals contain the name. Before the fix, they contained passwords and commands with keys.
    func testNamesHoldNoSecrets() throws {
        let endpoint = ChatEndpoint(url: "http://user:hidden@example.org/v1?key=s3cret", model: "m")
        XCTAssertEqual(try EndpointWriter(endpoint).name, "endpoint http://example.org/v1?key=* m")
        // printf 'curl -H "Key: s3cret"' | sha256sum
        XCTAssertEqual(
            try CommandWriter(#"curl -H "Key: s3cret""#).name,
            "command sha256:3b0dbd43fcc15737bc57caf92a0e3d765f5b4ff6925b43c036756229bb02ce26")
    }
}
