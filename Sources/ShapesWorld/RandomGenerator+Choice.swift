import DamaSupport

extension RandomGenerator {
    /// A random element; `nil` if there is none.
    mutating func pick<T>(_ elements: [T]) -> T? {
        elements.isEmpty ? nil : elements[uniform(below: elements.count)]
    }

    /// A random case of an enumeration.
    mutating func pick<T: CaseIterable>(_ type: T.Type) -> T where T.AllCases == [T] {
        T.allCases[uniform(below: T.allCases.count)]
    }

    /// An index drawn in proportion to `weights`.
    mutating func index(weights: [Double]) -> Int {
        var left = uniform() * weights.reduce(0, +)
        for (index, weight) in weights.enumerated() {
            left -= weight
            if left < 0 { return index }
        }
        return max(0, weights.count - 1)
    }

    mutating func uniform(_ low: Double, _ high: Double) -> Double { low + (high - low) * uniform() }

    /// The elements in random order.
    mutating func shuffled<T>(_ elements: [T]) -> [T] {
        var result = elements
        shuffle(&result)
        return result
    }
}
