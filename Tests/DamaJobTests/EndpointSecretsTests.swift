import Dama
import DamaSupport
import DamaTestSupport
import XCTest

/// The secrets in an endpoint's address and key are sent only to the server.
final class EndpointSecretsTests: XCTestCase {
    private let good = LocalServer.Answer(body: #"{"choices":[{"message":{"role":"assistant","content":"a"}}]}"#)

    private func complete(_ endpoint: ChatEndpoint) throws -> String {
        var endpoint = endpoint
        endpoint.retries = 0
        endpoint.timeout = 5
        return try endpoint.complete([.init(role: "user", content: "x")], maximumTokens: 9)
    }

    private func message(of endpoint: ChatEndpoint) -> String {
        do {
            _ = try complete(endpoint)
            XCTFail("expected an error")
            return ""
        } catch {
            return "\(error)"
        }
    }

    /// The examples of RFC 7617, sections 2 and 2.1. Before the fix, summaries contained the address with its password.
    func testUserAndPasswordAreSentAsBasicAuthorizationAndNamedNowhere() throws {
        for (user, header) in [
            ("Aladdin:open%20sesame", "QWxhZGRpbjpvcGVuIHNlc2FtZQ=="), ("test:123%C2%A3", "dGVzdDoxMjPCow=="),
        ] {
            let server = try LocalServer([good])
            defer { server.stop() }
            let url = "http://\(user)@127.0.0.1:\(server.port)/v1/chat/completions"
            let endpoint = ChatEndpoint(url: url, model: "m")
            XCTAssertEqual(try complete(endpoint), "a")
            let request = try XCTUnwrap(server.requests.first)
            XCTAssertTrue(request.contains("Authorization: Basic \(header)\r\n"), request)
            XCTAssertTrue(request.hasPrefix("POST /v1/chat/completions HTTP/1.1"), request)
            XCTAssertEqual(try endpoint.name, "http://127.0.0.1:\(server.port)/v1/chat/completions m")
        }
    }

    func testTheValuesOfAQueryAreSentAndNamedNowhere() throws {
        let server = try LocalServer([good])
        defer { server.stop() }
        let endpoint = ChatEndpoint(url: server.url + "?api-version=2024&key=s3cret&x#part", model: "m")
        XCTAssertEqual(try complete(endpoint), "a")
        XCTAssertTrue(
            server.requests.first?.hasPrefix("POST /v1/chat/completions?api-version=2024&key=s3cret&x ") ?? false)
        XCTAssertEqual(try endpoint.name, server.url + "?api-version=*&key=*&* m")
    }

    /// A server that echoes the request. Before the fix, the key was printed.
    func testAServerThatEchoesTheRequestGetsNothingPrinted() throws {
        let key = #"sk-"quoted"/0123456789"#
        let echo = #"{"error": "bad key sk-\"quoted\"/0123456789 for pass%77ord, password"}"#
        let long = String(repeating: "x", count: 190) + key
        let bodies = [(401, "Authorization: Bearer \(key)"), (401, echo), (200, echo), (500, long), (200, "\(key)")]
        for (status, body) in bodies {
            for hasKey in [true, false] {
                let server = try LocalServer([.init(status: status, body: body)])
                defer { server.stop() }
                let user = hasKey ? "" : "user:pass%77ord@"
                let text = message(
                    of: ChatEndpoint(
                        url: "http://\(user)127.0.0.1:\(server.port)/p?token=sk-other", model: "m",
                        apiKey: hasKey ? key : nil))
                XCTAssertFalse(hasKey && text.contains("sk-"), text)
                XCTAssertFalse(!hasKey && text.contains("word"), text)
                XCTAssertTrue(text.contains("127.0.0.1"), text)
            }
        }
    }

    func testNobodyListensAndTheMessageNamesNoPassword() throws {
        let server = try LocalServer([])
        server.stop()
        let text = message(
            of: ChatEndpoint(url: "http://user:hidden@127.0.0.1:\(server.port)/?key=s3cret", model: "m"))
        XCTAssertTrue(text.contains("cannot reach http://127.0.0.1:\(server.port)/?key=*"), text)
        XCTAssertFalse(text.contains("hidden") || text.contains("s3cret") || text.contains("user"), text)
    }

    /// Before the fix, a line break in the key started a new header.
    func testControlCharactersAreRefusedBeforeAnythingIsSent() throws {
        let server = try LocalServer([good])
        defer { server.stop() }
        let bad: [(ChatEndpoint, String)] = [
            (ChatEndpoint(url: server.url, model: "m", apiKey: "sk\r\nX-Injected: 1"), "key contains a line break"),
            (ChatEndpoint(url: server.url, model: "m", apiKey: "sk-1\n"), "key contains a line break"),
            (ChatEndpoint(url: server.url, model: "m\r\nX: 1"), "model name contains a line break"),
            (ChatEndpoint(url: server.url + "\r\nX: 1", model: "m"), "is not an http:// or https:// address"),
            (ChatEndpoint(url: "http://u:p%0d%0aX@127.0.0.1:\(server.port)/", model: "m"), "a control character"),
            (ChatEndpoint(url: "ftp://u:hidden@h/?key=s3cret", model: "m"), "ftp://***@h/?*"),
            (ChatEndpoint(url: "http://u:hidden@/x", model: "m"), "has no host"),
            (
                ChatEndpoint(url: "http://u:hid/den-hidden@h/x", model: "m"),
                "http://***@h/x\": the port is not a number"
            ),
            (ChatEndpoint(url: "http://u:hidden?x@h/x", model: "m"), "the port is not a number"),
            (ChatEndpoint(url: "http://u:hidden@h/", model: "m", apiKey: "sk-1"), "not both"),
        ]
        for (endpoint, part) in bad {
            let text = message(of: endpoint)
            XCTAssertTrue(text.contains(part), text)
            for secret in ["sk-1", "hidden", "s3cret", "Injected"] { XCTAssertFalse(text.contains(secret), text) }
        }
        XCTAssertEqual(server.requests.count, 0)
    }
}
