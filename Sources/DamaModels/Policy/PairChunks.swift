import DamaSupport

/// The pairs of a list, prepared in their order, a chunk at a time. A chunk has several token budgets, so that most of
/// its batches are full, and an image is forgotten after its last use.
struct PairChunks: Sendable {
    /// The uses of the images in the whole list.
    let uses: ImageUses
    private let policy: Policy
    private let pairs: [PreferencePair]
    /// The keys of the images of each pair.
    private let keys: [[ImageKey]]
    private let checkpoint: @Sendable () throws(DamaError) -> Void
    private let images = PreparedImages()
    private var usesLeft: ImageUses
    /// Pairs that are prepared and belong to the next chunk.
    private var pending: [PreparedPair] = []
    /// The next pair to prepare.
    private var position = 0

    /// The token budgets of a chunk.
    private static let budgets = 4
    /// The pairs that are prepared at once.
    private static let group = 32

    /// - Parameter checkpoint: called before each pair, on several threads; an error that it throws ends the
    ///   preparation.
    init(
        _ policy: Policy, _ pairs: [PreferencePair], checkpoint: @escaping @Sendable () throws(DamaError) -> Void
    ) throws(DamaError) {
        (self.policy, self.pairs, self.checkpoint) = (policy, pairs, checkpoint)
        keys = try Concurrent.map(pairs.count, threads: policy.decoder.runtime.threads) { index in
            pairs[index].images.map { ImageKey($0) }
        }
        uses = ImageUses(keys)
        usesLeft = uses
    }

    /// Whether there are pairs that ``next()`` has not returned.
    var hasMore: Bool { position < pairs.count || !pending.isEmpty }

    /// The next chunk; `nil` after the last.
    ///
    /// - Throws: errors that name the pair by its place in the list, the first one that is wrong.
    mutating func next() throws(DamaError) -> [PreparedPair]? {
        let budget = policy.options.tokenBudget
        while position < pairs.count, Self.length(of: pending, budget: budget) == nil {
            let part = position..<min(position + Self.group, pairs.count)
            pending += try policy.prepare(part, of: pairs, keys: keys, sharing: images, checkpoint)
            position = part.upperBound
        }
        guard !pending.isEmpty else { return nil }
        let chunk = Array(pending.prefix(Self.length(of: pending, budget: budget) ?? pending.count))
        pending.removeFirst(chunk.count)
        images.remove(usesLeft.finish(chunk.map(\.imageKeys)))
        return chunk
    }

    /// The number of pairs that fill a chunk, from the first on; `nil` if all together do not.
    static func length(of pairs: some Sequence<PreparedPair>, budget: Int) -> Int? {
        let (limit, overflow) = budget.multipliedReportingOverflow(by: budgets)
        if overflow { return nil }
        var tokens = 0
        for (index, pair) in pairs.enumerated() {
            tokens += pair.tokenCount
            if tokens >= limit { return index + 1 }
        }
        return nil
    }
}
