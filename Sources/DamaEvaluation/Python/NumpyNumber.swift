/// Numbers as NumPy rounds and prints them, where an official script uses NumPy.
enum NumpyNumber {
    /// `numpy.round`: scales, rounds half to even, and scales back. Python's own `round` looks at the exact value
    /// instead: 0.15 is 0.1 for Python's and 0.2 for NumPy's.
    static func rounded(_ value: Double, digits: Int) -> Double {
        var scale = 1.0
        for _ in 0..<digits { scale *= 10 }
        return (value * scale).rounded(.toNearestOrEven) / scale
    }
}
