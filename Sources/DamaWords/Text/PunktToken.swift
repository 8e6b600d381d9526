/// A word of Punkt with the marks that decide about the end of a sentence.
///
/// Source: `nltk.tokenize.punkt.PunktToken`.
struct PunktToken {
    let text: ArraySlice<Unicode.Scalar>
    /// The word in lower case; one name for all numbers.
    let type: Scalars
    var isSentenceBreak = false
    var isAbbreviation = false
    var isEllipsis = false

    static let number = Scalars("##number##".unicodeScalars)

    init(_ text: ArraySlice<Unicode.Scalar>) {
        self.text = text
        let lowered = text.pythonLowered()
        type = Self.isNumeric(lowered) ? Self.number : lowered
    }

    var endsWithPeriod: Bool { text.last == "." }

    /// The type without the period at its end.
    var typeWithoutPeriod: Scalars { type.count > 1 && type.last == "." ? type.dropLast() : type }

    /// The type, without the period of a sentence's end.
    var typeWithoutSentencePeriod: Scalars { isSentenceBreak ? typeWithoutPeriod : type }

    var isUpper: Bool { text.first?.isPythonUpper ?? false }
    var isLower: Bool { text.first?.isPythonLower ?? false }

    /// A letter and a period.
    func isInitial(_ rules: WordRules) -> Bool {
        guard text.count == 2, let letter = text.first, text.last == "." else { return false }
        return rules.isWord(letter) && !letter.isPythonDecimal
    }

    /// Two or more periods and nothing else.
    var isRunOfPeriods: Bool { text.count >= 2 && text.allSatisfy { $0 == "." } }

    /// Digits, with commas, periods and hyphens after the first one. A hyphen, then a period or comma, may stand first.
    private static func isNumeric(_ text: Scalars) -> Bool {
        var rest = text[...]
        if rest.first == "-" { rest.removeFirst() }
        if rest.first == "." || rest.first == "," { rest.removeFirst() }
        guard let first = rest.first, first.isPythonDecimal else { return false }
        return rest.allSatisfy { $0.isPythonDecimal || $0 == "," || $0 == "." || $0 == "-" }
    }
}
