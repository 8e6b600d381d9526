import DamaModels
import DamaRuntime
import DamaSupport
import DamaTraining

/// Reads and prepares the batches of a training job on another thread, at most two ahead of the step that runs: texts
/// become tokens and images are decoded while the model computes. The batches are those of ``BatchOrder``, in its order.
struct BatchSource: Sendable {
    struct Batch: Sendable {
        /// The numbers of the whole batch's pairs in the data.
        var indices: [Int]
        /// This rank's share of them.
        var pairs: [TrainingPair]
        var prepared: [PreparedPair]
    }

    private let batches: ReadAhead<Batch>
    private let stop = StopSignal()

    /// - Parameters:
    ///   - numbers: the batches to prepare.
    ///   - share: the positions of this rank's pairs in a batch of so many; by default all.
    ///   - read: reads a pair of the data.
    /// - Throws: ``DamaError/Code/outOfMemory`` if the system cannot start a thread.
    init(
        _ order: BatchOrder, _ numbers: Range<Int>, policy: Policy,
        share: @escaping @Sendable (Int) -> [Int] = { Array(0..<$0) },
        read: @escaping @Sendable (Int) throws(DamaError) -> TrainingPair
    ) throws(DamaError) {
        batches = try ReadAhead { [stop] put throws(DamaError) in
            var order = order
            for number in numbers {
                guard put(try Self.prepare(Array(order.batch(number)), policy, stop, share, read)) else { return }
            }
        }
    }

    private static func prepare(
        _ indices: [Int], _ policy: Policy, _ stop: StopSignal, _ share: (Int) -> [Int],
        _ read: (Int) throws(DamaError) -> TrainingPair
    ) throws(DamaError) -> Batch {
        var pairs: [TrainingPair] = []
        for position in share(indices.count) {
            try stop.check()
            pairs.append(try read(indices[position]))
        }
        let prepared =
            pairs.isEmpty ? [] : try policy.prepare(pairs.map(\.pair)) { () throws(DamaError) in try stop.check() }
        return Batch(indices: indices, pairs: pairs, prepared: prepared)
    }

    /// The next batch.
    ///
    /// - Parameter waiting: called many times a second while no batch is ready; an error it throws ends the wait.
    /// - Throws: what reading or preparing this batch threw.
    func next(waiting: () throws(DamaError) -> Void) throws(DamaError) -> Batch {
        guard let batch = try batches.next(waiting: waiting) else { throw .internal("the batches ended too early") }
        return batch
    }

    /// Stops reading and waits until the thread has ended.
    func close() {
        stop.stop()
        batches.close()
    }
}
