/// SentencePiece's normalisation of one text: the character map, spaces as "▁", and a space before the first word.
struct SentencePieceText: Sendable {
    var characterMap: CharacterMap?
    /// A space is put before a text, or after it.
    var addsDummyPrefix = true
    var putsSpaceAfterWords = false
    /// So it is also for the parts between added tokens (the older, "legacy" behaviour of transformers).
    var addsPrefixToEveryPart = true
    /// Runs of spaces become one; those at the start and the end are removed.
    var removesExtraSpaces = true
    /// What a space becomes.
    var space: [UInt8] = Self.mark
    /// Changes the text before all else.
    var canonical: SiglipText?

    /// "▁"
    static let mark: [UInt8] = [0xE2, 0x96, 0x81]
    /// Longer keys of a character map are not searched.
    private static let longestKey = 256

    func apply(to piece: Piece) -> [Piece] {
        var text = Array(String(scalars: piece.scalars).utf8)
        if let canonical { text = canonical.apply(to: piece) }
        let result = normalize(text, addsPrefix: addsDummyPrefix && (addsPrefixToEveryPart || piece.startsText))
        let scalars = Array(scalarsOf: String(decoding: result, as: UTF8.self))
        return scalars.isEmpty ? [] : [Piece(scalars, startsText: piece.startsText)]
    }

    /// The steps and their order are those of SentencePiece's `Normalizer::Normalize`.
    private func normalize(_ text: [UInt8], addsPrefix: Bool) -> [UInt8] {
        var place = 0
        // A part that gets no prefix keeps its first space, which is one between two words.
        let dropsLeading = removesExtraSpaces && (addsPrefix || !addsDummyPrefix || text.first != 0x20)
        while dropsLeading, place < text.count {
            let (length, replacement) = prefix(of: text, at: place)
            guard replacement.elementsEqual([0x20]) else { break }
            place += length
        }
        guard place < text.count else { return [] }
        var result: [UInt8] = []
        result.reserveCapacity(text.count + 3)
        if addsPrefix, !putsSpaceAfterWords { result += space }
        var followsSpace = dropsLeading
        while place < text.count {
            var (length, replacement) = prefix(of: text, at: place)
            while followsSpace, replacement.first == 0x20 { replacement.removeFirst() }
            for byte in replacement {
                if byte == 0x20 { result += space } else { result.append(byte) }
            }
            if let last = replacement.last { followsSpace = last == 0x20 }
            if !removesExtraSpaces { followsSpace = false }
            place += length
        }
        while removesExtraSpaces, result.suffix(space.count).elementsEqual(space) { result.removeLast(space.count) }
        if addsPrefix, putsSpaceAfterWords { result += space }
        return result
    }

    /// What the text at `place` becomes, and how many bytes that takes.
    private func prefix(of text: [UInt8], at place: Int) -> (length: Int, replacement: ArraySlice<UInt8>) {
        if let characterMap {
            let end = min(text.count, place + Self.longestKey)
            if let match = characterMap.match(text[place..<end], .longest) { return match }
        }
        // The text is valid UTF-8.
        let length =
            switch text[place] {
            case ..<0xC0: 1
            case ..<0xE0: 2
            case ..<0xF0: 3
            default: 4
            }
        let end = min(text.count, place + length)
        return (end - place, text[place..<end])
    }

    /// The largest factor by which this lengthens a text.
    var growth: Int { Growth.product([max(1, characterMap?.longest ?? 1), 2]) }
}
