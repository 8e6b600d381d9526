/// Character classes as in Hugging Face's tokenizers.
///
/// Their patterns run on Oniguruma, which follows Unicode 16; the standard library follows later versions. A character
/// assigned after Unicode 16 is therefore unassigned in a pattern. Lower-casing, white space and digits outside
/// patterns follow the current Unicode version on both sides.
package enum UnicodeClass {
    /// The general category of `scalar` in Unicode 16.
    static func category(_ scalar: Unicode.Scalar) -> Unicode.GeneralCategory {
        let properties = scalar.properties
        let category = properties.generalCategory
        return category == .unassigned || isAssigned(scalar, after: 16) ? .unassigned : category
    }

    /// True if `scalar` was assigned in a version later than `version`.0, which must be 9 or more.
    @inlinable
    package static func isAssigned(_ scalar: Unicode.Scalar, after version: Int) -> Bool {
        switch scalar.value {
        // Nothing here was assigned after Unicode 9, and it covers nearly all text.
        case 0..<0x530, 0x1E00..<0x20BF, 0x3040..<0x3100, 0x3400..<0x4DB6, 0x4E00..<0x9FD6, 0xAC00..<0xD7A4: false
        default: scalar.properties.age.map { $0.major > version } ?? false
        }
    }

    /// `\s`: the White_Space property.
    @inlinable
    package static func isSpace(_ scalar: Unicode.Scalar) -> Bool {
        if scalar.value < 0x80 { return scalar.value == 0x20 || (0x09...0x0D).contains(scalar.value) }
        return scalar.properties.isWhitespace
    }

    /// Nd, Nl or No, in the current Unicode version.
    @inlinable
    package static func isNumeric(_ scalar: Unicode.Scalar) -> Bool {
        if scalar.value < 0x80 { return (0x30...0x39).contains(scalar.value) }
        switch scalar.properties.generalCategory {
        case .decimalNumber, .letterNumber, .otherNumber: return true
        default: return false
        }
    }

    /// `\w` of Rust's expressions, which follow Unicode 16.
    package static func isWord(_ scalar: Unicode.Scalar) -> Bool {
        if isAssigned(scalar, after: 16) { return false }
        let properties = scalar.properties
        if properties.isAlphabetic || properties.isJoinControl { return true }
        switch properties.generalCategory {
        case .nonspacingMark, .spacingMark, .enclosingMark, .decimalNumber, .connectorPunctuation: return true
        default: return false
        }
    }

    /// ASCII punctuation with its symbols, and the categories of punctuation in Unicode 8.
    package static func isPunctuation(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.value {
        case 0x21...0x2F, 0x3A...0x40, 0x5B...0x60, 0x7B...0x7E: return true
        // Later versions count these among symbols and marks.
        case 0x166D, 0x111C9: return true
        case ..<0x80: return false
        default: break
        }
        switch scalar.properties.generalCategory {
        case .connectorPunctuation, .dashPunctuation, .openPunctuation, .closePunctuation, .initialPunctuation,
            .finalPunctuation, .otherPunctuation:
            return scalar.properties.age.map { $0.major <= 8 } ?? false
        default: return false
        }
    }
}
