import Dama
import DamaSupport
import DamaTestSupport
import XCTest

final class EndpointJudgeTests: JudgeTestCase {
    func testTheRequestArrivesAndTheAnswerIsWhole() throws {
        let server = try LocalServer([answer("Rating: 4", model: "m-2024-08-06")])
        defer { server.stop() }
        var endpoint = endpoint(server)
        endpoint.fields = #"{"seed": 7, "reasoning": {"effort": "low"}}"#
        var request = JudgeRequest([
            JudgeRequest.Message(role: "system", content: "be fair"),
            JudgeRequest.Message(role: "user", content: "é \"x\""),
        ])
        (request.temperature, request.topP, request.maximumTokens) = (0.25, 0.5, 77)
        let answer = try EndpointJudge(endpoint).answer(request, stop: StopSignal())
        var expected = JudgeAnswer(text: "Rating: 4")
        (expected.model, expected.finish, expected.inputTokens, expected.outputTokens) = ("m-2024-08-06", "stop", 11, 3)
        XCTAssertEqual(answer, expected)
        XCTAssertEqual(
            try body(server.requests.first),
            [
                "model": "m", "temperature": 0.25, "max_tokens": 77, "top_p": 0.5,
                "messages": [["role": "system", "content": "be fair"], ["role": "user", "content": "é \"x\""]],
                "seed": 7, "reasoning": ["effort": "low"],
            ])
    }

    /// A judge that takes other names, or none, for what a request has.
    func testFieldsReplaceAndRemoveThoseOfTheRequest() throws {
        let server = try LocalServer([answer("a")])
        defer { server.stop() }
        var endpoint = endpoint(server)
        endpoint.fields = #"{"max_tokens": null, "max_completion_tokens": 5, "temperature": null}"#
        _ = try EndpointJudge(endpoint).answer(request(), stop: StopSignal())
        XCTAssertEqual(
            try body(server.requests.first),
            [
                "model": "m", "messages": [["role": "user", "content": "how good?"]], "max_completion_tokens": 5,
            ])
    }

