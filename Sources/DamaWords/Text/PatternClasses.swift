import DamaSupport

/// The classes of characters in NLTK's patterns. Until 3.9 Python's `re` matches them, since 3.10 the package `regex`.
extension WordRules {
    private var usesRegexPackage: Bool { self == .nltk3_10 }

    /// `\s`
    @inline(__always)
    func isSpace(_ scalar: Unicode.Scalar) -> Bool {
        scalar.isPythonSpace && !(usesRegexPackage && (0x1C...0x1F).contains(scalar.value))
    }

    /// `\w`
    @inline(__always)
    func isWord(_ scalar: Unicode.Scalar) -> Bool {
        if scalar.value < 0x80 {
            return switch scalar.value {
            case 0x30...0x39, 0x41...0x5A, 0x5F, 0x61...0x7A: true
            default: false
            }
        }
        return isWordBeyondASCII(scalar)
    }

    private func isWordBeyondASCII(_ scalar: Unicode.Scalar) -> Bool {
        let properties = scalar.properties
        switch properties.generalCategory {
        case .uppercaseLetter, .lowercaseLetter, .titlecaseLetter, .modifierLetter, .otherLetter, .decimalNumber:
            return true
        case .nonspacingMark, .spacingMark, .enclosingMark, .connectorPunctuation: return usesRegexPackage
        default:
            // `str.isalnum` has all numbers, `regex` what is alphabetic and the joiners.
            return usesRegexPackage
                ? properties.isAlphabetic || properties.isJoinControl : properties.numericType != nil
        }
    }

    /// The lower-case letter of ASCII that IGNORECASE takes this one for; others are returned as they are.
    @inline(__always)
    func caseFolded(_ scalar: Unicode.Scalar) -> Unicode.Scalar {
        switch scalar.value {
        case 0x41...0x5A: scalar.asciiLowered
        case 0x130: "i"
        case 0x131: usesRegexPackage ? scalar : "i"
        case 0x17F: "s"
        case 0x212A: "k"
        default: scalar
        }
    }
}
