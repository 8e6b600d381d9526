import Dama
import DamaSupport
import DamaTestSupport
import Synchronization
import XCTest

final class JudgeCacheTests: JudgeTestCase {
    /// A judge that counts how often it is asked.
    private final class CountingJudge: Judge {
        let name: String
        private let asked = Mutex(0)
        private let delay: Double

        init(_ name: String = "counter", delay: Double = 0) {
            self.name = name
            self.delay = delay
        }

        var count: Int { asked.withLock { $0 } }

        func answer(_ request: JudgeRequest, stop: StopSignal) throws(DamaError) -> JudgeAnswer {
            let number = asked.withLock { count in
                count += 1
                return count
            }
            if delay > 0 { Thread.sleep(forTimeInterval: delay) }
            var answer = JudgeAnswer(text: "answer \(number)\n\"é\"")
            (answer.model, answer.finish, answer.inputTokens, answer.outputTokens) = ("m-0613", "stop", 5, number)
            return answer
        }
    }

    func testAnswersOutliveTheProcessWhole() throws {
        let folder = try TemporaryDirectory()
        let path = folder.path + "/judge.jsonl"
        let judge = CountingJudge()
        var answers: [JudgeAnswer] = []
        for round in 0..<3 {
            let cached = CachedJudge(judge, cache: try JudgeCache(path: path))
            answers.append(try cached.answer(request(), stop: StopSignal()))
            if round == 0 {
                let file = try XCTUnwrap(FileHandle(forWritingAtPath: path))
                file.seekToEndOfFile()
                file.write(Data(#"{"key":"x","te"#.utf8))
            }
        }
        XCTAssertEqual(judge.count, 1)
        XCTAssertEqual(answers[0].outputTokens, 1)
        XCTAssertEqual(answers[0].model, "m-0613")
        XCTAssertEqual(answers[1], answers[0])
        XCTAssertEqual(answers[2], answers[0])
        XCTAssertEqual(
            try Files.read(path).split(separator: UInt8(ascii: "\n")).count, 2)
    }

    /// Each difference of a request makes another entry.
    func testKeys() throws {
        let cache = try JudgeCache()
        let judge = CountingJudge()
        let cached = CachedJudge(judge, cache: cache)
        var requests = [request(), request(run: 1), request(attempt: 1), request("how bad?")]
        for change in 0..<6 {
            var request = request()
            switch change {
            case 0: request.temperature = 0.5
            case 1: request.topP = 0.5
            case 2: request.maximumTokens = 3
            case 3: request.messages[0].role = "system"
            case 4: request.messages.insert(JudgeRequest.Message(role: "system", content: ""), at: 0)
            // The same bytes, cut elsewhere, and the same text of other bytes.
            default: request.messages[0].content = "how good\u{3F}\u{301}"
            }
            requests.append(request)
        }
        for _ in 0..<2 {
            let texts = try requests.map { try cached.answer($0, stop: StopSignal()).text }
            XCTAssertEqual(Set(texts).count, requests.count)
            XCTAssertEqual(judge.count, requests.count)
        }
        let other = CountingJudge("another")
        _ = try CachedJudge(other, cache: cache).answer(request(), stop: StopSignal())
        XCTAssertEqual(other.count, 1)
        var zero = request()
        zero.temperature = -0.0
        _ = try cached.answer(zero, stop: StopSignal())
        XCTAssertEqual(judge.count, requests.count, "−0 is another temperature than 0")
    }

    func testEqualRequestsAtOnceAskOnce() throws {
        let judge = CountingJudge(delay: 0.05)
        let cached = CachedJudge(judge, cache: try JudgeCache())
        let request = request()
        let other = self.request("another")
        DispatchQueue.concurrentPerform(iterations: 12) { index in
            _ = try? cached.answer(index % 2 == 0 ? request : other, stop: StopSignal())
        }
        XCTAssertEqual(judge.count, 2)
    }

    /// A failure is not kept: the next run asks again.
    func testAFailureIsAskedAgain() throws {
        let server = try LocalServer([.init(status: 401), answer("a")])
        defer { server.stop() }
        let judge = CachedJudge(try EndpointJudge(endpoint(server)), cache: try JudgeCache())
        assertFails(.io, "status 401") { _ = try judge.answer(self.request(), stop: StopSignal()) }
        XCTAssertEqual(try judge.answer(request(), stop: StopSignal()).text, "a")
        XCTAssertEqual(try judge.answer(request(), stop: StopSignal()).text, "a")
        XCTAssertEqual(server.requests.count, 2)
    }

    func testTheFileHoldsNoSecrets() throws {
        let server = try LocalServer([answer("a")])
        defer { server.stop() }
        let folder = try TemporaryDirectory()
        let path = folder.path + "/judge.jsonl"
        let url = server.url.replacingOccurrences(of: "http://", with: "http://user:hidden@") + "?code=s3cret"
        let judge = CachedJudge(
            try EndpointJudge(ChatEndpoint(url: url, model: "m")), cache: try JudgeCache(path: path))
        _ = try judge.answer(request("the question"), stop: StopSignal())
        let text = String(decoding: try Files.read(path), as: UTF8.self)
        XCTAssertTrue(text.hasPrefix(#"{"key":""#), text)
        for secret in ["hidden", "s3cret"] { XCTAssertFalse(text.contains(secret) || judge.name.contains(secret)) }
    }

    func testFilesThatAreNoCacheStayAsTheyAre() throws {
        let folder = try TemporaryDirectory()
        let path = folder.path + "/theirs"
        for text in [
            "a list of things\n", #"{"id":1,"text":"a"}"# + "\n", #"{"key":"k","sentences":[],"flags":[]}"# + "\n",
        ] {
            try Files.writeAtomically(Array(text.utf8), to: path)
            assertFails(.invalidArgument, "is not a cache of a judge's answers") { _ = try JudgeCache(path: path) }
            XCTAssertEqual(try Files.read(path), Array(text.utf8))
        }
        try Files.writeAtomically(Array((#"{"key":"k","text":"a"}"# + "\n").utf8), to: path)
        assertFails(.invalidArgument, "is not a cache of a splitter's answers") { _ = try SplitCache(path: path) }
        let fifo = folder.path + "/fifo"
        XCTAssertEqual(mkfifo(fifo, 0o600), 0)
        assertFails(.io, "not a regular file") { _ = try JudgeCache(path: fifo) }
        for text in ["", "{\"key\":\"ab", "\0\0\0\0", "\n\n"] {
            try Files.writeAtomically(Array(text.utf8), to: folder.path + "/cache")
            _ = try JudgeCache(path: folder.path + "/cache")
        }
    }

    /// A line that version 0.6 wrote.
    func testASplittersOldFileIsRead() throws {
        let folder = try TemporaryDirectory()
        let path = folder.path + "/splits.jsonl"
        let response = "A cat sits."
        let command = "exit 1"
        let name = "language model 2, command sha256:\(SHA256.hex(of: Array(command.utf8)))"
        let key = SHA256.hex(of: Array("\(name)\u{0}\(77)\u{0}\(response)".utf8))
        try Files.writeAtomically(
            Array((#"{"key":"\#(key)","sentences":["A cat sits."],"flags":["f"]}"# + "\n").utf8), to: path)
        let splitter = LanguageModelSplitter(try CommandWriter(command), cache: try SplitCache(path: path))
        XCTAssertEqual(
            try splitter.split(response, limit: TokenLimit(maximum: 77) { _ in 3 }),
            SplitResponse(["A cat sits."], flags: ["f"]))
    }
}
