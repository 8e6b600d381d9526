import DamaPattern

/// Finds where sentences end.
///
/// A full stop does not end a sentence after an abbreviation or an initial, inside a number, name or address, after the
/// number of a list item, before a lower-case letter, and inside quotes or brackets that are closed later.
struct SentenceScanner {
    private let text: [Unicode.Scalar]
    /// For every position, whether it is inside quotes or brackets.
    private let isEnclosed: [Bool]

    init(_ text: [Unicode.Scalar]) {
        self.text = text
        isEnclosed = Self.enclosures(text)
    }

    /// The ranges of the sentences without the white space around them.
    func sentences() -> [Range<Int>] {
        var result: [Range<Int>] = []
        var start = 0
        var item: Int?
        func close(at end: Int) {
            let range = trimmed(start..<end)
            if !range.isEmpty { result.append(range) }
            start = end
        }
        var position = 0
        while position < text.count {
            let scalar = text[position]
            if UnicodeClass.isSpace(scalar) {
                let end = endOfSpace(from: position)
                if breaksLine(position..<end) {
                    close(at: end)
                    item = nil
                } else if let last = item, itemNumber(at: end) == last + 1, !isEnclosed[position] {
                    // "1. A circle 2. A square": the next number of a list that this sentence began.
                    close(at: end)
                }
                position = end
                continue
            }
            if position == endOfSpace(from: start), let number = itemNumber(at: position) {
                item = number
                position = skipItem(from: position)
                continue
            }
            if Terminators.all.contains(scalar) {
                let end = endOfSentence(at: position, start: start)
                position = end.next
                if end.isBoundary { close(at: end.next) }
                continue
            }
            position += 1
        }
        close(at: text.count)
        return result
    }

    // MARK: - Full stops

    /// Whether the terminators at `position` end a sentence, and where the text continues after them.
    private func endOfSentence(at position: Int, start: Int) -> (isBoundary: Bool, next: Int) {
        var run = position
        while run < text.count, Terminators.all.contains(text[run]) { run += 1 }
        let lastTerminator = run - 1
        var next = run
        while next < text.count, Terminators.closers.contains(text[next]), !opensQuote(at: next) { next += 1 }
        if next < text.count, isEnclosed[next] { return (false, next) }
        if Terminators.fullWidth.contains(text[lastTerminator]) {
            // 「見て。」と言った: a quotation after which the sentence continues.
            let goesOn = next > run && next < text.count && text[next].properties.isAlphabetic
            return (!goesOn, next)
        }
        guard next < text.count, UnicodeClass.isSpace(text[next]) else { return (next == text.count, next) }
        let following = endOfSpace(from: next)
        guard following < text.count else { return (true, next) }
        if let first = firstLetter(from: following), text[first].properties.isLowercase { return (false, next) }
        let isSingleStop = run == position + 1 && text[position] == "."
        if isSingleStop, next == run, isAbbreviation(before: position, start: start, following: following) {
            return (false, next)
        }
        return (true, next)
    }

    private func isAbbreviation(before stop: Int, start: Int, following: Int) -> Bool {
        var first = stop
        while first > start, !UnicodeClass.isSpace(text[first - 1]), !Terminators.openers.contains(text[first - 1]) {
            first -= 1
        }
        guard first < stop else { return false }
        let word = string(first..<stop)
        let lower = word.lowercased()
        // "v" is versus; "V" is a numeral or a name.
        if word == "v" || Abbreviations.beforeName.contains(lower) { return true }
        if Abbreviations.beforeNumber.contains(lower) { return UnicodeClass.isNumeric(text[following]) }
        let isInitial = stop - first == 1 && text[first].properties.isUppercase
        // "U.S.", "a.m.": single letters with stops between them.
        let isAcronym = word.contains(".") && word.split(separator: ".").allSatisfy { $0.unicodeScalars.count == 1 }
        if isInitial || isAcronym || Abbreviations.anywhere.contains(lower) {
            return !Abbreviations.sentenceStarters.contains(wordAt(following))
        }
        return false
    }

    private func wordAt(_ start: Int) -> String {
        var end = start
        while end < text.count, text[end].properties.isAlphabetic || text[end] == "'" || text[end] == "’" { end += 1 }
        return string(start..<end)
    }

