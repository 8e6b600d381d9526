import Glibc

/// The library's random number generator: xoshiro256++ (Blackman and Vigna, 2019), seeded through SplitMix64.
///
/// Every random choice in libdama comes from such a generator, which its owner seeds and stores. The same seed
/// therefore gives the same run, and a resumed run continues where it stopped. The sequence of a seed is part of the
/// file formats: it does not change between versions. Not for cryptography.
///
/// ```swift
/// var generator = RandomGenerator(seed: 7)
/// let order = generator.permutation(of: 100)
/// ```
package struct RandomGenerator: RandomNumberGenerator, Equatable, Sendable {
    private var s0, s1, s2, s3: UInt64

    /// - Parameters:
    ///   - seed: Any value; neighbouring seeds give unrelated sequences.
    ///   - stream: Distinguishes several generators of one seed, such as one for each epoch.
    package init(seed: UInt64, stream: UInt64 = 0) {
        var mixer = seed
        if stream != 0 {
            var other = stream
            mixer ^= Self.splitMix64(&other)
        }
        s0 = Self.splitMix64(&mixer)
        s1 = Self.splitMix64(&mixer)
        s2 = Self.splitMix64(&mixer)
        s3 = Self.splitMix64(&mixer)
    }

    /// The four words of the state, to be stored and passed to ``init(words:)``.
    package var words: [UInt64] { [s0, s1, s2, s3] }

    /// A generator that continues from stored ``words``.
    ///
    /// - Throws: ``DamaError/Code/invalidArgument`` if the number of words is not four, or all are zero: from that
    ///   state the generator would return zeros forever.
    package init(words: [UInt64]) throws(DamaError) {
        guard words.count == 4 else {
            throw .invalidArgument("the state of a random generator must have 4 words, found \(words.count)")
        }
        guard words.contains(where: { $0 != 0 }) else {
            throw .invalidArgument("the state of a random generator must not be all zero")
        }
        (s0, s1, s2, s3) = (words[0], words[1], words[2], words[3])
    }

    /// 64 random bits.
    package mutating func next() -> UInt64 {
        let sum = s0 &+ s3
        let result = (sum << 23 | sum >> 41) &+ s0
        let t = s1 << 17
        s2 ^= s0
        s3 ^= s1
        s1 ^= s2
        s0 ^= s3
        s2 ^= t
        s3 = s3 << 45 | s3 >> 19
        return result
    }

    /// Uniform in [0, 1), a multiple of 2^−53.
    package mutating func uniform() -> Double { Double(next() >> 11) * 0x1p-53 }

    /// Uniform in (0, 1): never 0 or 1, so its logarithm is finite and negative.
    package mutating func openUniform() -> Double { (Double(next() >> 12) + 0.5) * 0x1p-52 }

    /// Uniform in 0 ..< bound without bias (Lemire, 2019); 0 if the bound is 1 or less.
    package mutating func uniform(below bound: Int) -> Int {
        guard bound > 1 else { return 0 }
        let range = UInt64(bound)
        var product = next().multipliedFullWidth(by: range)
        if product.low < range {
            let threshold = (0 &- range) % range
            while product.low < threshold { product = next().multipliedFullWidth(by: range) }
        }
        return Int(product.high)
    }

    /// Normal with mean 0 and standard deviation 1 (Box and Muller; two draws each, no state between calls).
    package mutating func gaussian() -> Double {
        let radius = (-2 * log(openUniform())).squareRoot()
        return radius * cos(2 * Double.pi * uniform())
    }

    /// Shuffles in place (Fisher and Yates). Unlike with `shuffle(using:)`, the order for a seed never changes.
    package mutating func shuffle<C: MutableCollection & RandomAccessCollection>(_ collection: inout C) {
        var remaining = collection.count
        while remaining > 1 {
            let pick = uniform(below: remaining)
            remaining -= 1
            collection.swapAt(
                collection.index(collection.startIndex, offsetBy: remaining),
                collection.index(collection.startIndex, offsetBy: pick))
        }
    }

    /// The numbers 0 ..< count in random order.
    package mutating func permutation(of count: Int) -> [Int] {
        var order = Array(0..<max(0, count))
        shuffle(&order)
        return order
    }

    private static func splitMix64(_ state: inout UInt64) -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ z >> 30) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ z >> 27) &* 0x94D0_49BB_1331_11EB
        return z ^ z >> 31
    }
}
