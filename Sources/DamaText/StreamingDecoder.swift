import DamaSupport

/// Decodes ids one by one, and delays characters that are incomplete.
///
/// The pieces joined equal ``Tokenizer/decode(_:skipSpecialTokens:)`` of all ids. One decoder serves one stream.
public struct StreamingDecoder: Sendable {
    private let tokenizer: Tokenizer
    private let skipsSpecialTokens: Bool
    /// The ids of the last returned text, then those since.
    private var ids: [Int32] = []
    /// The number of scalars of the text of `ids` that were already returned.
    private var given = 0
    private var contextCount = 0
    private let joinsBytes: Bool

    public init(_ tokenizer: Tokenizer, skipSpecialTokens: Bool = true) {
        self.tokenizer = tokenizer
        skipsSpecialTokens = skipSpecialTokens
        joinsBytes = tokenizer.decoder?.joinsBytes ?? false
    }

    /// Adds the next id and returns the text that is now certain: often one word, sometimes nothing.
    public mutating func push(_ id: Int32) -> String {
        if skipsSpecialTokens, tokenizer.isSpecial(id) { return "" }
        guard let token = tokenizer.token(of: id) else { return "" }
        ids.append(id)
        // A run of bytes is valid as a whole or not at all: `<0x4E><0xE1>` is not "N" but two U+FFFD.
        if joinsBytes, TokenDecoder.byte(of: token) != nil { return "" }
        let text = Array(scalarsOf: decoded())
        // U+FFFD at the end may be a character with missing bytes.
        guard text.count > given, text.last != "\u{FFFD}" else { return "" }
        return advance(text)
    }

    /// The rest of the text, incomplete characters as U+FFFD; resets the decoder.
    public mutating func finish() -> String {
        let text = Array(scalarsOf: decoded())
        let rest = text.count > given ? advance(text) : ""
        self = StreamingDecoder(tokenizer, skipSpecialTokens: skipsSpecialTokens)
        return rest
    }

    private func decoded() -> String { tokenizer.decode(ids, skipSpecialTokens: false) }

    private mutating func advance(_ text: [Unicode.Scalar]) -> String {
        let rest = String(scalars: text[given...])
        // The last group of ids stays as context: the first token of a text is decoded differently from the others.
        ids.removeFirst(contextCount)
        contextCount = ids.count
        given = decoded().unicodeScalars.count
        return rest
    }
}
