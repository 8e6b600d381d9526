import DamaSupport
import Glibc

extension AdaptiveBeta {
    /// Marks the pairs that the filter keeps: exactly K; ties go to the lower index.
    ///
    /// Fills `scratch.kept`; reads `scratch.gap` and the first `finite` entries of `scratch.order`, which are the pairs
    /// with a finite gap in order of their index.
    ///
    /// - Returns: The number of kept pairs, and whether the sample was uniform because its weights were degenerate.
    mutating func select(
        _ count: Int, finite: Int, center: Double, deviation: Double, generator: inout RandomGenerator
    ) -> (kept: Int, uniform: Bool) {
        for index in 0..<count { scratch.kept[index] = false }
        let limit = configuration.keep.limit(of: count)
        guard configuration.filter != .none, limit < finite else {
            for position in 0..<finite { scratch.kept[Int(scratch.order[position])] = true }
            return (finite, false)
        }
        let uniform = rank(finite, center: center, deviation: deviation, generator: &generator)
        sortOrder(finite)
        for position in 0..<limit { scratch.kept[Int(scratch.order[position])] = true }
        return (limit, uniform)
    }

    /// Fills `scratch.key` so that the pairs with the smallest keys are the ones to keep.
    private mutating func rank(
        _ finite: Int, center: Double, deviation: Double, generator: inout RandomGenerator
    ) -> Bool {
        var uniform = false
        switch configuration.filter {
        case .none: break
        case .nearest:
            forEachFinite(finite) { gap in
                let distance = gap - center
                return distance * distance
            }
        case .bottom: forEachFinite(finite) { -$0 }
        case .top: forEachFinite(finite) { $0 }
        case .random: forEachFinite(finite) { _ in generator.uniform() }
        case .sample:
            let scale = configuration.sampleScale == .unit ? 1 : deviation
            var total = 0.0
            for position in 0..<finite { total += exp(logWeight(position, center, scale)) }
            uniform = !(total > 0 && total.isFinite)
            // Of independent clocks with rates w, the first K to ring are a sample without replacement with weights w
            // (Efraimidis and Spirakis, 2006). Logarithms keep the order even if a weight underflows.
            for position in 0..<finite {
                let clock = log(-log(generator.openUniform()))
                let weight = uniform ? 0 : logWeight(position, center, scale)
                scratch.key[Int(scratch.order[position])] = clock - weight
            }
        }
        return uniform
    }

    private func logWeight(_ position: Int, _ center: Double, _ scale: Double) -> Double {
        let distance = (scratch.gap[Int(scratch.order[position])] - center) / scale
        return -0.5 * distance * distance
    }

    private mutating func forEachFinite(_ finite: Int, _ key: (Double) -> Double) {
        for position in 0..<finite {
            let index = Int(scratch.order[position])
            scratch.key[index] = key(scratch.gap[index])
        }
    }

    /// Sorts the first `finite` indices by key, then by index.
    private mutating func sortOrder(_ finite: Int) {
        let key = scratch.key
        scratch.order[..<finite].sort { left, right in
            let (a, b) = (key[Int(left)], key[Int(right)])
            return a < b || (a == b && left < right)
        }
    }
}
