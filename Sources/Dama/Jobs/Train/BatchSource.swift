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

    private let queue: BoundedQueue<Result<Batch, DamaError>>
    private let stop = StopSignal()
    private let thread: BackgroundThread

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
        let (queue, stop) = (BoundedQueue<Result<Batch, DamaError>>(capacity: 1), stop)
        self.queue = queue
        thread = try BackgroundThread {
            var order = order
            for number in numbers {
                let batch = Self.prepare(Array(order.batch(number)), policy, stop, share, read)
                let isLast = if case .failure = batch { true } else { false }
                guard queue.put(batch), !isLast else { return }
            }
        }
    }

    private static func prepare(
        _ indices: [Int], _ policy: Policy, _ stop: StopSignal, _ share: (Int) -> [Int],
        _ read: (Int) throws(DamaError) -> TrainingPair
    ) -> Result<Batch, DamaError> {
        do throws(DamaError) {
            var pairs: [TrainingPair] = []
            for position in share(indices.count) {
                try stop.check()
                pairs.append(try read(indices[position]))
            }
            let prepared =
                pairs.isEmpty
                ? []
                : try Trainer.prepare(pairs.map(\.pair), for: policy) { () throws(DamaError) in
                    try stop.check()
                }
            return .success(Batch(indices: indices, pairs: pairs, prepared: prepared))
        } catch {
            return .failure(error)
        }
    }

    /// The next batch.
    ///
    /// - Parameter waiting: called many times a second while no batch is ready; an error it throws ends the wait.
    /// - Throws: what reading or preparing this batch threw.
    func next(waiting: () throws(DamaError) -> Void) throws(DamaError) -> Batch {
        guard let result = try queue.take(waiting: waiting) else { throw .internal("the batches ended too early") }
        return try result.get()
    }

    /// Stops reading and waits until the thread has ended.
    func close() {
        stop.stop()
        queue.close()
        thread.join()
    }
}
