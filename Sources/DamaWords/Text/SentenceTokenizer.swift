import DamaSupport

/// The Punkt algorithm (Kiss and Strunk, 2006) with trained parameters.
///
/// Only around a possible end of a sentence are words looked at: the one that ends there and the next one.
///
/// Source: `nltk.tokenize.punkt.PunktSentenceTokenizer` of NLTK 3.8.1, 3.9.1 and 3.10.4.
struct SentenceTokenizer {
    let parameters: PunktParameters
    let rules: WordRules
    private var words: PunktWords { PunktWords(rules: rules) }

    /// The sentences of `text`. White space between them is in none.
    func sentences(_ text: Scalars) -> [ArraySlice<Unicode.Scalar>] {
        realigned(pieces(text), in: text).map { text[$0] }
    }

    // MARK: Candidates

    /// A mark that may end a sentence: a period, a question or an exclamation mark.
    private struct Candidate {
        /// The word before the mark.
        var word: Range<Int>
        /// What follows: one mark that is no part of a word, or white space and the next word.
        var following: Range<Int>
        /// The next word, if white space stands before it.
        var next: Int?
        var position: Int { word.upperBound }
    }

    /// The candidates with the word before them, the last one only where several belong to one word.
    private func candidates(_ text: Scalars) -> [Candidate] {
        var candidates: [Candidate] = []
        var previous: Candidate?
        var wordStart = 0
        var wordEnd = 0
        for position in text.indices {
            guard text[position] == "." || text[position] == "?" || text[position] == "!",
                let (following, next) = following(text, position + 1)
            else { continue }
            // White space at the very start of the searched text is not seen.
            let space = text[wordEnd..<position].lastIndex(where: Self.isASCIISpace) ?? wordEnd
            let start = space > wordEnd ? space + 1 : wordStart
            if let previous, wordEnd <= start { candidates.append(previous) }
            (wordStart, wordEnd) = (start, position)
            previous = Candidate(word: start..<position, following: following, next: next)
        }
        if let previous { candidates.append(previous) }
        return candidates
    }

    private static func isASCIISpace(_ scalar: Unicode.Scalar) -> Bool {
        scalar == " " || (0x09...0x0D).contains(scalar.value)
    }

    private func following(_ text: Scalars, _ start: Int) -> (range: Range<Int>, next: Int?)? {
        guard start < text.count else { return nil }
        if words.isNonWord(text[start]) { return (start..<start + 1, nil) }
        let next = text[start...].firstIndex { !rules.isSpace($0) } ?? text.count
        guard next > start, next < text.count else { return nil }
        let end = text[next...].firstIndex(where: rules.isSpace) ?? text.count
        return (start..<end, next)
    }

    // MARK: Pieces

    private func pieces(_ text: Scalars) -> [Range<Int>] {
        var pieces: [Range<Int>] = []
        var start = 0
        for candidate in candidates(text)
        where isBreak(text[candidate.word.lowerBound..<candidate.following.upperBound]) {
            let end = candidate.position + 1
            pieces.append(start..<max(start, end))
            start = candidate.next ?? end
        }
        let end = (text.lastIndex { !$0.isPythonSpace } ?? -1) + 1
        pieces.append(start..<max(start, end))
        return pieces
    }

    /// Moves quotes and brackets at the start of a piece to the end of the one before.
    private func realigned(_ pieces: [Range<Int>], in text: Scalars) -> [Range<Int>] {
        var sentences: [Range<Int>] = []
        var moved = 0
        for (index, piece) in pieces.enumerated() {
            let start = piece.lowerBound + moved
            let rest = start..<max(start, piece.upperBound)
            guard index + 1 < pieces.count else {
                if !rest.isEmpty { sentences.append(rest) }
                break
            }
            let next = text[pieces[index + 1]]
            let closers = next.prefix(while: isCloser)
            let after = next[closers.endIndex...]
            if !closers.isEmpty, after.first.map(rules.isSpace) ?? true || after.starts(with: ["-", "-"]) {
                sentences.append(start..<max(start, closers.endIndex))
                moved = closers.count + after.prefix(while: rules.isSpace).count
            } else {
                moved = 0
                if !rest.isEmpty { sentences.append(rest) }
            }
        }
        return sentences
    }

    private func isCloser(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar {
        case "\"", "'", ")", "]", "}": true
        case "‘", "’", "“", "”", "«", "»": rules == .nltk3_10
        default: false
        }
    }

    // MARK: Decision

    /// Whether a sentence ends within `context`, which is the word before a candidate and what follows.
    private func isBreak(_ context: ArraySlice<Unicode.Scalar>) -> Bool {
        var tokens: [PunktToken] = []
        for line in context.split(separator: "\n") where !line.allSatisfy(\.isPythonSpace) {
            for word in words.words(line) {
                var token = PunktToken(word)
                classify(&token)
                tokens.append(token)
            }
        }
        // The last token cannot be decided about, nor is there anything after it.
        for index in tokens.indices.dropLast() {
            reconsider(&tokens[index], before: tokens[index + 1])
            if tokens[index].isSentenceBreak { return true }
        }
        return false
    }

    /// The first pass: by the token alone.
    private func classify(_ token: inout PunktToken) {
        let text = token.text
        if text.count == 1, text.first == "." || text.first == "?" || text.first == "!" {
            token.isSentenceBreak = true
        } else if token.isRunOfPeriods {
            token.isEllipsis = true
        } else if token.endsWithPeriod, text.dropLast().last != "." {
            let word = text.dropLast().pythonLowered()
            let part = word[((word.lastIndex(of: "-") ?? -1) + 1)...]
            token.isAbbreviation = parameters.isAbbreviation(word) || parameters.isAbbreviation(part)
            token.isSentenceBreak = !token.isAbbreviation
        }
    }

    /// The second pass: by the next token too. The numbers are the sections of the paper.
    private func reconsider(_ token: inout PunktToken, before next: PunktToken) {
        guard token.endsWithPeriod else { return }
        let type = token.typeWithoutPeriod
        let nextType = next.typeWithoutSentencePeriod
        // 4.1.2: two words that often stand together.
        if parameters.isCollocation(type, nextType) {
            token.isSentenceBreak = false
            return
        }
        let isInitial = token.isInitial(rules)
        if token.isAbbreviation || token.isEllipsis, !isInitial {
            // 4.1.1, 4.1.3: a capital letter where the word is written small, or a word that often starts sentences.
            if startsSentence(next, nextType) == true || (next.isUpper && parameters.isStarter(nextType)) {
                token.isSentenceBreak = true
                return
            }
        }
        // 4.3: initials and ordinal numbers.
        guard isInitial || type == PunktToken.number else { return }
        let starts = startsSentence(next, nextType)
        let isName = isInitial && next.isUpper && parameters.context(nextType).isDisjoint(with: .lower)
        if starts == false || (starts == nil && isName) { token.isSentenceBreak = false }
    }

    /// The orthographic heuristic; `nil` if it does not know.
    private func startsSentence(_ token: PunktToken, _ type: Scalars) -> Bool? {
        if token.text.count == 1, let mark = token.text.first, ";:,.!?".unicodeScalars.contains(mark) { return false }
        let context = parameters.context(type)
        if token.isUpper, !context.isDisjoint(with: .lower), !context.contains(.upperInside) { return true }
        if token.isLower, !context.isDisjoint(with: .upper) || !context.contains(.lowerAtStart) { return false }
        return nil
    }
}
