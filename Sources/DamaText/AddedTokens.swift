import DamaPattern
import DamaSupport

/// The tokens that are searched in text before any other step: special tokens, and those added after training.
struct AddedTokens: Sendable {
    struct Token: Equatable, Sendable {
        var content: String
        var id: Int32
        /// Matches only without a letter, digit or mark next to it.
        var isSingleWord = false
        /// Removes white space on its left, or right.
        var stripsLeft = false
        var stripsRight = false
        /// Searched in the normalised text, by its normalised content; otherwise in the original text.
        var isNormalized = false
        /// Omitted when decoding without special tokens, and searched only outside plain text.
        var isSpecial = false
        /// The id comes from no file: a role was given to a token that does not exist. Models need not know it.
        var hasImpliedID = false

        /// All properties that encoding depends on, as one string.
        var key: String {
            let flags = [isSingleWord, stripsLeft, stripsRight, isNormalized, isSpecial].map { $0 ? "1" : "0" }.joined()
            return "\(id) \(flags) \(content)"
        }
    }

    enum Segment: Sendable {
        case text(Piece)
        case token(Int32)
    }

    private(set) var table: TokenTable
    private var tokens: [Int32: Token] = [:]
    private var raw = Trie()
    private var normalized = Trie()
    private(set) var specialIDs: Set<Int32> = []
    /// The largest id plus one of the tokens whose id a file gives.
    private(set) var idEnd = 0
    /// The content, for decoders, of the tokens that normalisation changes: decoders reverse the normalisation.
    private(set) var normalizedContents: [Int32: String] = [:]

    init(_ tokens: [Token], normalizer: Normalizer?) throws(DamaError) {
        table = TokenTable(capacity: tokens.count)
        for (index, token) in tokens.enumerated() where !token.content.isEmpty {
            if !token.hasImpliedID { idEnd = max(idEnd, Int(token.id) + 1) }
            if table.id(of: token.content) == token.id { continue }
            try table.insert(token.content, id: Int(token.id), field: "added_tokens[\(index)]")
            self.tokens[token.id] = token
            if token.isSpecial { specialIDs.insert(token.id) }
        }
        // If two have the same normalised content, special tokens come first.
        for token in tokens.filter(\.isSpecial) + tokens.filter({ !$0.isSpecial }) {
            var pattern = Array(token.content.unicodeScalars)
            if token.isNormalized {
                var budget = StepBudget(characters: pattern.count)
                try normalizer?.apply(to: &pattern, budget: &budget)
                normalized.insert(pattern, token.id)
                normalizedContents[token.id] = String(scalars: pattern)
            } else {
                raw.insert(pattern, token.id)
            }
        }
    }

    /// Splits `text` at the tokens that match before normalisation.
    func splitRaw(_ text: [Unicode.Scalar]) -> [Segment] { split(Piece(text, startsText: true), raw) }

    /// Splits a piece of normalised text at the tokens that match after normalisation.
    func splitNormalized(_ piece: Piece) -> [Segment] { split(piece, normalized) }

    private func split(_ piece: Piece, _ trie: Trie) -> [Segment] {
        let text = piece.scalars
        if text.isEmpty { return [] }
        if trie.isEmpty { return [.text(piece)] }
        var segments: [Segment] = []
        var end = text.startIndex
        var position = text.startIndex
        while let match = trie.firstMatch(in: text, from: position) {
            position = match.range.upperBound
            guard let token = tokens[match.id] else { continue }
            var range = match.range
            if token.isSingleWord {
                let before = range.lowerBound > text.startIndex && UnicodeClass.isWord(text[range.lowerBound - 1])
                let after = range.upperBound < text.endIndex && UnicodeClass.isWord(text[range.upperBound])
                if before || after { continue }
            }
            if token.stripsLeft {
                var start = range.lowerBound
                while start > text.startIndex, UnicodeClass.isSpace(text[start - 1]) { start -= 1 }
                range = min(max(start, end), range.upperBound)..<range.upperBound
            }
            if token.stripsRight {
                var stop = range.upperBound
                while stop < text.endIndex, UnicodeClass.isSpace(text[stop]) { stop += 1 }
                range = range.lowerBound..<stop
            }
            if end < range.lowerBound { segments.append(.text(piece.part(end..<range.lowerBound))) }
            segments.append(.token(token.id))
            end = range.upperBound
        }
        if end < text.endIndex { segments.append(.text(piece.part(end..<text.endIndex))) }
        return segments
    }
}

/// Finds the leftmost match of many strings, and the longest one there.
private struct Trie: Sendable {
    private struct Edge: Hashable, Sendable {
        var node: Int32
        var scalar: UInt32
    }

    private var edges: [Edge: Int32] = [:]
    private var ids: [Int32?] = [nil]
    /// Which characters below U+0080 begin a string; most text contains none of them.
    private var firstASCII = [Bool](repeating: false, count: 128)

    var isEmpty: Bool { edges.isEmpty }

    /// The first of equal strings is kept.
    mutating func insert(_ string: [Unicode.Scalar], _ id: Int32) {
        guard let first = string.first else { return }
        if first.value < 128 { firstASCII[Int(first.value)] = true }
        var node: Int32 = 0
        for scalar in string {
            let edge = Edge(node: node, scalar: scalar.value)
            if let next = edges[edge] {
                node = next
            } else {
                node = Int32(ids.count)
                edges[edge] = node
                ids.append(nil)
            }
        }
        if ids[Int(node)] == nil { ids[Int(node)] = id }
    }

    func firstMatch(
        in text: ArraySlice<Unicode.Scalar>, from position: Int
    ) -> (range: Range<Int>, id: Int32)? {
        var start = position - 1
        while true {
            start = firstCandidate(in: text, from: start + 1)
            guard start < text.endIndex else { return nil }
            var node: Int32 = 0
            var found: (range: Range<Int>, id: Int32)?
            for index in start..<text.endIndex {
                guard let next = edges[Edge(node: node, scalar: text[index].value)] else { break }
                node = next
                if let id = ids[Int(node)] { found = (start..<index + 1, id) }
            }
            if let found { return found }
        }
    }

    /// The first place from `position` on where a string may begin; the end if there is none.
    private func firstCandidate(in text: ArraySlice<Unicode.Scalar>, from position: Int) -> Int {
        text.withUnsafeBufferPointer { scalars in
            firstASCII.withUnsafeBufferPointer { first in
                var place = position - text.startIndex
                while place < scalars.count, scalars[place].value < 128, !first[Int(scalars[place].value)] {
                    place += 1
                }
                return text.startIndex + place
            }
        }
    }
}
