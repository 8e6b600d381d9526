import DamaSupport

/// NLTK's tokenizer of words, for one sentence: a series of substitutions that put blanks around what stands alone.
///
/// Each substitution here does what one pattern of NLTK does, in NLTK's order, since later ones see the blanks of
/// earlier ones. The quote `"` becomes two backticks or two apostrophes, as in the Penn Treebank.
///
/// Source: `nltk.tokenize.destructive.NLTKWordTokenizer` of NLTK 3.8.1, 3.9.1 and 3.10.4.
struct WordTokenizer {
    let rules: WordRules

    /// The words of `sentence`.
    func tokens(_ sentence: some Sequence<Unicode.Scalar>) -> [ArraySlice<Unicode.Scalar>] {
        var rewriter = TextRewriter(Scalars(sentence))
        openingQuotes(&rewriter)
        punctuation(&rewriter)
        rewriter.surround(where: Self.isBracket)
        rewriter.replace(["-", "-"], with: [" ", "-", "-", " "])
        rewriter = TextRewriter([" "] + rewriter.text + [" "])
        closingQuotes(&rewriter)
        contractions(&rewriter)
        return rewriter.text.split(whereSeparator: \.isPythonSpace)
    }

    // MARK: Quotes

    private func openingQuotes(_ rewriter: inout TextRewriter) {
        rewriter.surround { $0 == "«" || $0 == "“" || $0 == "‘" || $0 == "„" }
        rewriter.surroundRuns(of: "`", atLeast: 1)
        if rewriter.text.first == "\"" { rewriter = TextRewriter(["`", "`"] + rewriter.text.dropFirst()) }
        rewriter.replace(["`", "`"], with: [" ", "`", "`", " "])
        if rewriter.text.contains(where: { $0 == "\"" || $0 == "'" }) {
            rewriter.replace { text, position, output in
                guard Self.opens(text[position]) else { return 0 }
                let rest = text[(position + 1)...]
                let length = rest.first == "\"" ? 1 : rest.starts(with: ["'", "'"]) ? 2 : 0
                guard length > 0 else { return 0 }
                output += [text[position], " ", "`", "`", " "]
                return 1 + length
            }
        }
        guard rewriter.text.contains("'") else { return }
        rewriter.replace { text, position, output in
            guard text[position] == "'", opensQuotation(text, position) else { return 0 }
            output += ["'", " "]
            return 1
        }
    }

    private static let clitics: [Scalars] = [
        ["r", "e"], ["v", "e"], ["l", "l"], ["m"], ["t"], ["s"], ["d"], ["n"],
    ]

    /// Whether the apostrophe at `position` is taken from the word after it.
    private func opensQuotation(_ text: Scalars, _ position: Int) -> Bool {
        let next = position + 1
        guard next < text.count, rules.isWord(text[next]) else { return false }
        if rules != .nltk3_10 {
            // Only from a word of one letter that is no clitic.
            guard next + 1 == text.count || !rules.isWord(text[next + 1]) else { return false }
            return !Self.clitics.contains { $0 == [rules.caseFolded(text[next])] }
        }
        // From any word that is no clitic, where no word ends before it.
        if position > 0, rules.isWord(text[position - 1]) { return false }
        return !Self.clitics.contains { clitic in
            let end = next + clitic.count
            return end <= text.count && (end == text.count || !rules.isWord(text[end]))
                && text[next..<end].lazy.map(rules.caseFolded).elementsEqual(clitic)
        }
    }

    private func closingQuotes(_ rewriter: inout TextRewriter) {
        rewriter.surround { $0 == "»" || $0 == "”" || $0 == "’" }
        rewriter.replace(["'", "'"], with: [" ", "'", "'", " "])
        rewriter.replace(["\""], with: [" ", "'", "'", " "])
        guard rewriter.text.contains("'") else { return }
        if rules != .nltk3_8 { mergeSpace(&rewriter) }
        rewriter.replace { text, position, output in
            guard Self.endsWord(text[position]), position + 2 < text.count, text[position + 1] == "'" else { return 0 }
            if position + 3 < text.count, text[position + 3] == " ",
                ["s", "m", "d"].contains(text[position + 2].asciiLowered)
            {
                output += [text[position], " ", "'", text[position + 2], " "]
                return 4
            }
            guard text[position + 2] == " " else { return 0 }
            output += [text[position], " ", "'", " "]
            return 3
        }
        rewriter.replace { text, position, output in
            guard Self.endsWord(text[position]), position + 4 < text.count, text[position + 4] == " ",
                Self.longClitics.contains(where: { text[(position + 1)..<(position + 4)].elementsEqual($0) })
            else { return 0 }
            output.append(text[position])
            output.append(" ")
            output += text[(position + 1)..<(position + 5)]
            return 5
        }
    }

