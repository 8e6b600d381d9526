import Dama
import DamaSupport
import DamaTestSupport
import Synchronization
import XCTest

/// Judges at a local server, and a clock that takes no time.
class JudgeTestCase: XCTestCase {
    /// Its time passes only in ``sleep(_:_:)``.
    final class FakeClock: WaitingClock {
        private let time = Mutex(0.0)
        private let pauses = Mutex<[Double]>([])

        var now: Double { time.withLock { $0 } }
        var sleeps: [Double] { pauses.withLock { $0 } }

        func sleep(_ seconds: Double, _ stop: StopSignal) throws(DamaError) {
            try stop.check()
            pauses.withLock { $0.append(seconds) }
            time.withLock { $0 += seconds }
        }
    }

    func answer(_ text: String, model: String? = "m") -> LocalServer.Answer {
        var members: [JSONObject.Member] = [
            ("choices", [["message": ["content": .string(text)], "finish_reason": "stop"]]),
            ("usage", ["prompt_tokens": 11, "completion_tokens": 3]),
        ]
        if let model { members.append(("model", .string(model))) }
        return .init(body: JSON.object(JSONObject(members)).text)
    }

    func endpoint(_ server: LocalServer, model: String = "m") -> ChatEndpoint {
        var endpoint = ChatEndpoint(url: server.url, model: model, apiKey: "sk-s3cret")
        endpoint.firstPause = 0.01
        endpoint.timeout = 5
        return endpoint
    }

    func request(_ text: String = "how good?", run: Int = 0, attempt: Int = 0) -> JudgeRequest {
        var request = JudgeRequest([JudgeRequest.Message(role: "user", content: text)])
        (request.run, request.attempt) = (run, attempt)
        return request
    }

    func body(_ request: String?) throws -> JSON {
        try JSON(parsing: XCTUnwrap(XCTUnwrap(request).components(separatedBy: "\r\n\r\n").last))
    }
}
