/// Ranks and Spearman's ρ.
package enum RankCorrelation {
    /// Ranks from 1; equal values share the mean of their ranks.
    package static func ranks(_ values: [Double]) -> [Double] {
        let order = values.indices.sorted { values[$0] < values[$1] }
        var ranks = [Double](repeating: 0, count: values.count)
        var start = 0
        while start < order.count {
            var end = start + 1
            while end < order.count, values[order[end]] == values[order[start]] { end += 1 }
            for position in start..<end { ranks[order[position]] = Double(start + 1 + end) / 2 }
            start = end
        }
        return ranks
    }

    /// Spearman's ρ: Pearson's correlation of the ranks. `nil` if the lengths differ, there are fewer than two values,
    /// or one side is constant.
    package static func spearman(_ a: [Double], _ b: [Double]) -> Double? {
        guard a.count == b.count, a.count > 1 else { return nil }
        let x = ranks(a)
        let y = ranks(b)
        // The mean of ranks 1 … n, ties or not.
        let mean = Double(a.count + 1) / 2
        var xy = 0.0
        var xx = 0.0
        var yy = 0.0
        for (u, v) in zip(x, y) {
            xy += (u - mean) * (v - mean)
            xx += (u - mean) * (u - mean)
            yy += (v - mean) * (v - mean)
        }
        guard xx > 0, yy > 0 else { return nil }
        return xy / (xx * yy).squareRoot()
    }
}
