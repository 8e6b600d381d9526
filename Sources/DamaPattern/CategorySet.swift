/// A set of general categories, one bit each.
struct CategorySet: Equatable, Sendable {
    var bits: UInt32

    init(_ categories: Unicode.GeneralCategory...) {
        bits = categories.reduce(0) { $0 | 1 << Self.position($1) }
    }

    func contains(_ category: Unicode.GeneralCategory) -> Bool { bits & (1 << Self.position(category)) != 0 }

    static let letter = CategorySet(
        .uppercaseLetter, .lowercaseLetter, .titlecaseLetter, .modifierLetter, .otherLetter)
    static let mark = CategorySet(.nonspacingMark, .spacingMark, .enclosingMark)
    static let number = CategorySet(.decimalNumber, .letterNumber, .otherNumber)
    static let punctuation = CategorySet(
        .connectorPunctuation, .dashPunctuation, .openPunctuation, .closePunctuation, .initialPunctuation,
        .finalPunctuation, .otherPunctuation)
    static let symbol = CategorySet(.mathSymbol, .currencySymbol, .modifierSymbol, .otherSymbol)
    static let separator = CategorySet(.spaceSeparator, .lineSeparator, .paragraphSeparator)
    static let other = CategorySet(.control, .format, .surrogate, .privateUse, .unassigned)
    static let word: CategorySet = {
        var set = CategorySet(.decimalNumber, .connectorPunctuation)
        set.bits |= letter.bits | mark.bits
        return set
    }()

    /// The categories of `\p{name}`; `nil` if `name` is not a general category.
    init?(name: String) {
        switch name {
        case "L", "Letter": self = .letter
        case "M", "Mark": self = .mark
        case "N", "Number": self = .number
        case "P", "Punctuation": self = .punctuation
        case "S", "Symbol": self = .symbol
        case "Z", "Separator": self = .separator
        case "C", "Other": self = .other
        default:
            guard let category = Self.names[name] else { return nil }
            self.init(category)
        }
    }

    private static let names: [String: Unicode.GeneralCategory] = [
        "Lu": .uppercaseLetter, "Ll": .lowercaseLetter, "Lt": .titlecaseLetter, "Lm": .modifierLetter,
        "Lo": .otherLetter, "Mn": .nonspacingMark, "Mc": .spacingMark, "Me": .enclosingMark, "Nd": .decimalNumber,
        "Nl": .letterNumber, "No": .otherNumber, "Pc": .connectorPunctuation, "Pd": .dashPunctuation,
        "Ps": .openPunctuation, "Pe": .closePunctuation, "Pi": .initialPunctuation, "Pf": .finalPunctuation,
        "Po": .otherPunctuation, "Sm": .mathSymbol, "Sc": .currencySymbol, "Sk": .modifierSymbol,
        "So": .otherSymbol, "Zs": .spaceSeparator, "Zl": .lineSeparator, "Zp": .paragraphSeparator,
        "Cc": .control, "Cf": .format, "Co": .privateUse, "Cn": .unassigned,
    ]

    private static func position(_ category: Unicode.GeneralCategory) -> UInt32 {
        switch category {
        case .uppercaseLetter: 0
        case .lowercaseLetter: 1
        case .titlecaseLetter: 2
        case .modifierLetter: 3
        case .otherLetter: 4
        case .nonspacingMark: 5
        case .spacingMark: 6
        case .enclosingMark: 7
        case .decimalNumber: 8
        case .letterNumber: 9
        case .otherNumber: 10
        case .connectorPunctuation: 11
        case .dashPunctuation: 12
        case .openPunctuation: 13
        case .closePunctuation: 14
        case .initialPunctuation: 15
        case .finalPunctuation: 16
        case .otherPunctuation: 17
        case .mathSymbol: 18
        case .currencySymbol: 19
        case .modifierSymbol: 20
        case .otherSymbol: 21
        case .spaceSeparator: 22
        case .lineSeparator: 23
        case .paragraphSeparator: 24
        case .control: 25
        case .format: 26
        case .surrogate: 27
        case .privateUse: 28
        case .unassigned: 29
        @unknown default: 30
        }
    }
}
