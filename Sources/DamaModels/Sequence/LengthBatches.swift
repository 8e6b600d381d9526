/// How sequences of different lengths run together: a batch is padded to its longest, and each costs something by itself.
package enum LengthBatches {
    /// What a batch costs beside its tokens, in tokens. All weights are read once more, and in training all gradients are
    /// written: as many bytes a parameter as a token takes operations, which processors of today do that much faster.
    package static let overhead = 32

    /// Cuts sequences, in the order of their lengths, into batches of which the sum of padded tokens and
    /// ``overhead`` is least.
    ///
    /// - Parameter budget: the most tokens of a batch, padding included; a single longer sequence is a batch of its own.
    /// - Returns: indices of `lengths`, each in one batch.
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
