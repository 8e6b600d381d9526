import DamaModels
import DamaSupport
import DamaText

/// Sub-sentences from a language model, as in the paper. Each answer is checked before it is used.
///
/// An answer that fails the check (``SplitCheck``) is replaced by the built-in splitter's result, and the row is
/// flagged with `splitter_fallback` and with the reason, such as `splitter_invented`. The model is asked only once for
/// the same response. Can be used from several threads at once.
public struct LanguageModelSplitter: ResponseSplitter {
    public let name: String
    private let writer: any SentenceWriter
    private let cache: SplitCache

    /// - Parameters:
    ///   - writer: Asks the model.
    ///   - cache: Stores answers, also from one run to the next.
    public init(_ writer: any SentenceWriter, cache: SplitCache) {
        self.writer = writer
        self.cache = cache
        // The number increases when the prompt or the check changes.
        name = "language model 2, \(writer.name)"
    }

    public func split(_ response: String, limit: TokenLimit) throws(DamaError) -> SplitResponse {
        try split(response, limit: limit, stop: StopSignal())
    }

    public func split(_ response: String, limit: TokenLimit, stop: StopSignal) throws(DamaError) -> SplitResponse {
        let key = SHA256.hex(of: Array("\(name)\u{0}\(limit.maximum)\u{0}\(response)".utf8))
        if let known = cache[key] { return known }
        let lines = SplitPrompt.lines(of: try writer.write(response, stop: stop))
        let check = SplitCheck(tokenLimit: limit.maximum)
        let result: SplitResponse
        if let failure = try check.failure(of: lines, for: response, tokenCount: limit.count) {
            result = SplitResponse(
                try BuiltInSplitter().split(response, limit: limit),
                flags: ["splitter_fallback", "splitter_\(failure.flag)"])
        } else {
            result = SplitResponse(lines)
        }
        try cache.keep(result, for: key)
        return result
    }
}
