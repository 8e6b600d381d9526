@testable import DamaPattern
@testable import DamaSupport
@testable import DamaText

/// Encoding by its definition, without what makes it fast: each added token is tried at each place, and no text is
/// changed in place. What a tokenizer gives must equal this.
struct PlainEncoder {
    private let tokenizer: Tokenizer
    private let merging: PlainMerging?
    /// The first of those with the same id.
    private var tokens: [Int32: AddedTokens.Token] = [:]
    /// The texts to search, before and after normalisation. Of equal ones the first counts.
    private var raw: [(text: [Unicode.Scalar], id: Int32)] = []
    private var normalized: [(text: [Unicode.Scalar], id: Int32)] = []

    /// - Parameter json: the tokenizer.json from which the tokenizer was read.
    init(_ tokenizer: Tokenizer, json: JSON) {
        let model = tokenizer.model as? BytePairEncoding
        let list = (try? JSONField(json, "")["added_tokens"]?.array()) ?? []
        let tokens = list.compactMap { try? AddedTokens.Token($0, vocabulary: tokenizer.model.vocabulary) }
        self.init(tokenizer, model.flatMap { model in json["model"].map { PlainMerging(model, json: $0) } }, tokens)
    }

    /// - Parameter file: the SentencePiece model from which the tokenizer was read.
    init?(_ tokenizer: Tokenizer, _ file: SentencePieceModel, _ family: SentencePieceSettings.Family) {
        guard let model = tokenizer.model as? BytePairEncoding else { return nil }
        self.init(tokenizer, PlainMerging(model, file), file.addedTokens(family, extraIDs: 100))
    }

    private init(_ tokenizer: Tokenizer, _ merging: PlainMerging?, _ tokens: [AddedTokens.Token]) {
        self.tokenizer = tokenizer
        self.merging = merging.flatMap { $0.isDefined ? $0 : nil }
        for token in tokens where !token.content.isEmpty && self.tokens[token.id] == nil {
            self.tokens[token.id] = token
        }
        for token in tokens.filter(\.isSpecial) + tokens.filter({ !$0.isSpecial }) {
            var text = Array(token.content.unicodeScalars)
            guard token.isNormalized else {
                raw.append((text, token.id))
                continue
            }
            var budget = StepBudget(characters: text.count)
            if let normalizer = tokenizer.normalizer { _ = try? normalize(&text, normalizer, &budget) }
            normalized.append((text, token.id))
        }
    }

    /// Ends the process if the tokenizer gives other ids. Both may refuse a text.
    func check(_ text: String) {
        let ids = try? tokenizer.encode(text, addSpecialTokens: false)
        let right = try? encode(text)
        guard ids == right else {
            fatalError("\(ids ?? []) instead of \(right ?? []) for \(Array(text.unicodeScalars))")
        }
    }

    /// The ids of a text without the special tokens around it.
    func encode(_ text: String) throws(DamaError) -> [Int32] {
        let scalars = Array(text.unicodeScalars)
        var budget = StepBudget(characters: scalars.count)
        var ids: [Int32] = []
        for segment in split(Piece(scalars, startsText: true), raw) {
            guard case .text(var piece) = segment else {
                if case .token(let id) = segment { ids.append(id) }
                continue
            }
            if let normalizer = tokenizer.normalizer {
                var scalars = Array(piece.scalars)
                if try normalize(&scalars, normalizer, &budget) { piece.startsText = false }
                piece.scalars = scalars[...]
            }
            for segment in split(piece, normalized) {
                switch segment {
                case .token(let id): ids.append(id)
                case .text(let piece):
                    let words = try tokenizer.preTokenizer?.apply(to: [piece], budget: &budget) ?? [piece]
                    for word in words { try encode(word.scalars, &ids) }
                }
            }
        }
        return ids
    }

    private func encode(_ word: ArraySlice<Unicode.Scalar>, _ ids: inout [Int32]) throws(DamaError) {
        if let merging {
            ids += merging.encode(Array(word))
        } else {
            try tokenizer.model.encode(word, into: &ids)
        }
    }

    /// Returns whether characters at the start were removed.
    private func normalize(
        _ text: inout [Unicode.Scalar], _ normalizer: Normalizer, _ budget: inout StepBudget
    ) throws(DamaError) -> Bool {
        switch normalizer {
        case .sequence(let steps):
            var removesStart = false
            for step in steps where try normalize(&text, step, &budget) { removesStart = true }
            return removesStart
        case .replace(.literal(let literal), let content):
            let matches = SplitPattern.matches(of: literal, in: text[...])
            Normalizer.replace(matches, with: content, in: &text)
            return content.isEmpty && matches.first?.lowerBound == 0
        default: return try normalizer.apply(to: &text, budget: &budget)
        }
    }

    /// At each place the longest token counts; a match that its flags forbid is passed over.
    private func split(_ piece: Piece, _ patterns: [(text: [Unicode.Scalar], id: Int32)]) -> [AddedTokens.Segment] {
        let text = piece.scalars
        var segments: [AddedTokens.Segment] = []
        var (end, place) = (text.startIndex, text.startIndex)
        while place < text.endIndex {
            var found: (text: [Unicode.Scalar], id: Int32)?
            for pattern in patterns where pattern.text.count > found?.text.count ?? 0 {
                if text[place...].starts(with: pattern.text) { found = pattern }
            }
            guard let found, let token = tokens[found.id] else {
                place += found?.text.count ?? 1
                continue
            }
            var (first, last) = (place, place + found.text.count)
            place = last
            if token.isSingleWord {
                if first > text.startIndex, UnicodeClass.isWord(text[first - 1]) { continue }
                if last < text.endIndex, UnicodeClass.isWord(text[last]) { continue }
            }
            // White space that an earlier token took is gone; it may reach into this token.
            while token.stripsLeft, first > text.startIndex, UnicodeClass.isSpace(text[first - 1]) { first -= 1 }
            if token.stripsLeft { first = min(max(first, end), place) }
            while token.stripsRight, last < text.endIndex, UnicodeClass.isSpace(text[last]) { last += 1 }
            if end < first { segments.append(.text(piece.part(end..<first))) }
            segments.append(.token(token.id))
            end = last
        }
        if end < text.endIndex { segments.append(.text(piece.part(end..<text.endIndex))) }
        return segments
    }
}