    private func firstLetter(from start: Int) -> Int? {
        var position = start
        while position < text.count, Terminators.openers.contains(text[position]) { position += 1 }
        return position < text.count ? position : nil
    }

    // MARK: - Lines and lists

    /// True if the white space ends a paragraph, a heading, or a line before a list item.
    private func breaksLine(_ space: Range<Int>) -> Bool {
        var lines = 0
        for position in space {
            let isReturnOfPair = text[position] == "\r" && position + 1 < text.count && text[position + 1] == "\n"
            if Terminators.lineEnds.contains(text[position]), !isReturnOfPair { lines += 1 }
        }
        if lines == 0 { return false }
        if lines > 1 || space.lowerBound == 0 || space.upperBound == text.count { return true }
        let last = text[space.lowerBound - 1]
        if Terminators.all.contains(last) || Terminators.closers.contains(last) { return true }
        if last == ":" || last == ";" || last == "：" { return true }
        if Terminators.bullets.contains(text[space.upperBound]) || text[space.upperBound] == "#" { return true }
        var lineStart = space.lowerBound
        while lineStart > 0, !Terminators.lineEnds.contains(text[lineStart - 1]) { lineStart -= 1 }
        return text[lineStart] == "#" || itemNumber(at: space.upperBound) != nil
    }

    /// The number of a list item that begins here: "1.", "12)".
    private func itemNumber(at position: Int) -> Int? {
        var end = position
        while end < text.count, end < position + 3, ("0"..."9").contains(text[end]) { end += 1 }
        guard end > position, end + 1 < text.count, text[end] == "." || text[end] == ")",
            UnicodeClass.isSpace(text[end + 1])
        else { return nil }
        return Int(string(position..<end))
    }

    private func skipItem(from position: Int) -> Int {
        var end = position
        while !UnicodeClass.isSpace(text[end]) { end += 1 }
        return end
    }

    // MARK: - Quotes and brackets

    /// Marks the positions between a pair of quotes or brackets in one paragraph; an unclosed one encloses nothing.
    private static func enclosures(_ text: [Unicode.Scalar]) -> [Bool] {
        var marks = [Bool](repeating: false, count: text.count)
        var open: [(closer: Unicode.Scalar, position: Int)] = []
        for (position, scalar) in text.enumerated() {
            if Terminators.lineEnds.contains(scalar) {
                open = []
            } else if let match = open.lastIndex(where: { $0.closer == scalar }) {
                if scalar != "\"" || !opensQuote(text, at: position) || position - open[match].position == 1 {
                    for inside in open[match].position + 1..<position { marks[inside] = true }
                    open.removeSubrange(match...)
                }
            } else if let closer = Terminators.pairs[scalar], open.count < 32 {
                if scalar != "\"" || opensQuote(text, at: position) { open.append((closer, position)) }
            }
        }
        return marks
    }

    /// A straight quote opens if white space or the start is before it and none is after it.
    private static func opensQuote(_ text: [Unicode.Scalar], at position: Int) -> Bool {
        guard text[position] == "\"" else { return false }
        let before = position == 0 || UnicodeClass.isSpace(text[position - 1]) || text[position - 1] == "("
        let behind = position + 1 < text.count && !UnicodeClass.isSpace(text[position + 1])
        return before && behind
    }

    private func opensQuote(at position: Int) -> Bool { Self.opensQuote(text, at: position) }

    // MARK: - Ranges

    private func endOfSpace(from position: Int) -> Int {
        var end = position
        while end < text.count, UnicodeClass.isSpace(text[end]) { end += 1 }
        return end
    }

    private func trimmed(_ range: Range<Int>) -> Range<Int> { text.trimmingSpace(range) }

    private func string(_ range: Range<Int>) -> String {
        String(String.UnicodeScalarView(text[range]))
    }
}

extension [Unicode.Scalar] {
    /// `range` without the white space at its ends.
    func trimmingSpace(_ range: Range<Int>) -> Range<Int> {
        var lower = range.lowerBound
        var upper = range.upperBound
        while lower < upper, UnicodeClass.isSpace(self[lower]) { lower += 1 }
        while lower < upper, UnicodeClass.isSpace(self[upper - 1]) { upper -= 1 }
        return lower..<upper
    }
}
