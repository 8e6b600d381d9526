import Glibc

/// Numbers with a fixed count of digits behind the point.
enum FixedPoint {
    /// As C's `%.Nf`, rounded to nearest by the exact value.
    static func text(_ number: Double, digits: Int) -> String {
        withVaList([Int32(clamping: digits), number]) { arguments in
            // The longest double has 309 digits before the point.
            var buffer = [CChar](repeating: 0, count: 512)
            vsnprintf(&buffer, buffer.count, "%.*f", arguments)
            return String(decoding: buffer.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
        }
    }

    /// Python's `round(number, digits)`: to nearest by the exact value, ties to even.
    static func rounded(_ number: Double, digits: Int) -> Double {
        guard number.isFinite else { return number }
        if digits >= 0 { return digits > 300 ? number : Double(text(number, digits: digits)) ?? number }
        let scale = pow(10, Double(min(-digits, 400)))
        return scale.isFinite ? (number / scale).rounded(.toNearestOrEven) * scale : 0
    }
}
