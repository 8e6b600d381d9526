import DamaSupport

/// Numbers in texts, as Python's `float()` reads them: the official scripts parse a judge's answer with it.
enum PythonFloat {
    /// The number that `text` is; `nil` where `float()` fails. White space around it is ignored, underscores may stand
    /// between digits, and `nan`, `inf` and `infinity` are numbers.
    ///
    /// Digits of other scripts, which `float()` takes too, are not read.
    static func parse(_ text: String) -> Double? {
        // The four separators are white space for `str.strip()`, but not here.
        let isSpace = { (scalar: Unicode.Scalar) in scalar.isPythonSpace && !(0x1C...0x1F).contains(scalar.value) }
        var scalars = Array(text.unicodeScalars.drop(while: isSpace))
        while let last = scalars.last, isSpace(last) { scalars.removeLast() }
        var digits = ""
        var previous: Unicode.Scalar?
        for (index, scalar) in scalars.enumerated() {
            if scalar == "_" {
                let next = index + 1 < scalars.count ? scalars[index + 1] : nil
                guard isDigit(previous), isDigit(next) else { return nil }
            } else {
                digits.unicodeScalars.append(scalar)
            }
            previous = scalar
        }
        let lower = digits.lowercased()
        let word = lower.first == "-" || lower.first == "+" ? String(lower.dropFirst()) : lower
        if ["nan", "inf", "infinity"].contains(word) {
            let value = word == "nan" ? Double.nan : .infinity
            return lower.first == "-" ? -value : value
        }
        // Swift also reads hexadecimal numbers and other words.
        let isDecimal = digits.utf8.allSatisfy { (0x30...0x39).contains($0) || "+-.eE".utf8.contains($0) }
        guard isDecimal, digits.utf8.contains(where: { (0x30...0x39).contains($0) }) else { return nil }
        return decimal(digits)
    }

    private static func isDigit(_ scalar: Unicode.Scalar?) -> Bool {
        guard let scalar else { return false }
        return (0x30...0x39).contains(scalar.value)
    }

    /// Python takes `.5`, `5.` and `1.e3`, which Swift does not.
    private static func decimal(_ text: String) -> Double? {
        var mantissa = Array(text.utf8)
        var exponent: [UInt8] = []
        if let e = mantissa.firstIndex(where: { $0 | 0x20 == UInt8(ascii: "e") }) {
            exponent = Array(mantissa[e...])
            mantissa = Array(mantissa[..<e])
        }
        let points = mantissa.count { $0 == UInt8(ascii: ".") }
        if points == 1, mantissa.last == UInt8(ascii: ".") { mantissa.removeLast() }
        let sign = mantissa.first == UInt8(ascii: "-") || mantissa.first == UInt8(ascii: "+") ? 1 : 0
        guard mantissa.count > sign else { return nil }
        if mantissa[sign] == UInt8(ascii: ".") { mantissa.insert(UInt8(ascii: "0"), at: sign) }
        guard mantissa.last.map({ (0x30...0x39).contains($0) }) == true else { return nil }
        return Double(String(decoding: mantissa + exponent, as: UTF8.self))
    }
}
