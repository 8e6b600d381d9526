/// Punkt's own division of a line into words, which keeps periods with the word before them.
///
/// Source: `nltk.tokenize.punkt.PunktLanguageVars`.
struct PunktWords {
    let rules: WordRules

    /// The words of `line`, which has no line feed.
    func words(_ line: ArraySlice<Unicode.Scalar>) -> [ArraySlice<Unicode.Scalar>] {
        var words: [ArraySlice<Unicode.Scalar>] = []
        var start = line.startIndex
        while start < line.endIndex {
            guard !rules.isSpace(line[start]) else {
                start += 1
                continue
            }
            let end = wordEnd(line[start...])
            words.append(line[start..<end])
            start = end
        }
        return words
    }

    /// The end of the word with which `text` begins; it begins with no white space.
    private func wordEnd(_ text: ArraySlice<Unicode.Scalar>) -> Int {
        let start = text.startIndex
        if let end = multiCharacterEnd(text) { return end }
        guard Self.canStart(text[start]) else { return start + 1 }
        var end = start + 1
        while end < text.endIndex, !rules.isSpace(text[end]), !isWordEnd(text[end...]) { end += 1 }
        return end
    }

    /// Whether a word ends before `text`, which is not empty and does not begin with white space.
    private func isWordEnd(_ text: ArraySlice<Unicode.Scalar>) -> Bool {
        if isPunctuation(text) { return true }
        guard text.first == "," else { return false }
        let rest = text.dropFirst()
        guard let next = rest.first else { return true }
        return rules.isSpace(next) || isPunctuation(rest)
    }

    private func isPunctuation(_ text: ArraySlice<Unicode.Scalar>) -> Bool {
        guard let first = text.first else { return false }
        return isNonWord(first) || multiCharacterEnd(text) != nil
    }

    /// Whether a scalar cannot be inside a word.
    func isNonWord(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar {
        case ")", "\"", ";", "}", "]", "*", ":", "@", "'", "(", "{", "[", "!", "?": true
        case "‘", "’", "“", "”", "«", "»": rules == .nltk3_10
        default: false
        }
    }

    private static func canStart(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar {
        case "(", "\"", "`", "{", "[", ":", ";", "&", "#", "*", "@", ")", "}", "]", "-", ",": false
        default: true
        }
    }

    /// The end of a run of hyphens or periods, or of periods with white space between them, at the start of `text`.
    private func multiCharacterEnd(_ text: ArraySlice<Unicode.Scalar>) -> Int? {
        guard let first = text.first, first == "-" || first == "." else { return nil }
        let start = text.startIndex
        let run = text.prefix { $0 == first }
        if run.count >= 2 { return run.endIndex }
        guard first == "." else { return nil }
        // At least three periods.
        var last = start
        var count = 1
        while last + 2 < text.endIndex, rules.isSpace(text[last + 1]), text[last + 2] == "." {
            last += 2
            count += 1
        }
        return count >= 3 ? last + 1 : nil
    }
}
