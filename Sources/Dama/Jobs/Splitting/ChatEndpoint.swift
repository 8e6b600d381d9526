import CDamaShims
import DamaSupport
import Glibc

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

    public init(url: String, model: String, apiKey: String? = nil) {
        self.url = url
        self.model = model
        self.apiKey = apiKey
    }

    /// One message of a conversation.
    public struct Message: Sendable, Equatable {
        public var role: String
        public var content: String

        public init(role: String, content: String) {
            self.role = role
            self.content = content
        }
    }

    /// Returns the model's answer, at temperature 0.
    ///
    /// - Parameter stop: Lets another thread end the wait.
    /// - Throws: ``DamaError/cancelled`` once `stop` is set; ``DamaError/Code/invalidArgument`` for an address that is
    ///   not an http or https one, and for a control character in address, key or model; ``DamaError/Code/io`` if the
    ///   last attempt failed too, naming the address and the answer; ``DamaError/Code/unsupported`` without libcurl.
    public func complete(
        _ messages: [Message], maximumTokens: Int, stop: StopSignal = StopSignal()
    ) throws(DamaError) -> String {
        let address = try checkedAddress()
        let request: JSON = [
            "model": .string(model), "temperature": 0, "max_tokens": .int(Int64(maximumTokens)),
            "messages": .array(messages.map { ["role": .string($0.role), "content": .string($0.content)] }),
        ]
        let body = Array(request.text.utf8)
        var pause = firstPause
        var attempt = 0
        while true {
            attempt += 1
            try stop.check()
            switch post(body, to: address, stop) {
            case .answered(let bytes):
                return try content(of: bytes, from: address)
            case .failed(let error, let mayTryAgain):
                guard mayTryAgain, attempt <= retries else {
                    throw DamaError(error.code, error.message + (attempt > 1 ? " (after \(attempt) attempts)" : ""))
                }
            }
            var left = min(max(pause, 0), 60) * 1000
            while left > 0 {
                try stop.check()
                let slice = min(left, Double(StopSignal.interval))
                usleep(UInt32(slice * 1000))
                left -= slice
            }
            pause *= 2
        }
    }

    /// The address and model without secrets, as a job's files name them.
    ///
    /// - Throws: The errors of ``complete(_:maximumTokens:)``.
    public var name: String {
        get throws(DamaError) { "\(try checkedAddress().display) \(model)" }
    }

    /// The given address without secrets, for messages.
    public static func redacted(_ url: String) -> String { EndpointAddress.redacted(url) }

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

    /// `text` from a server or from libcurl, without the secrets of this endpoint.
    private func redact(_ text: String, _ address: EndpointAddress) -> String {
        EndpointAddress.redact(text, address.secrets + (apiKey.map { [$0] } ?? []))
    }

    // MARK: One attempt

    /// Whether the ``StopSignal`` behind the pointer is set.
    private static let isStopped: @convention(c) (UnsafeMutableRawPointer?) -> Int32 = { signal in
        guard let signal else { return 0 }
        return Unmanaged<StopSignal>.fromOpaque(signal).takeUnretainedValue().isStopped ? 1 : 0
    }

    private enum Outcome {
        case answered([UInt8])
        case failed(DamaError, mayTryAgain: Bool)
    }

    private func post(_ body: [UInt8], to address: EndpointAddress, _ stop: StopSignal) -> Outcome {
        let url = address.display
        var headers = ["Content-Type: application/json", "Accept: application/json"]
        if let authorization = apiKey.map({ "Bearer \($0)" }) ?? address.authorization {
            headers.append("Authorization: \(authorization)")
        }
        let lines = headers.map { strdup($0) }
        defer { lines.forEach { free($0) } }
        var response = cdama_http_response()
        defer { cdama_http_free(&response) }
        let milliseconds = Int((min(max(timeout, 0.001), 86_400) * 1000).rounded())
        let code = body.withUnsafeBytes { body in
            lines.map { UnsafePointer($0) }.withUnsafeBufferPointer { lines in
                cdama_http_post(
                    address.request, lines.baseAddress, lines.count,
                    body.baseAddress?.assumingMemoryBound(to: CChar.self), body.count, milliseconds, limit,
                    Self.isStopped, Unmanaged.passUnretained(stop).toOpaque(), &response)
            }
        }
        let bytes = Array(UnsafeRawBufferPointer(start: response.body, count: response.length))
        switch Int(code) {
        case CDAMA_HTTP_OK where response.status == 200:
            return .answered(bytes)
        case CDAMA_HTTP_OK:
            // Secrets are removed before the text is cut: a part of a key is a secret too.
            let text = redact(String(decoding: bytes, as: UTF8.self), address).prefix(200)
                .split(whereSeparator: \.isNewline)
            let status = response.status
            return .failed(
                .io("\(url) answered with status \(status): \(text.joined(separator: " "))"),
                mayTryAgain: status == 408 || status == 429 || (500...599).contains(status))
        case CDAMA_HTTP_STOPPED:
            return .failed(.cancelled, mayTryAgain: false)
        case CDAMA_HTTP_NO_CURL:
            return .failed(
                .unsupported("libcurl is needed to reach \(url); install it (Debian: libcurl4)"), mayTryAgain: false)
        case CDAMA_HTTP_TOO_LONG:
            return .failed(.io("\(url) answered with more than \(limit) bytes"), mayTryAgain: false)
        default:
            let reason = withUnsafeBytes(of: response.error) { error in
                String(decoding: error.prefix { $0 != 0 }, as: UTF8.self)
            }
            return .failed(.io("cannot reach \(url): \(redact(reason, address))"), mayTryAgain: true)
        }
    }

    private func content(of bytes: [UInt8], from address: EndpointAddress) throws(DamaError) -> String {
        let url = address.display
        let answer: JSON
        do {
            answer = try JSON(parsing: bytes)
        } catch {
            throw .io("\(url) answered with text that is \(redact(error.message, address))")
        }
        guard let text = answer["choices"]?.array?.first?["message"]?["content"]?.string else {
            throw .io(
                "\(url) answered without choices[0].message.content: \(redact(answer.text, address).prefix(200))")
        }
        return text
    }
}
