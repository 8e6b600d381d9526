import CDamaShims
import DamaEvaluation
import DamaSupport
import Glibc

/// One attempt to get an answer.
extension ChatEndpoint {
    /// `text` from a server or from libcurl, without the secrets of this endpoint.
    func redact(_ text: String, _ address: EndpointAddress) -> String {
        EndpointAddress.redact(text, address.secrets + (apiKey.map { [$0] } ?? []))
    }

    /// Whether the ``StopSignal`` behind the pointer is set.
    private static let isStopped: @convention(c) (UnsafeMutableRawPointer?) -> Int32 = { signal in
        guard let signal else { return 0 }
        return Unmanaged<StopSignal>.fromOpaque(signal).takeUnretainedValue().isStopped ? 1 : 0
    }

    enum Outcome {
        case answered([UInt8])
        /// `wanted` is the pause that the server asked for, in seconds.
        case failed(DamaError, mayTryAgain: Bool, wanted: Double? = nil)
    }

    func post(_ body: [UInt8], to address: EndpointAddress, _ stop: StopSignal) -> Outcome {
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
                mayTryAgain: status == 408 || status == 429 || (500...599).contains(status),
                wanted: response.retry_after > 0 ? Double(response.retry_after) : nil)
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

    func parse(_ bytes: [UInt8], from address: EndpointAddress) throws(DamaError) -> JudgeAnswer {
        let url = address.display
        let json: JSON
        do {
            json = try JSON(parsing: bytes)
        } catch {
            throw .io("\(url) answered with text that is \(redact(error.message, address))")
        }
        guard let answer = JudgeAnswer(completion: json) else {
            throw .io("\(url) answered without choices[0].message.content: \(redact(json.text, address).prefix(200))")
        }
        return answer
    }
}
