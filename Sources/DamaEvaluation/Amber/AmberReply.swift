/// An answer to a yes/no question.
enum AmberReply: String {
    case yes, no, other

    /// How answers are read.
    enum Rule: String, CaseIterable {
        /// The answer is "Yes" or "No" and nothing else, as in the official script: "yes" and "Yes." are neither.
        case exact
        /// The first run of letters is yes or no, in any case.
        case firstWord = "first-word"
    }

    init(_ text: String, _ rule: Rule) {
        switch rule {
        case .exact:
            self = text.utf8.elementsEqual("Yes".utf8) ? .yes : text.utf8.elementsEqual("No".utf8) ? .no : .other
        case .firstWord:
            let scalars = text.unicodeScalars
            let word = scalars.drop { !$0.properties.isAlphabetic }
                .prefix { $0.properties.isAlphabetic || $0.properties.generalCategory == .nonspacingMark }
            switch String(word).lowercased() {
            case "yes": self = .yes
            case "no": self = .no
            default: self = .other
            }
        }
    }

    /// What the answer adds to the metrics. "No" is the positive class.
    func counts(_ dimension: AmberAnnotations.Dimension, isYes: Bool) -> Counts {
        let prefix = dimension.rawValue
        var counts: Counts = ["\(prefix)_questions": 1]
        if isRight(isYes) { counts["\(prefix)_right"] = 1 }
        if !isYes { counts["\(prefix)_no"] = 1 }
        if self == .no { counts["\(prefix)_said_no"] = 1 }
        if self == .no, !isYes { counts["\(prefix)_right_no"] = 1 }
        return counts
    }

    func isRight(_ isYes: Bool) -> Bool { self == (isYes ? .yes : .no) }
}
