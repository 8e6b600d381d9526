import Dama
import Foundation

/// A program or a server, as `--splitter` and `--judge` name it.
enum LanguageSource {
    case command(String)
    case endpoint(String)
    case other(String)

    init(_ text: String) {
        if text.hasPrefix("command:") {
            self = .command(String(text.dropFirst(8)))
        } else if text.hasPrefix("http://") || text.hasPrefix("https://") {
            self = .endpoint(text)
        } else {
            self = .other(text)
        }
    }

    /// The endpoint at an address.
    ///
    /// - Parameters:
    ///   - option: The option that names it, such as `--judge`; the model's is `--judge-model`.
    ///   - key: The environment variable with the key.
    static func endpoint(
        _ address: String, model: String?, option: String, key: String, timeout: Double
    ) throws(DamaError) -> ChatEndpoint {
        guard let model else {
            throw .invalidArgument(
                "\(option) \(ChatEndpoint.redacted(address)) requires \(option)-model, the model's name on the server")
        }
        var endpoint = ChatEndpoint(url: address, model: model, apiKey: ProcessInfo.processInfo.environment[key])
        endpoint.timeout = timeout
        return endpoint
    }
}
