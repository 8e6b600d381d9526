/// Text as Python sees it: code points, not grapheme clusters.
typealias Scalars = [Unicode.Scalar]

/// The classes of characters of Python's `str`. Source: CPython's `Tools/unicode/makeunicodedata.py`.
///
/// Characters that are newer than one of the two Unicode versions (Swift's and Python's) may differ.
extension Unicode.Scalar {
    /// `\d` of a pattern: `str.isdecimal`.
    @inline(__always)
    var isPythonDecimal: Bool {
        value < 0x80 ? (0x30...0x39).contains(value) : properties.numericType == .decimal
    }

    /// `str.isdigit`, which has superscripts too.
    var isPythonDigit: Bool {
        if value < 0x80 { return (0x30...0x39).contains(value) }
        return properties.numericType == .decimal || properties.numericType == .digit
    }

    /// `str.isupper` of one character.
    var isPythonUpper: Bool { value < 0x80 ? (0x41...0x5A).contains(value) : properties.isUppercase }

    /// `str.islower` of one character.
    var isPythonLower: Bool { value < 0x80 ? (0x61...0x7A).contains(value) : properties.isLowercase }

    @inline(__always)
    var asciiLowered: Unicode.Scalar {
        (0x41...0x5A).contains(value) ? Unicode.Scalar(UInt8(truncatingIfNeeded: value) + 0x20) : self
    }
}

extension Collection<Unicode.Scalar> {
    /// `str.lower`: the full mapping of Unicode, with the rule of the final sigma and no other rule of context.
    func pythonLowered() -> Scalars {
        var lowered: Scalars = []
        lowered.reserveCapacity(count)
        for index in indices {
            let scalar = self[index]
            if scalar.value < 0x80 {
                lowered.append(scalar.asciiLowered)
            } else if scalar == "\u{3A3}" {
                lowered.append(isFinalSigma(index) ? "\u{3C2}" : "\u{3C3}")
            } else {
                lowered.append(contentsOf: scalar.properties.lowercaseMapping.unicodeScalars)
            }
        }
        return lowered
    }

    /// Whether a letter with case stands before `index` and none after it, what is case-ignorable left out.
    private func isFinalSigma(_ index: Index) -> Bool {
        var before: Unicode.Scalar?
        for scalar in self[..<index] where !scalar.properties.isCaseIgnorable { before = scalar }
        guard let before, before.properties.isCased else { return false }
        let after = self[self.index(after: index)...].first { !$0.properties.isCaseIgnorable }
        return !(after?.properties.isCased ?? false)
    }

    /// The text's UTF-8.
    var utf8Bytes: [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(count)
        for scalar in self {
            if scalar.value < 0x80 {
                bytes.append(UInt8(truncatingIfNeeded: scalar.value))
            } else {
                bytes.append(contentsOf: UTF8.encode(scalar).map(Array.init) ?? [])
            }
        }
        return bytes
    }

    var string: String { String(decoding: utf8Bytes, as: UTF8.self) }
}
