import DamaEvaluation
import DamaSupport

/// A judge served at an OpenAI-compatible address.
public struct EndpointJudge: Judge {
    public let name: String
    private let endpoint: ChatEndpoint
    private let slots: Slots
    private let echo: ModelEcho

    /// - Parameters:
    ///   - endpoint: Its ``ChatEndpoint/rate`` limits how often requests begin, and ``ChatEndpoint/fields`` is added to
    ///     each.
    ///   - concurrency: The maximum number of concurrent requests.
    ///   - echo: Which models may answer.
    /// - Throws: ``DamaError/Code/invalidArgument`` for an address, key, model, fields or number that cannot be.
    public init(
        _ endpoint: ChatEndpoint, concurrency: Int = EndpointWriter.standardConcurrency,
        echo: ModelEcho = .askedOrSnapshot
    ) throws(DamaError) {
        self.endpoint = endpoint
        self.echo = echo
        slots = try Slots(concurrency: concurrency)
        name = "endpoint \(try endpoint.name)"
    }

    /// - Throws: ``DamaError/Code/model`` if another model answers; the errors of ``ChatEndpoint/answer(_:stop:)``.
    public func answer(_ request: JudgeRequest, stop: StopSignal) throws(DamaError) -> JudgeAnswer {
        var chat = ChatRequest(request.messages, maximumTokens: request.maximumTokens)
        chat.temperature = request.temperature
        // Some servers refuse the field, and 1 is the default.
        chat.topP = request.topP == 1 ? nil : request.topP
        let answer = try slots.run(stop) { () throws(DamaError) in try endpoint.answer(chat, stop: stop) }
        guard echo.accepts(answer.model, asked: endpoint.model) else {
            // The server's text may hold anything, the key included.
            let found = answer.model.map { JSON.string(endpoint.redacted($0)).text } ?? "a model without a name"
            throw .model(
                "the judge must be \(echo.expected(asked: endpoint.model)), but \(found) answered at "
                    + "\(ChatEndpoint.redacted(endpoint.url)); if that is the same model, name it as the expected one")
        }
        return answer
    }
}
