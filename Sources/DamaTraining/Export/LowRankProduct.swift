import DamaSupport

/// The product s · B A that an adapter adds to its weight: B is [rows, rank], A is [rank, columns].
struct LowRankProduct {
    private let a: FloatMemory
    private let b: FloatMemory
    private let rank: Int
    private let columns: Int
    let scale: Float

    init(a: Parameter, b: Parameter, scale: Float) throws(DamaError) {
        (self.a, self.b) = (try a.read(.value), try b.read(.value))
        (rank, columns) = (a.shape[0], a.shape[1])
        self.scale = scale
    }

    /// Adds rows `first ..< first + target.count / columns` of the product to `target`. One thread computes each row,
    /// so that the sums do not depend on the number of threads.
    func add(from first: Int, to target: UnsafeMutableBufferPointer<Float>) {
        let (rank, columns, scale) = (rank, columns, scale)
        guard columns > 0 else { return }
        let count = target.count / columns
        guard let start = target.baseAddress, let left = b.elements.baseAddress,
            let right = a.elements.baseAddress
        else { return }
        nonisolated(unsafe) let (sums, factors, lines) = (start, left + first * rank, right)
        Concurrent.forEach(count) { row in
            let sum = sums + row * columns
            for inner in 0..<rank {
                let factor = scale * factors[row * rank + inner]
                let line = lines + inner * columns
                for column in 0..<columns { sum[column] += factor * line[column] }
            }
        }
    }
}
