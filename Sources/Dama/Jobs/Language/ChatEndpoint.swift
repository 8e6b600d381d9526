import DamaEvaluation
import DamaModels
import DamaSupport

/// A language model served at an OpenAI-compatible `/chat/completions` address.
///
/// Can be used from several threads at once; the caller limits concurrency. Needs libcurl at run time.
public struct ChatEndpoint: Sendable {
    /// The complete address, such as `http://127.0.0.1:8000/v1/chat/completions`. A user name and password in it are
    /// sent as Basic authorization. Messages and ``name`` show neither them nor the values of the query.
    public var url: String
    /// The model's name on the server.
    public var model: String
    /// Sent as a bearer token if present. No message repeats it, even if the server does.
    public var apiKey: String?
    /// The time limit of one attempt, in seconds.
    public var timeout: Double = 60
    /// The number of further attempts after time-outs, lost connections and the statuses 408, 429 and 5xx.
    public var retries = 4
    /// The pause before the second attempt, in seconds; it doubles each time.
    public var firstPause: Double = 0.5
    /// The maximum size of an answer, in bytes.
    public var limit = 1 << 20
    /// A JSON object whose members are added to each request, such as `{"seed": 7}`. A member replaces the request's own
    /// of the same name, and `null` removes it: `{"max_tokens": null, "max_completion_tokens": 1024}`. Not for secrets.
    public var fields: String?
    /// Limits how often requests begin. Copies of this value share it.
    public var rate: RequestRate?
    /// What pauses between attempts are measured by.
    package var clock: any WaitingClock = MonotonicClock()

    /// The longest pause between attempts, in seconds.
    static let longestPause = 60.0
    /// The longest pause that a server may ask for (`Retry-After`), in seconds. A longer one is cut.
    static let longestWantedPause = 300.0

    public init(url: String, model: String, apiKey: String? = nil) {
        self.url = url
        self.model = model
        self.apiKey = apiKey
    }

    /// One message of a conversation.
    public typealias Message = JudgeRequest.Message

    /// Returns the text of the model's answer, at temperature 0.
    ///
    /// - Throws: The errors of ``answer(_:stop:)``.
    public func complete(
        _ messages: [Message], maximumTokens: Int, stop: StopSignal = StopSignal()
    ) throws(DamaError) -> String {
        try answer(ChatRequest(messages, maximumTokens: maximumTokens), stop: stop).text
    }

    /// Returns the model's answer.
    ///
    /// - Parameters:
    ///   - request: The messages and the limits of the answer.
    ///   - stop: Lets another thread end the wait.
    /// - Throws: ``DamaError/cancelled`` once `stop` is set; ``DamaError/Code/invalidArgument`` for an address that is
    ///   not an http or https one, for a control character in address, key or model, for a temperature or top-p out
    ///   of range, and for ``fields`` that are not as described; ``DamaError/Code/io`` if the last attempt failed too,
    ///   naming the address and the answer; ``DamaError/Code/unsupported`` without libcurl.
    public func answer(_ request: ChatRequest, stop: StopSignal = StopSignal()) throws(DamaError) -> JudgeAnswer {
        let address = try checkedAddress()
        try SamplingOptions(temperature: request.temperature, topP: request.topP ?? 1).validate()
        let body = Array(request.body(model: model, more: try checkedFields()).text.utf8)
        var pause = firstPause
        var attempt = 0
        while true {
            attempt += 1
            try stop.check()
            try rate?.wait(stop)
            var left = min(max(pause, 0), Self.longestPause)
            switch post(body, to: address, stop) {
            case .answered(let bytes):
                return try parse(bytes, from: address)
            case .failed(let error, let mayTryAgain, let wanted):
                guard mayTryAgain, attempt <= retries else {
                    throw DamaError(error.code, error.message + (attempt > 1 ? " (after \(attempt) attempts)" : ""))
                }
                if let wanted {
                    let wanted = min(wanted, Self.longestWantedPause)
                    rate?.hold(wanted)
                    left = max(left, wanted)
                }
            }
            try clock.sleep(left, stop)
            pause *= 2
        }
    }

    /// The address and model without secrets, as a job's files name them, and the hash of ``fields``.
    ///
    /// - Throws: The errors of ``answer(_:stop:)``.
    public var name: String {
        get throws(DamaError) {
            let name = "\(try checkedAddress().display) \(model)"
            let members = try checkedFields()
            guard members.count > 0 else { return name }
            return "\(name), fields sha256:\(SHA256.hex(of: Array(JSON.object(members).text.utf8)))"
        }
    }

    /// The given address without secrets, for messages.
    public static func redacted(_ url: String) -> String { EndpointAddress.redacted(url) }

    /// A text of the server without the secrets of this endpoint.
    func redacted(_ text: String) -> String { (try? checkedAddress()).map { redact(text, $0) } ?? text }

    private func checkedAddress() throws(DamaError) -> EndpointAddress {
        let address = try EndpointAddress(url)
        let hasControl = { (text: String) in text.utf8.contains { $0 < 0x20 || $0 == 0x7F } }
        // A line break would end the header and begin another.
        if let apiKey, hasControl(apiKey) {
            throw .invalidArgument("the endpoint's key contains a line break or another control character")
        }
        if hasControl(model) {
            throw .invalidArgument("the endpoint's model name contains a line break or another control character")
        }
        if apiKey != nil, address.authorization != nil {
            throw .invalidArgument("\(address.display): give a key or a user name in the address, not both")
        }
        return address
    }

    private func checkedFields() throws(DamaError) -> JSONObject {
        guard let fields else { return JSONObject() }
        guard case .object(let members)? = try? JSON(parsing: fields) else {
            throw .invalidArgument("the fields of requests are not a JSON object, such as {\"seed\": 7}")
        }
        // The model's name stands in the job's files, the messages are the job's, and a stream is no single answer.
        for name in ["model", "messages", "stream"] where members[name] != nil {
            throw .invalidArgument("the fields of requests contain \(name), which cannot be set")
        }
        if let repeated = members.repeatedKey {
            throw .invalidArgument("the fields of requests contain \(JSON.string(repeated).text) twice")
        }
        return members
    }
}