    private static let longClitics: [Scalars] = [
        ["'", "l", "l"], ["'", "L", "L"], ["'", "r", "e"], ["'", "R", "E"], ["'", "v", "e"], ["'", "V", "E"],
        ["n", "'", "t"], ["N", "'", "T"],
    ]

    /// Whether a clitic can follow.
    private static func endsWord(_ scalar: Unicode.Scalar) -> Bool { scalar != "'" && scalar != " " }

    /// Makes each run of white space one blank.
    private func mergeSpace(_ rewriter: inout TextRewriter) {
        rewriter.replace { text, position, output in
            var end = position
            while end < text.count, rules.isSpace(text[end]) { end += 1 }
            if end > position { output.append(" ") }
            return end - position
        }
    }

    // MARK: Punctuation

    private func punctuation(_ rewriter: inout TextRewriter) {
        finalPeriod(&rewriter, curly: true)
        colonsAndCommas(&rewriter)
        rewriter.surroundRuns(of: ".", atLeast: 2)
        rewriter.surround(where: Self.isSymbol)
        if rules == .nltk3_10 { rewriter.surround { (0x2012...0x2015).contains($0.value) } }
        finalPeriod(&rewriter, curly: false)
        rewriter.surround { $0 == "?" || $0 == "!" }
        if rewriter.text.contains("'") {
            rewriter.replace { text, position, output in
                guard text[position] != "'", text[(position + 1)...].starts(with: ["'", " "]) else { return 0 }
                output += [text[position], " ", "'", " "]
                return 3
            }
        }
        rewriter.surround { $0 == "*" }
    }

    /// Separates a single period that only closing marks, then white space follow.
    ///
    /// - Parameter curly: Whether curly quotes and blanks are such marks too, and all are separated from the period.
    private func finalPeriod(_ rewriter: inout TextRewriter, curly: Bool) {
        let text = rewriter.text
        // What follows the period has none, so it is the last one.
        guard let period = text.lastIndex(of: "."), period > 0, text[period - 1] != "." else { return }
        let rest = text[(period + 1)...]
        let closing = rest.prefix { Self.closes($0) || (curly && Self.closesCurly($0)) }
        guard rest[closing.endIndex...].allSatisfy(rules.isSpace) else { return }
        rewriter = TextRewriter(text[..<period] + [" ", "."] + (curly ? [" "] : []) + closing + [" "])
    }

    /// Separates colons and commas, unless a digit follows.
    private func colonsAndCommas(_ rewriter: inout TextRewriter) {
        func isMark(_ scalar: Unicode.Scalar) -> Bool { scalar == ":" || scalar == "," }
        guard rewriter.text.contains(where: isMark) else { return }
        // The scalar after the mark belongs to the match: the second of two marks is not looked at again.
        rewriter.replace { text, position, output in
            guard isMark(text[position]), position + 1 < text.count, !text[position + 1].isPythonDecimal else {
                return 0
            }
            output += [" ", text[position], " ", text[position + 1]]
            return 2
        }
        // And at the end, which may be a line feed.
        rewriter.replace { text, position, output in
            let rest = text.count - position
            guard isMark(text[position]), rest == 1 || (rest == 2 && text[position + 1] == "\n") else { return 0 }
            output += [" ", text[position], " "]
            return 1
        }
    }

    private func contractions(_ rewriter: inout TextRewriter) {
        rewriter.separate(["c", "a", "n"], ["n", "o", "t"])
        rewriter.separate(["d"], ["'", "y", "e"])
        rewriter.separate(["g", "i", "m"], ["m", "e"])
        rewriter.separate(["g", "o", "n"], ["n", "a"])
        rewriter.separate(["g", "o", "t"], ["t", "a"])
        rewriter.separate(["l", "e", "m"], ["m", "e"])
        rewriter.separate(["m", "o", "r", "e"], ["'", "n"])
        rewriter.separate(["w", "a", "n"], ["n", "a"], beforeSpace: true)
        rewriter.separate(["'", "t"], ["i", "s"], afterBlank: true)
        rewriter.separate(["'", "t"], ["w", "a", "s"], afterBlank: true)
    }

    // MARK: Sets

    private static func isBracket(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar {
        case "[", "]", "(", ")", "{", "}", "<", ">": true
        default: false
        }
    }

    private static func opens(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar {
        case " ", "(", "[", "{", "<": true
        default: false
        }
    }

    private static func closes(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar {
        case "]", ")", "}", ">", "\"", "'": true
        default: false
        }
    }

    private static func closesCurly(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar {
        case "»", "”", "’", " ": true
        default: false
        }
    }

    private static func isSymbol(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar {
        case ";", "@", "#", "$", "%", "&": true
        default: false
        }
    }
}
