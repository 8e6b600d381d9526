@_spi(_Unicode) import Swift

/// Unicode normalisation forms NFC and NFD as Hugging Face's tokenizers compute them.
///
/// They do so by Unicode 9: a character assigned later has no combining class there, is never composed or decomposed,
/// and so stands between its neighbours like a wall. The standard library follows a later version.
enum CanonicalForm {
    case composed, decomposed

    func apply(to text: [Unicode.Scalar]) -> [Unicode.Scalar] {
        var result: [Unicode.Scalar] = []
        result.reserveCapacity(text.count)
        var start = 0
        for (index, scalar) in text.enumerated() where UnicodeClass.isAssigned(scalar, after: 9) {
            normalize(text[start..<index], into: &result)
            result.append(scalar)
            start = index + 1
        }
        normalize(text[start...], into: &result)
        return result
    }

    private func normalize(_ text: ArraySlice<Unicode.Scalar>, into result: inout [Unicode.Scalar]) {
        if text.isEmpty { return }
        var view = String.UnicodeScalarView()
        for scalar in text {
            // These decompose to two marks but are of class 0 themselves, and the standard library then leaves marks
            // before them where they are instead of sorting all.
            switch scalar {
            case "\u{F73}": view.append(contentsOf: "\u{F71}\u{F72}".unicodeScalars)
            case "\u{F75}": view.append(contentsOf: "\u{F71}\u{F74}".unicodeScalars)
            case "\u{F81}": view.append(contentsOf: "\u{F71}\u{F80}".unicodeScalars)
            default: view.append(scalar)
            }
        }
        switch self {
        case .composed: result.append(contentsOf: String(view)._nfc)
        case .decomposed: result.append(contentsOf: String(view)._nfd)
        }
    }
}
