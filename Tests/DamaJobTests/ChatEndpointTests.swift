import Dama
import DamaSupport
import DamaTestSupport
import XCTest

final class ChatEndpointTests: XCTestCase {
    private let good = LocalServer.Answer(body: #"{"choices":[{"message":{"role":"assistant","content":"a\nb"}}]}"#)

    private func endpoint(_ server: LocalServer) -> ChatEndpoint {
        var endpoint = ChatEndpoint(url: server.url, model: "m", apiKey: "secret")
        endpoint.firstPause = 0.01
        endpoint.retries = 2
        endpoint.timeout = 5
        return endpoint
    }

    private func complete(_ endpoint: ChatEndpoint) throws -> String {
        try endpoint.complete([.init(role: "user", content: "split \"this\"")], maximumTokens: 9)
    }

    func testSendsTheRequestAndReadsTheAnswer() throws {
        let server = try LocalServer([good])
        defer { server.stop() }
        XCTAssertEqual(try complete(endpoint(server)), "a\nb")
        let request = try XCTUnwrap(server.requests.first)
        XCTAssertTrue(request.hasPrefix("POST /v1/chat/completions HTTP/1.1"), request)
        XCTAssertTrue(request.contains("Authorization: Bearer secret"), request)
        let body = try JSON(parsing: XCTUnwrap(request.components(separatedBy: "\r\n\r\n").last))
        XCTAssertEqual(body["messages"], [["role": "user", "content": "split \"this\""]])
        XCTAssertEqual(body["max_tokens"], 9)
    }

    func testTriesAgainWhereThatMayHelp() throws {
        let server = try LocalServer([.init(status: 503, body: "busy"), .init(hangsUp: true), good])
        defer { server.stop() }
        XCTAssertEqual(try complete(endpoint(server)), "a\nb")
        XCTAssertEqual(server.requests.count, 3)
    }

    func testGivesUpAfterTheLastAttemptAndSaysWhatCameBack() throws {
        let server = try LocalServer(Array(repeating: .init(status: 429, body: "slow\ndown"), count: 3))
        defer { server.stop() }
        assertFails(.io, "status 429: slow down (after 3 attempts)") { _ = try self.complete(self.endpoint(server)) }
    }

    func testDoesNotTryAgainWhereThatCannotHelp() throws {
        let server = try LocalServer([.init(status: 401, body: "no"), good])
        defer { server.stop() }
        assertFails(.io, "status 401: no") { _ = try self.complete(self.endpoint(server)) }
        XCTAssertEqual(server.requests.count, 1)
    }

    func testTimeOut() throws {
        let server = try LocalServer([.init(body: "", delay: 2)])
        defer { server.stop() }
        var slow = endpoint(server)
        slow.timeout = 0.2
        slow.retries = 0
        assertFails(.io, "cannot reach") { _ = try self.complete(slow) }
    }

    func testAnswersThatAreNone() throws {
        let server = try LocalServer([
            .init(body: "<html>"), .init(body: #"{"choices":[]}"#),
            .init(body: String(repeating: "x", count: 5000)),
        ])
        defer { server.stop() }
        var endpoint = endpoint(server)
        assertFails(.io, "not valid JSON") { _ = try self.complete(endpoint) }
        assertFails(.io, "choices[0].message.content") { _ = try self.complete(endpoint) }
        endpoint.limit = 1000
        assertFails(.io, "more than 1000 bytes") { _ = try self.complete(endpoint) }
    }

    func testAddressesThatAreNone() {
        for url in ["file:///etc/passwd", "localhost:80", "http://a b"] {
            assertFails(.invalidArgument, "http") {
                _ = try self.complete(ChatEndpoint(url: url, model: "m"))
            }
        }
    }

    func testNobodyListens() throws {
        let server = try LocalServer([])
        server.stop()
        var endpoint = endpoint(server)
        endpoint.retries = 0
        assertFails(.io, "cannot reach http://127.0.0.1") { _ = try self.complete(endpoint) }
    }
}
