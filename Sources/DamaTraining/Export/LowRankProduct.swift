import DamaSupport

/// The product s · B A that an adapter adds to its weight: B is [rows, rank], A is [rank, columns].
struct LowRankProduct {
    let a: Parameter
    let b: Parameter
    let scale: Float

    private var rank: Int { a.shape[0] }
    private var columns: Int { a.shape[1] }

    /// Adds rows `first ..< first + target.count / columns` of the product to `target`. One thread computes each row,
    /// so that the sums do not depend on the number of threads.
    func add(from first: Int, to target: UnsafeMutableBufferPointer<Float>) {
        let (rank, columns, scale) = (rank, columns, scale)
        guard columns > 0 else { return }
        let count = target.count / columns
        guard let start = target.baseAddress, let left = b.value.elements.baseAddress,
            let right = a.value.elements.baseAddress
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