    func testFieldsThatAreNone() throws {
        let server = try LocalServer([])
        defer { server.stop() }
        var endpoint = endpoint(server)
        for (fields, message) in [
            ("[1]", "not a JSON object"), ("{", "not a JSON object"), (#"{"model": "x"}"#, "contain model"),
            (#"{"stream": true}"#, "contain stream"), (#"{"messages": null, "a": 1}"#, "contain messages"),
            (#"{"a": 1, "a": 2}"#, "\"a\" twice"),
        ] {
            endpoint.fields = fields
            assertFails(.invalidArgument, message) { _ = try EndpointJudge(endpoint) }
        }
        endpoint.fields = nil
        for (temperature, topP) in [(-1.0, 1.0), (.nan, 1), (0, 0), (0, 1.5)] {
            var request = request()
            (request.temperature, request.topP) = (temperature, topP)
            assertFails(.invalidArgument, "it must") {
                _ = try EndpointJudge(endpoint).answer(request, stop: StopSignal())
            }
        }
        XCTAssertEqual(server.requests.count, 0)
    }

    /// The names hold what answers depend on, and no secret.
    func testNames() throws {
        var endpoint = ChatEndpoint(url: "http://u:hidden@h/v1?key=s3cret", model: "m")
        XCTAssertEqual(try EndpointJudge(endpoint).name, "endpoint http://h/v1?key=* m")
        endpoint.fields = #"{ "seed": 7 }"#
        // printf '{"seed":7}' | sha256sum
        XCTAssertEqual(
            try EndpointJudge(endpoint).name,
            "endpoint http://h/v1?key=* m, fields sha256:"
                + "beced1fe696351bb996169a4f1987ca19b5f52f37c7ef3071f9c044cf3580bfc")
        assertFails(.invalidArgument, "1 to 256") { _ = try EndpointJudge(endpoint, concurrency: 0) }
    }

    func testAnotherModelIsAnError() throws {
        let cases: [(asked: String, answered: String?, echo: ModelEcho, isFine: Bool)] = [
            ("gpt-4o", "gpt-4o", .askedOrSnapshot, true),
            ("gpt-4o", "gpt-4o-2024-08-06", .askedOrSnapshot, true),
            ("gpt-4", "gpt-4-0613", .askedOrSnapshot, true),
            ("claude", "claude-20250219", .askedOrSnapshot, true),
            ("gpt-4o", nil, .askedOrSnapshot, true),
            ("gpt-4o", "gpt-4o-mini", .askedOrSnapshot, false),
            ("gpt-4o", "gpt-4o-mini-2024-07-18", .askedOrSnapshot, false),
            ("gpt-4-0314", "gpt-4-0613", .askedOrSnapshot, false),
            ("gpt-4-0314", "gpt-4", .askedOrSnapshot, false),
            ("gpt-4", "gpt-4-٠٦١٣", .askedOrSnapshot, false),
            ("deployment", "gpt-4o-2024-08-06", .exactly("gpt-4o-2024-08-06"), true),
            ("deployment", "gpt-4o-2024-11-20", .exactly("gpt-4o-2024-08-06"), false),
            ("deployment", nil, .exactly("deployment"), false),
            ("deployment", "anything", .any, true), ("deployment", nil, .any, true),
        ]
        let server = try LocalServer(cases.map { answer("a", model: $0.answered) })
        defer { server.stop() }
        for (asked, answered, echo, isFine) in cases {
            let judge = try EndpointJudge(endpoint(server, model: asked), echo: echo)
            guard !isFine else {
                XCTAssertEqual(try judge.answer(request(), stop: StopSignal()).model, answered)
                continue
            }
            var expected = asked
            if case .exactly(let name) = echo { expected = name }
            let found = answered.map { "\"\($0)\"" } ?? "a model without a name"
            assertFails(.model, "must be \"\(expected)\", but \(found) answered") {
                _ = try judge.answer(self.request(), stop: StopSignal())
            }
        }
    }

    /// Before the secrets were removed, a server that names the key as its model had it printed.
    func testAModelNamedAsTheKeyIsNotPrinted() throws {
        let server = try LocalServer([answer("a", model: "sk-s3cret")])
        defer { server.stop() }
        assertFails(.model, "but \"***\" answered") {
            _ = try EndpointJudge(self.endpoint(server)).answer(self.request(), stop: StopSignal())
        }
    }

    // MARK: Pauses

    /// 30 a minute are two seconds apart, retries included.
    func testTheRateSpacesRequests() throws {
        let server = try LocalServer(
            [answer("a"), .init(status: 500), answer("b"), answer("c")])
        defer { server.stop() }
        let clock = FakeClock()
        var endpoint = endpoint(server)
        endpoint.firstPause = 0.5
        endpoint.rate = try RequestRate(perMinute: 30, clock: clock)
        endpoint.clock = clock
        let judge = try EndpointJudge(endpoint)
        for text in ["a", "b", "c"] {
            XCTAssertEqual(try judge.answer(request(), stop: StopSignal()).text, text)
        }
        XCTAssertEqual(server.requests.count, 4)
        // The pause before the retry counts toward the two seconds.
        XCTAssertEqual(clock.sleeps, [2, 0.5, 1.5, 2])
        XCTAssertEqual(clock.now, 6)
        for bad in [0, -1, Double.nan, .infinity] {
            assertFails(.invalidArgument, "requests per minute") { _ = try RequestRate(perMinute: bad) }
        }
    }

    /// The server's word counts if it is longer than the own pause, and up to 5 minutes.
    func testRetryAfterIsHeeded() throws {
        let busy = { (seconds: String) in LocalServer.Answer(status: 429, headers: ["Retry-After: \(seconds)"]) }
        let server = try LocalServer([busy("7"), busy("1"), busy("99999"), busy("soon"), answer("a"), answer("b")])
        defer { server.stop() }
        let clock = FakeClock()
        var endpoint = endpoint(server)
        endpoint.firstPause = 2
        endpoint.clock = clock
        XCTAssertEqual(try EndpointJudge(endpoint).answer(request(), stop: StopSignal()).text, "a")
        XCTAssertEqual(clock.sleeps, [7, 4, 300, 16])
    }

    /// Other requests wait too while the server wants a pause.
    func testRetryAfterHoldsAllRequests() throws {
        let clock = FakeClock()
        let rate = try RequestRate(perMinute: 60, clock: clock)
        try rate.wait(StopSignal())
        rate.hold(30)
        try rate.wait(StopSignal())
        XCTAssertEqual(clock.now, 30)
        rate.hold(0.5)
        try rate.wait(StopSignal())
        XCTAssertEqual(clock.now, 30.5)
    }

    // MARK: Cancellation

    /// The seconds until `body`, which waits, ends after a stop request.
    private func secondsToStop(_ body: @escaping @Sendable (StopSignal) throws -> Void) throws -> Double {
        let stop = StopSignal()
        let ended = expectation(description: "ended")
        let error = Box()
        Thread.detachNewThread {
            do { try body(stop) } catch let thrown { error.keep(thrown as? DamaError) }
            ended.fulfill()
        }
        Thread.sleep(forTimeInterval: 0.2)
        let start = Date()
        stop.stop()
        wait(for: [ended], timeout: 20)
        XCTAssertEqual(error.value, .cancelled)
        return Date().timeIntervalSince(start)
    }

    private final class Box: @unchecked Sendable {
        private let lock = NSLock()
        private var stored: DamaError?
        var value: DamaError? { lock.withLock { stored } }
        func keep(_ value: DamaError?) { lock.withLock { stored = value } }
    }

    func testAStopEndsTheWaitForTheRate() throws {
        let server = try LocalServer([answer("a"), answer("b")])
        defer { server.stop() }
        var endpoint = endpoint(server)
        endpoint.rate = try RequestRate(perMinute: 0.5)
        let judge = try EndpointJudge(endpoint)
        let request = request()
        _ = try judge.answer(request, stop: StopSignal())
        XCTAssertLessThan(try secondsToStop { _ = try judge.answer(request, stop: $0) }, 2)
        XCTAssertEqual(server.requests.count, 1)
    }

    func testAStopEndsTheWaitForASlotAndTheWaitForThePauseOfTheServer() throws {
        let server = try LocalServer([.init(status: 429, headers: ["Retry-After: 200"])])
        defer { server.stop() }
        let judge = try EndpointJudge(endpoint(server), concurrency: 1)
        let request = request()
        let seconds = try secondsToStop { stop in
            // One holds the slot during the server's pause, the other waits for it.
            Thread.detachNewThread { _ = try? judge.answer(request, stop: stop) }
            _ = try judge.answer(request, stop: stop)
        }
        XCTAssertLessThan(seconds, 2)
        XCTAssertEqual(server.requests.count, 1)
    }
}
