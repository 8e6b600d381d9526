import DamaSupport

/// Cuts a response into the sub-sentences that CLIP scores one by one (section 3.2 of the paper).
///
/// The built-in one is ``BuiltInSplitter``; ``CallbackSplitter`` takes a function, and a language model stands behind
/// the same protocol.
public protocol SubSentenceSplitter: Sendable {
    /// The sub-sentences of `text`, in order. Empty for a text without words.
    ///
    /// - Parameter limit: What a sub-sentence may have at most; `nil` for no limit.
    func split(_ text: String, limit: TokenLimit?) throws(DamaError) -> [String]
}

/// The most tokens that one sub-sentence may have, and how they are counted.
public struct TokenLimit: Sendable {
    /// 77 in CLIP, start and end included.
    public var maximum: Int
    /// The tokens of a text, special ones included.
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

    /// The same limit. Counting ends once `stop` is set, and with it the split of a long text.
    public func heeding(_ stop: StopSignal) -> TokenLimit {
        TokenLimit(maximum: maximum) { [count] text throws(DamaError) in
            try stop.check()
            return try count(text)
        }
    }

    func allows(_ text: String) throws(DamaError) -> Bool { try count(text) <= maximum }
}

/// A splitter that asks a function. What the function gives back is trimmed, empty sub-sentences are left out, and one
/// over the limit is split further by the built-in rules: nothing is ever cut off.
public struct CallbackSplitter: SubSentenceSplitter {
    private let body: @Sendable (String) throws -> [String]

    /// - Parameter body: Gets the text, gives its sub-sentences. An error that is no ``DamaError`` becomes one.
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
