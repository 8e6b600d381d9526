/// McNemar's exact test: do two models pass equally often on the same questions?
///
/// Of the questions that exactly one of them passes, either is as likely under the null hypothesis; the p-value is that
/// of the two-sided binomial test with probability ½.
package struct McNemar: Equatable, Sendable {
    /// Questions that both pass.
    package var both = 0
    package var onlyFirst = 0
    package var onlySecond = 0
    package var neither = 0

    package init() {}

    package mutating func add(first: Bool, second: Bool) {
        switch (first, second) {
        case (true, true): both += 1
        case (true, false): onlyFirst += 1
        case (false, true): onlySecond += 1
        case (false, false): neither += 1
        }
    }

    /// min(1, 2 · Σ_{i ≤ k} C(n, i) / 2ⁿ), with k the smaller and n the sum of the two discordant counts.
    package var pValue: Double {
        let k = min(onlyFirst, onlySecond)
        let n = onlyFirst + onlySecond
        if 2 * k >= n { return 1 }
        // C(n, k) with its exponent apart, since 2ⁿ exceeds a double's range.
        var (mantissa, exponent) = (1.0, 0)
        for i in 0..<k {
            mantissa *= Double(n - i) / Double(i + 1)
            exponent += Int(mantissa.exponent)
            mantissa = mantissa.significand
        }
        // Σ_{i ≤ k} C(n, i) / C(n, k); the terms fall from i = k on.
        var (sum, term) = (1.0, 1.0)
        for i in stride(from: k, to: 0, by: -1) {
            term *= Double(i) / Double(n - i + 1)
            sum += term
            if term < 1e-18 { break }
        }
        return min(1, Double(sign: .plus, exponent: exponent - n + 1, significand: mantissa * sum))
    }
}
