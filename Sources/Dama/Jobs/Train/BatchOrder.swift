import DamaSupport

extension TrainOptions {
    /// The number of batches of the whole job. The last pairs of an epoch that do not fill a batch are left to the next
    /// epoch's shuffle.
    func batches(pairs: Int) -> Int {
        let (all, overflow) = (pairs / batchSize).multipliedReportingOverflow(by: epochs)
        return min(overflow ? .max : all, maximumSteps ?? .max)
    }
}

/// The pairs of each batch: each epoch has its own order, which depends only on the seed and the epoch.
struct BatchOrder {
    let pairs: Int
    let batchSize: Int
    let seed: UInt64
    private var current: (epoch: Int, order: [Int])?

    init(pairs: Int, batchSize: Int, seed: UInt64) {
        self.pairs = pairs
        self.batchSize = batchSize
        self.seed = seed
    }

    private var batchesPerEpoch: Int { max(1, pairs / batchSize) }

    func epoch(of batch: Int) -> Int { batch / batchesPerEpoch }

    mutating func batch(_ number: Int) -> ArraySlice<Int> {
        let epoch = epoch(of: number)
        if current?.epoch != epoch {
            var generator = RandomGenerator(seed: seed, stream: UInt64(epoch) &+ 0x0DE2)
            current = (epoch, generator.permutation(of: pairs))
        }
        let start = number % batchesPerEpoch * batchSize
        return current?.order[start..<start + batchSize] ?? []
    }
}
