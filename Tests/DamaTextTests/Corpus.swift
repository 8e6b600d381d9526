import DamaSupport
import DamaTestSupport

/// Sebastiano Vigna's generator, as in corpus.py.
struct SplitMix64 {
    var state: UInt64

    /// A number in 0..<bound.
    mutating func next(_ bound: Int) -> Int {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return Int((z ^ (z >> 31)) % UInt64(bound))
    }
}

/// The corpus of byte strings in many scripts, the same as that of corpus.py.
enum Corpus {
    private enum Pool {
        case items([[UInt8]])
        case ranges([(low: Int, high: Int)])
    }

    /// `count` byte strings, some of them invalid UTF-8. String number i depends only on `seed` and i.
    static func strings(count: Int, seed: Int) -> [[UInt8]] {
        let pools = pools
        return (0..<count).map { index in
            var random = SplitMix64(state: UInt64(seed * 1_000_003 + index))
            var text: [UInt8] = []
            for _ in 0..<random.next(14) {
                switch pools[random.next(pools.count)] {
                case .items(let items): text += items[random.next(items.count)]
                case .ranges(let ranges):
                    for _ in 0..<1 + random.next(8) {
                        let (low, high) = ranges[random.next(ranges.count)]
                        let scalar = Unicode.Scalar(UInt32(low + random.next(high - low + 1)))!
                        text += UTF8.encode(scalar)!
                    }
                }
            }
            return text
        }
    }

    private static let pools: [Pool] = {
        let json = try! Fixtures.json("corpus_pools.json")
        return json["pools"]!.array!.flatMap { pool -> [Pool] in
            let made: Pool
            if let items = pool["items"]?.array {
                made = .items(items.map { bytes($0.string!) })
            } else {
                made = .ranges(pool["ranges"]!.array!.map { ($0.array![0].int!, $0.array![1].int!) })
            }
            return Array(repeating: made, count: pool["weight"]?.int ?? 1)
        }
    }()

    private static func bytes(_ hexadecimal: String) -> [UInt8] {
        let digits = Array(hexadecimal.utf8).map { UInt8(Character(Unicode.Scalar($0)).hexDigitValue!) }
        return stride(from: 0, to: digits.count, by: 2).map { digits[$0] << 4 | digits[$0 + 1] }
    }
}
