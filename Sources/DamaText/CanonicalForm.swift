import DamaPattern
@_spi(_Unicode) import Swift

/// Unicode normalisation forms NFC and NFD as Hugging Face's tokenizers compute them.
///
/// They use Unicode 9: a character assigned later has no combining class, is never composed or decomposed, and
/// separates its neighbours. The standard library follows a later version.
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
        for scalar in Self.ordered(text) {
            // These decompose to two marks but have class 0 themselves, and the standard library then does not sort the
            // marks before them.
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

    /// Longer runs of combining marks are sorted here.
    private static let longRun = 32

    /// The text with the marks of long runs decomposed and in canonical order. This changes neither of its normal
    /// forms. The standard library sorts a run by insertion, which takes hours for a million unsorted marks and almost
    /// no time for sorted ones.
    private static func ordered(_ text: ArraySlice<Unicode.Scalar>) -> ArraySlice<Unicode.Scalar> {
        var result: [Unicode.Scalar] = []
        var end = text.startIndex
        var start = text.startIndex
        while start < text.endIndex {
            guard combiningClass(text[start]) > 0 else {
                start += 1
                continue
            }
            var stop = start + 1
            while stop < text.endIndex, combiningClass(text[stop]) > 0 { stop += 1 }
            if stop - start > longRun {
                result += text[end..<start]
                // A stable sort by class, with one list for each.
                var classes = [[Unicode.Scalar]](repeating: [], count: 256)
                for mark in text[start..<stop] {
                    for part in String(mark)._nfd { classes[Int(combiningClass(part))].append(part) }
                }
                for marks in classes { result += marks }
                end = stop
            }
            start = stop
        }
        return end == text.startIndex ? text : (result + text[end...])[...]
    }

    private static func combiningClass(_ scalar: Unicode.Scalar) -> UInt8 {
        // U+0300 is the first mark.
        scalar.value < 0x300 ? 0 : scalar.properties.canonicalCombiningClass.rawValue
    }
}
