import DamaSupport

/// One of several equal shares of a dataset, scored by itself, perhaps on another machine; ``ScoreMerge`` joins them.
///
/// Shards are contiguous. They begin where the cache of embeddings begins anew (``ScoreOptions/cacheRows``), so that a
/// shard forms the batches that one run over the whole dataset forms.
public struct Shard: Hashable, Sendable {
    /// The position, from 0.
    public var index: Int
    /// The number of shards.
    public var count: Int

    public init(index: Int, count: Int) {
        self.index = index
        self.count = count
    }

    /// Reads `i/n`, with i from 0 to n − 1.
    public init?(_ text: String) {
        let parts = text.split(separator: "/", omittingEmptySubsequences: false)
        guard parts.count == 2, let index = Self.number(parts[0]), let count = Self.number(parts[1]) else { return nil }
        self.init(index: index, count: count)
    }

    /// The largest number of shards.
    static let limit = 1 << 20

    func check() throws(DamaError) {
        guard (1...Self.limit).contains(count) else {
            throw .invalidArgument("shards is \(count); expected 1 to \(Self.limit)")
        }
        guard (0..<count).contains(index) else {
            throw .invalidArgument("shard is \(index) of \(count); shards count from 0, so expected 0 to \(count - 1)")
        }
    }

    /// This shard's rows of `total`; all but the last shards begin and end at multiples of `unit`.
    func rows(of total: Int, unit: Int) -> Range<Int> {
        let units = total / unit + (total % unit == 0 ? 0 : 1)
        // i · units / n without the product, which could overflow.
        func bound(_ position: Int) -> Int {
            let (quotient, rest) = units.quotientAndRemainder(dividingBy: count)
            return min(total, (position * quotient + position * rest / count) * unit)
        }
        return bound(index)..<bound(index + 1)
    }

    // MARK: Names

    /// The output of this shard for the output of the whole: `scores.shard-0-of-4.jsonl` for `scores.jsonl`.
    func path(of output: String) -> String {
        let parts = JobPaths.parts(of: output)
        return "\(parts.base).shard-\(index)-of-\(count)\(parts.suffix)"
    }

    /// The paths of all shards beside the output of the whole.
    static func existing(of output: String) throws(DamaError) -> [String] {
        let folder = Files.folder(of: output)
        let parts = JobPaths.parts(of: output)
        let scalars = parts.base.unicodeScalars
        let start = scalars.lastIndex(of: "/").map { scalars.index(after: $0) } ?? scalars.startIndex
        let beginning = Array("\(String(scalars[start...])).shard-".utf8)
        var found: [(shard: Shard, path: String)] = []
        for name in try Files.names(in: folder) where name.utf8.starts(with: beginning) {
            let rest = String(decoding: name.utf8.dropFirst(beginning.count), as: UTF8.self)
            guard rest.utf8.count > parts.suffix.utf8.count,
                rest.utf8.suffix(parts.suffix.utf8.count).elementsEqual(parts.suffix.utf8)
            else { continue }
            let numbers = String(decoding: rest.utf8.dropLast(parts.suffix.utf8.count), as: UTF8.self)
            let words = numbers.split(separator: "-", omittingEmptySubsequences: false)
            guard words.count == 3, words[1] == "of", let index = number(words[0]), let count = number(words[2])
            else { continue }
            let shard = Shard(index: index, count: count)
            // Not 00-of-04, which no job writes.
            guard numbers == "\(index)-of-\(count)" else { continue }
            found.append((shard, shard.path(of: output)))
        }
        return found.sorted { ($0.shard.count, $0.shard.index) < ($1.shard.count, $1.shard.index) }.map(\.path)
    }

    /// A number in digits alone: `Int` also takes a sign.
    private static func number(_ text: Substring) -> Int? {
        text.utf8.allSatisfy { (0x30...0x39).contains($0) } ? Int(text) : nil
    }
}
