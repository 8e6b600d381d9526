/// Turns ids into text as they come, and holds back what is not yet whole characters.
///
/// The pieces put together are what ``Tokenizer/decode(_:skipSpecialTokens:)`` gives for all ids. One decoder serves
/// one stream.
public struct StreamingDecoder: Sendable {
    private let tokenizer: Tokenizer
    private let skipsSpecialTokens: Bool
    /// The ids behind the last text that was given out, then those since.
    private var ids: [Int32] = []
    /// How much of the text of `ids` was given out before, in scalars.
    private var given = 0
    private var contextCount = 0
    private let joinsBytes: Bool

    public init(_ tokenizer: Tokenizer, skipSpecialTokens: Bool = true) {
        self.tokenizer = tokenizer
        skipsSpecialTokens = skipSpecialTokens
        joinsBytes = tokenizer.decoder?.joinsBytes ?? false
    }

    /// Takes the next id; returns the text that is certain now, often one word, sometimes nothing.
    public mutating func push(_ id: Int32) -> String {
        if skipsSpecialTokens, tokenizer.isSpecial(id) { return "" }
        guard let token = tokenizer.token(of: id) else { return "" }
        ids.append(id)
        // A run of bytes is text as a whole or not at all: `<0x4E><0xE1>` is no "N", but U+FFFD twice.
        if joinsBytes, TokenDecoder.byte(of: token) != nil { return "" }
        let text = Array(decoded().unicodeScalars)
        // U+FFFD at the end may be a character of which bytes are still to come.
        guard text.count > given, text.last != "\u{FFFD}" else { return "" }
        return advance(text)
    }

    /// The rest of the text, incomplete characters as U+FFFD; the decoder begins anew.
    public mutating func finish() -> String {
        let text = Array(decoded().unicodeScalars)
        let rest = text.count > given ? advance(text) : ""
        self = StreamingDecoder(tokenizer, skipSpecialTokens: skipsSpecialTokens)
        return rest
    }

    private func decoded() -> String { tokenizer.decode(ids, skipSpecialTokens: false) }

    private mutating func advance(_ text: [Unicode.Scalar]) -> String {
        var rest = String.UnicodeScalarView()
        rest.append(contentsOf: text[given...])
        // The last group of ids stays as context: the first token of a text is decoded differently from the others.
        ids.removeFirst(contextCount)
        contextCount = ids.count
        given = decoded().unicodeScalars.count
        return String(rest)
    }
}
