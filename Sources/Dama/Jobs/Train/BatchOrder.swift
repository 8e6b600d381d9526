import DamaSupport

extension TrainOptions {
    /// The number of batches of the whole job. The last pairs of an epoch that do not fill a batch are left to the next
    /// epoch's shuffle, or are a batch by themselves (``dropsLast``).
    func batches(pairs: Int) -> Int {
        let perEpoch = BatchOrder(self, pairs: pairs).batchesPerEpoch
        let (all, overflow) = perEpoch.multipliedReportingOverflow(by: epochs)
        return min(overflow ? .max : all, maximumSteps ?? .max)
    }
}

/// The pairs of each batch: each epoch has its own order, which depends only on the seed and the epoch, or all have the
/// order of the file.
struct BatchOrder {
    let pairs: Int
    let batchSize: Int
    let seed: UInt64
    let shuffles: Bool
    let batchesPerEpoch: Int
    private var current: (epoch: Int, order: [Int])?

    init(_ options: TrainOptions, pairs: Int) {
        self.pairs = pairs
        batchSize = options.batchSize
        seed = options.seed
        shuffles = options.shuffles
        let whole = pairs / batchSize
        batchesPerEpoch = max(1, whole + (!options.dropsLast && !pairs.isMultiple(of: batchSize) ? 1 : 0))
    }

    func epoch(of batch: Int) -> Int { batch / batchesPerEpoch }

    mutating func batch(_ number: Int) -> ArraySlice<Int> {
        let epoch = epoch(of: number)
        if current?.epoch != epoch {
            var generator = RandomGenerator(seed: seed, stream: UInt64(epoch) &+ 0x0DE2)
            current = (epoch, shuffles ? generator.permutation(of: pairs) : Array(0..<pairs))
        }
        let start = number % batchesPerEpoch * batchSize
        return current?.order[start..<min(start + batchSize, pairs)] ?? []
    }
}
