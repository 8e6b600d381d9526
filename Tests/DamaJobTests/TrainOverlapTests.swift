import DamaTestSupport
import Synchronization
import XCTest

@testable import Dama

/// Batches that another thread prepares while a step runs.
final class TrainOverlapTests: TrainTestCase {
    private struct Parts {
        var policy: Policy
        var options: TrainOptions
        var data: TrainingData
        var root: ImageRoot
    }

    private func parts(rows: Int) throws -> Parts {
        try writeDataset(count: rows)
        var options = options()
        options.method.loss = .simpo(margin: 0.5)
        let (policy, root) = (try policy(), try ImageRoot(options.rows))
        let data = try TrainingData(options, policy: policy, root: root, reference: nil) {}
        return Parts(policy: policy, options: options, data: data, root: root)
    }

    /// The job ends with the bits of a loop that reads, prepares and steps one after the other.
    func testTheJobIsALoopOfSteps() throws {
        var parts = try parts(rows: 12)
        parts.options.trainable = .lora(try LowRankAdapters(rank: 4, alpha: 8, dropout: 0.25))
        XCTAssertEqual(try run(parts.options).batches, 6)

        let trained = try TrainedPolicy(parts.policy, parts.options.trainable, seed: parts.options.seed)
        var settings = TrainerOptions()
        settings.optimizer = parts.options.optimizer
        settings.schedule = try LearningRateSchedule(
            parts.options.schedule, learningRate: parts.options.optimizer.learningRate, totalSteps: 6,
            warmUp: parts.options.warmUp)
        let trainer = try Trainer(
            trained, reference: nil, controller: AdaptiveBeta(parts.options.method), options: settings)
        var order = BatchOrder(parts.options, pairs: 12)
        let lines = try metrics("out")
        XCTAssertEqual(lines.count, 6)
        for (batch, line) in lines.enumerated() {
            let pairs = try order.batch(batch).map { try parts.data.pair($0, parts.root, takesImage: true) }
            let found = try trainer.step(pairs)
            XCTAssertEqual(found.loss, line["loss"]?.double, "batch \(batch)")
            XCTAssertEqual(found.gradientNorm, line["gradient_norm"]?.double, "batch \(batch)")
        }
        try trained.export(to: folder.path + "/loop")
        XCTAssertEqual(try bytes("loop/model.safetensors"), try bytes("out/model/model.safetensors"))
    }

    /// Batches come in the order of the job, prepared as the trainer prepares them, and read before they are asked for.
    func testBatchesAreReadAhead() throws {
        let parts = try parts(rows: 24)
        let (data, root, size) = (parts.data, parts.root, parts.options.batchSize)
        let (log, read) = (Log(), CountingSemaphore(value: 0))
        var order = BatchOrder(parts.options, pairs: 24)
        let source = try BatchSource(order, 1..<9, policy: parts.policy) { index throws(DamaError) in
            log.seen.withLock { $0.append(index) }
            read.signal()
            return try data.pair(index, root, takesImage: true)
        }
        defer { source.close() }
        let expected = (1..<9).map { Array(order.batch($0)) }
        for (number, indices) in expected.enumerated() {
            // The next one and the one behind it are read without being asked for.
            let reads = number == 0 ? 2 * size : number < 7 ? size : 0
            for _ in 0..<reads { XCTAssertTrue(read.wait(milliseconds: 60_000)) }
            let batch = try source.next {}
            XCTAssertEqual(batch.indices, indices)
            XCTAssertLessThanOrEqual(log.seen.withLock { $0.count }, (number + 3) * size)
            let pairs = try indices.map { try data.pair($0, root, takesImage: true).pair }
            let prepared = try parts.policy.prepare(pairs)
            XCTAssertEqual(batch.prepared.map(\.sequence), prepared.map(\.sequence))
            XCTAssertEqual(batch.prepared.map(\.tokenCount), prepared.map(\.tokenCount))
            XCTAssertEqual(batch.pairs.map(\.alphaData), indices.map { data.items[$0].alphaData })
        }
        XCTAssertEqual(log.seen.withLock { $0 }, expected.flatMap(\.self))
    }

    private final class Log: Sendable {
        let seen = Mutex<[Int]>([])
    }

    /// The batches before it are given first.
    func testAnErrorComesWithItsBatch() throws {
        let parts = try parts(rows: 24)
        let (data, root) = (parts.data, parts.root)
        var order = BatchOrder(parts.options, pairs: 24)
        let bad = try XCTUnwrap(order.batch(2).first)
        let source = try BatchSource(order, 0..<6, policy: parts.policy) { index throws(DamaError) in
            if index == bad { throw .io("the disk is gone") }
            return try data.pair(index, root, takesImage: true)
        }
        defer { source.close() }
        XCTAssertEqual(try source.next {}.indices, Array(order.batch(0)))
        XCTAssertEqual(try source.next {}.indices, Array(order.batch(1)))
        assertFails(.io, "the disk is gone") { _ = try source.next {} }
    }

    /// Whether it waits for the queue, reads, or has no batch at all.
    func testClosingEndsTheThread() throws {
        let parts = try parts(rows: 24)
        let (data, root) = (parts.data, parts.root)
        for (numbers, taken) in [(0..<6, 0), (0..<6, 1), (0..<6, 6), (3..<3, 0)] {
            let source = try BatchSource(
                BatchOrder(parts.options, pairs: 24), numbers, policy: parts.policy
            ) { index throws(DamaError) in try data.pair(index, root, takesImage: true) }
            for _ in 0..<taken { _ = try source.next {} }
            source.close()
        }
        // The caller's wait ends with the caller's error.
        let gate = CountingSemaphore(value: 0)
        let source = try BatchSource(
            BatchOrder(parts.options, pairs: 24), 0..<6, policy: parts.policy
        ) { index throws(DamaError) in
            gate.wait()
            return try data.pair(index, root, takesImage: true)
        }
        assertFails(.cancelled, "stopped") { _ = try source.next { () throws(DamaError) in throw .cancelled } }
        // For every read that the thread may still begin before it sees the stop.
        for _ in 0..<6 * 24 { gate.signal() }
        source.close()
    }
}
