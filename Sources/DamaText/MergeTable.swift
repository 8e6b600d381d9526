/// The merges of byte-pair encoding: from a pair of ids to its rank and the id of the merged token.
struct MergeTable: Sendable {
    struct Merge: Equatable, Sendable {
        var rank: UInt32
        var id: Int32
    }

    /// Open addressing; a free slot has the key `UInt64.max`, which no pair of ids has.
    private var keys: [UInt64]
    private var merges: [Merge]
    private(set) var count = 0
    /// Odd, and random for each table, so that no file can force collisions.
    private let multiplier = UInt64.random(in: .min ... .max) | 1

    init(capacity: Int) {
        var size = 16
        while size < capacity * 2 { size *= 2 }
        keys = [UInt64](repeating: .max, count: size)
        merges = [Merge](repeating: Merge(rank: 0, id: 0), count: size)
    }

    /// A duplicate pair gets the new rank, as in Hugging Face's tokenizers.
    mutating func insert(_ left: Int32, _ right: Int32, _ merge: Merge) {
        if (count + 1) * 2 > keys.count { grow() }
        let key = Self.key(left, right)
        let slot = slot(of: key)
        if keys[slot] == .max { count += 1 }
        keys[slot] = key
        merges[slot] = merge
    }

    @inline(__always)
    subscript(left: Int32, right: Int32) -> Merge? {
        let key = Self.key(left, right)
        let slot = slot(of: key)
        return keys[slot] == key ? merges[slot] : nil
    }

    /// Whether `condition` holds for the two ids of every merge.
    func allPairs(_ condition: (Int32, Int32) -> Bool) -> Bool {
        keys.allSatisfy { key in
            key == .max || condition(Int32(truncatingIfNeeded: key >> 32), Int32(truncatingIfNeeded: key))
        }
    }

    private static func key(_ left: Int32, _ right: Int32) -> UInt64 {
        UInt64(UInt32(bitPattern: left)) << 32 | UInt64(UInt32(bitPattern: right))
    }

    @inline(__always)
    private func slot(of key: UInt64) -> Int {
        let mask = keys.count - 1
        let product = key.multipliedFullWidth(by: multiplier)
        var slot = Int(truncatingIfNeeded: product.high ^ product.low) & mask
        while keys[slot] != key, keys[slot] != .max { slot = (slot + 1) & mask }
        return slot
    }

    private mutating func grow() {
        let old = (keys, merges)
        keys = [UInt64](repeating: .max, count: old.0.count * 2)
        merges = [Merge](repeating: Merge(rank: 0, id: 0), count: old.0.count * 2)
        for (key, merge) in zip(old.0, old.1) where key != .max {
            let slot = slot(of: key)
            keys[slot] = key
            merges[slot] = merge
        }
    }
}
