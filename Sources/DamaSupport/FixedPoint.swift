import Glibc

/// Numbers with a fixed count of digits behind the point.
package enum FixedPoint {
    /// As C's `%.Nf` with a point, whatever the locale; rounded to nearest by the exact value.
    package static func text(_ number: Double, digits: Int) -> String {
        withVaList([Int32(clamping: digits), number]) { arguments in
            // The longest double has 309 digits before the point.
            var buffer = [CChar](repeating: 0, count: 512)
            vsnprintf(&buffer, buffer.count, "%.*f", arguments)
            let text = String(decoding: buffer.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
            // The host program may have chosen a locale with another decimal point.
            guard number.isFinite, !text.utf8.allSatisfy(isUsual) else { return text }
            return String(
                decoding: text.utf8.map { isUsual($0) ? $0 : UInt8(ascii: ".") }, as: UTF8.self)
        }
    }

    /// Python's `round(number, digits)`: to nearest by the exact value, ties to even.
    package static func rounded(_ number: Double, digits: Int) -> Double {
        guard number.isFinite else { return number }
        if digits >= 0 { return digits > 300 ? number : Double(text(number, digits: digits)) ?? number }
        let scale = pow(10, Double(min(-digits, 400)))
        return scale.isFinite ? (number / scale).rounded(.toNearestOrEven) * scale : 0
    }

    private static func isUsual(_ byte: UInt8) -> Bool {
        (0x30...0x39).contains(byte) || byte == UInt8(ascii: "-") || byte == UInt8(ascii: ".")
    }
}
