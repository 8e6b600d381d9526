import DamaPattern
import DamaSupport

/// What transformers' `SiglipTokenizer` does with a text before SentencePiece: lower case, no ASCII punctuation, single
/// spaces. The text is encoded behind the unknown token's name, whose own tokens are dropped afterwards.
struct SiglipText: Sendable {
    var lowercases = true
    var unknownToken: String

    /// The UTF-8 of a part of a text as SentencePiece gets it.
    func apply(to piece: Piece) -> [UInt8] {
        var text = Array(piece.scalars)
        if piece.startsText { text = ["▁"] + text.map { $0 == "▁" ? " " : $0 } }
        return Array(unknownToken.utf8) + Array(String(scalars: canonical(text)).utf8)
    }

    func canonical(_ text: [Unicode.Scalar]) -> [Unicode.Scalar] {
        var result: [Unicode.Scalar] = []
        result.reserveCapacity(text.count)
        var pendingSpace = false
        for scalar in lowercases ? Self.lowercased(text) : text where !Self.isPunctuation(scalar) {
            if Self.isSpace(scalar) {
                pendingSpace = !result.isEmpty
            } else {
                if pendingSpace { result.append(" ") }
                pendingSpace = false
                result.append(scalar)
            }
        }
        return result
    }

    /// Python's `string.punctuation`.
    private static func isPunctuation(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.value {
        case 0x21...0x2F, 0x3A...0x40, 0x5B...0x60, 0x7B...0x7E: true
        default: false
        }
    }

    /// Python's `\s`: also the four separators below U+0020.
    private static func isSpace(_ scalar: Unicode.Scalar) -> Bool {
        UnicodeClass.isSpace(scalar) || (0x1C...0x1F).contains(scalar.value)
    }

    /// As Python's `str.lower`: "Σ" at the end of a word becomes "ς". Which of the newest scripts it knows depends on
    /// Python's version (3.11: those of Unicode 14); here all are lower-cased.
    private static func lowercased(_ text: [Unicode.Scalar]) -> [Unicode.Scalar] {
        var lower: [Unicode.Scalar] = []
        lower.reserveCapacity(text.count)
        for (index, scalar) in text.enumerated() {
            if scalar.value < 0x80 {
                let isUpper = (0x41...0x5A).contains(scalar.value)
                lower.append(isUpper ? Unicode.Scalar(UInt8(scalar.value) + 32) : scalar)
            } else if scalar == "Σ" {
                let before = text[..<index].last { !$0.properties.isCaseIgnorable }
                let after = text[(index + 1)...].first { !$0.properties.isCaseIgnorable }
                let isFinal = before?.properties.isCased ?? false && !(after?.properties.isCased ?? false)
                lower.append(isFinal ? "ς" : "σ")
            } else {
                lower += scalar.properties.lowercaseMapping.unicodeScalars
            }
        }
        return lower
    }
}

/// A model without the first tokens of each word.
struct LeadingTokensDropped: SubwordModel {
    var base: any SubwordModel
    var count: Int

    var vocabulary: TokenTable { base.vocabulary }
    var unknownID: Int32? { base.unknownID }

    func encode(_ word: ArraySlice<Unicode.Scalar>, into ids: inout [Int32]) throws(DamaError) {
        var all: [Int32] = []
        try base.encode(word, into: &all)
        ids += all.count >= count ? all.dropFirst(count) : all[...]
    }
}
