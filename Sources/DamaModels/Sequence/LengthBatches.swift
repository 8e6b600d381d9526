/// Groups sequences of different lengths into batches. A batch is padded to its longest sequence and has a fixed cost.
package enum LengthBatches {
    /// The fixed cost of a batch in tokens: all weights are read once more, and in training all gradients are written.
    /// A processor computes about this many tokens in that time.
    package static let overhead = 32

    /// Splits sequences, sorted by length, into batches with the least sum of padded tokens and ``overhead``.
    ///
    /// - Parameter budget: the most tokens of a batch, padding included; a single longer sequence is a batch of its
    ///   own.
    /// - Returns: batches of indices of `lengths`; each index is in one batch.
    package static func plan(_ lengths: [Int], budget: Int) -> [[Int]] {
        let order = lengths.indices.sorted { (lengths[$0], $0) < (lengths[$1], $1) }
        // The least cost of the first n sequences, and how many of them the last batch has.
        var cost = [0]
        var last = [0]
        for end in 1..<order.count + 1 {
            let longest = lengths[order[end - 1]]
            var best = (cost: Int.max, size: 1)
            var size = 1
            while size <= end, size == 1 || size * longest <= budget {
                let total = cost[end - size] + size * longest + overhead
                if total < best.cost { best = (total, size) }
                size += 1
            }
            cost.append(best.cost)
            last.append(best.size)
        }
        var batches: [[Int]] = []
        var end = order.count
        while end > 0 {
            batches.append(Array(order[end - last[end]..<end]))
            end -= last[end]
        }
        return batches.reversed()
    }
}
