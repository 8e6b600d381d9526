import DamaSupport

/// Splits a response into the sub-sentences that CLIP scores one by one (section 3.2 of the paper).
///
/// ``BuiltInSplitter`` uses rules, ``CallbackSplitter`` calls a function, and the splitter by a language model has the
/// same protocol.
public protocol SubSentenceSplitter: Sendable {
    /// The sub-sentences of `text`, in order. Empty for a text without words.
    ///
    /// - Parameter limit: The limit for each sub-sentence; `nil` for no limit.
    func split(_ text: String, limit: TokenLimit?) throws(DamaError) -> [String]
}

/// The largest number of tokens of a sub-sentence, and how they are counted.
public struct TokenLimit: Sendable {
    /// 77 for CLIP, start and end tokens included.
    public var maximum: Int
    /// The number of tokens of a text, special ones included.
    public var count: @Sendable (String) throws(DamaError) -> Int

    public init(maximum: Int, count: @escaping @Sendable (String) throws(DamaError) -> Int) {
        self.maximum = maximum
        self.count = count
    }

    /// Counts with a tokenizer.
    public init(maximum: Int, tokenizer: Tokenizer) {
        self.init(maximum: maximum) { text throws(DamaError) in try tokenizer.encode(text).count }
    }

    /// Allows every text.
    public static let unlimited = TokenLimit(maximum: .max) { _ in 0 }

    /// The same limit, with a stop signal: once `stop` is set, counting ends, and with it the split of a long text.
    public func heeding(_ stop: StopSignal) -> TokenLimit {
        TokenLimit(maximum: maximum) { [count] text throws(DamaError) in
            try stop.check()
            return try count(text)
        }
    }

    func allows(_ text: String) throws(DamaError) -> Bool { try count(text) <= maximum }
}

/// A splitter that calls a function. Its results are trimmed, and empty sub-sentences are omitted. A sub-sentence over
/// the limit is split further by the built-in rules: no text is lost.
public struct CallbackSplitter: SubSentenceSplitter {
    private let body: @Sendable (String) throws -> [String]

    /// - Parameter body: Receives the text, returns its sub-sentences. Any other error becomes a ``DamaError``.
    public init(_ body: @escaping @Sendable (String) throws -> [String]) {
        self.body = body
    }

    public func split(_ text: String, limit: TokenLimit?) throws(DamaError) -> [String] {
        let parts: [String]
        do {
            parts = try body(text)
        } catch let error as DamaError {
            throw error
        } catch {
            throw .invalidArgument("the splitter failed: \(error)")
        }
        var result: [String] = []
        for part in parts { result += try BuiltInSplitter.fit(part, limit: limit) }
        return result
    }
}
