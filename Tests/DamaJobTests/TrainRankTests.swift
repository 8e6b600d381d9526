import DamaTestSupport
import Foundation
import TrainingTestSupport
import XCTest

@testable import Dama

/// Training jobs of several ranks, which are threads here.
final class TrainRankTests: TrainTestCase {
    private func runRanks(
        _ count: Int, _ options: TrainOptions,
        change: @escaping @Sendable (Int, inout TrainOptions) -> Void = { _, _ in },
        observer: @escaping @Sendable (Int, TrainEvent) throws(DamaError) -> Void = { _, _ in }
    ) -> [Result<TrainSummary, any Error>] {
        let model = Self.model
        return ThreadRanks(count).run { ranks in
            var own = options
            change(ranks.rank, &own)
            let rank = ranks.rank
            return try TrainJob(own, policy: Policy(directory: model + "/default")).run(ranks: ranks) {
                event throws(DamaError) in try observer(rank, event)
            }
        }
    }

    private func assertNear(_ a: String, _ b: String, _ tolerance: Float, line: UInt = #line) throws {
        let (first, second) = try (
            SafetensorsFile(path: "\(folder.path)/\(a)/model/model.safetensors"),
            SafetensorsFile(path: "\(folder.path)/\(b)/model/model.safetensors")
        )
        XCTAssertEqual(Set(first.names), Set(second.names), line: line)
        for name in first.names {
            let (x, y) = try (XCTUnwrap(first[name]).floats(), XCTUnwrap(second[name]).floats())
            let worst = zip(x, y).map { abs($0 - $1) }.max() ?? 0
            XCTAssertLessThanOrEqual(worst, tolerance, "\(name)", line: line)
        }
    }

    private func rankOptions(_ output: String) -> TrainOptions {
        var options = options(output)
        // The error of sums in another order is then not divided by gradients that are 0.
        options.optimizer.epsilon = 1e-4
        options.optimizer.learningRate = 1e-4
        options.logsPairs = true
        options.evalShare = 0.2
        options.evalEvery = 3
        return options
    }

    /// One, two and three ranks end with the same weights up to the order of sums, and with the same reports. Of five pairs
    /// three ranks have two, two and one; of the last two pairs of an epoch one, one and none.
    func testRanksEqualOneProcess() throws {
        try writeDataset(count: 40)
        var one = rankOptions("one")
        one.batchSize = 5
        one.dropsLast = false
        one.method.keep = .ratio(0.6)
        let expected = try run(one)
        let steps = try metrics("one")
        for count in [2, 3] {
            var options = rankOptions("ranks\(count)")
            options.batchSize = 5
            options.dropsLast = false
            options.method.keep = .ratio(0.6)
            let found = try runRanks(count, options).map { try $0.get() }
            for summary in found {
                XCTAssertEqual(summary.batches, expected.batches)
                XCTAssertEqual(summary.steps, expected.steps)
                XCTAssertEqual(summary.pairs, expected.pairs)
            }
            try assertNear("one", "ranks\(count)", 1e-6)
            let own = try metrics("ranks\(count)")
            XCTAssertEqual(own.count, steps.count)
            for (a, b) in zip(steps, own) {
                for key in ["step", "batch", "epoch", "pairs", "kept", "tokens"] { XCTAssertEqual(a[key], b[key]) }
                for section in [nil, "eval"] as [String?] {
                    for key in ["loss", "margin_mean", "margin", "logps_chosen", "gradient_norm", "running_mean"] {
                        let (x, y) =
                            section.map { (a[$0]?[key]?.double, b[$0]?[key]?.double) } ?? (
                                a[key]?.double, b[key]?.double
                            )
                        XCTAssertEqual(x ?? 0, y ?? 0, accuracy: 2e-5 * max(1, abs(x ?? 0)), key)
                        XCTAssertEqual(x == nil, y == nil, key)
                    }
                }
            }
            // The same pairs in the same order, and the same ones kept.
            func pairs(_ output: String) throws -> [[JSON?]] {
                try bytes("\(output)/pairs.jsonl").split(separator: 0x0A).map { line in
                    let json = try JSON(parsing: line)
                    return [json["batch"], json["ids"], json["kept"], json["mask"]]
                }
            }
            XCTAssertEqual(try pairs("one"), try pairs("ranks\(count)"))
            XCTAssertTrue(
                FileManager.default.fileExists(
                    atPath: "\(folder.path)/ranks\(count)/reference.shard-0-of-\(count).jsonl"))
            // A second run finds the job done.
            XCTAssertEqual(
                try runRanks(count, options).map { try $0.get().wasComplete }, Array(repeating: true, count: count))
        }
    }

    /// A stop of one rank stops all after the same batch; another number of ranks goes on from there.
    func testAStoppedJobGoesOnOnOtherNumbersOfRanks() throws {
        try writeDataset(count: 40)
        _ = try run(rankOptions("one"))
        for stopping in [0, 1] {
            let options = rankOptions("moved\(stopping)")
            let stopped = runRanks(
                2, options,
                observer: { (rank, event) throws(DamaError) in
                    if case .progress(let progress) = event, progress.batch == 5, rank == stopping { throw .cancelled }
                })
            for result in stopped {
                XCTAssertEqual((result.failure as? DamaError)?.code, .cancelled, "\(result)")
            }
            let checkpoints = try FileManager.default.contentsOfDirectory(atPath: options.output + "/checkpoints")
            XCTAssertTrue(checkpoints.contains("00000005.safetensors"), "\(checkpoints)")
            let again = runRanks(
                3, options,
                observer: { (rank, event) throws(DamaError) in
                    if case .progress(let progress) = event, progress.batch == 9, rank == 2 { throw .cancelled }
                })
            for result in again { XCTAssertEqual((result.failure as? DamaError)?.code, .cancelled, "\(result)") }
            _ = try run(options)
            try assertNear("one", "moved\(stopping)", 1e-6)
            XCTAssertEqual(try metrics("moved\(stopping)").count, try metrics("one").count)
        }
    }

    /// The same ranks end with the same bits, with and without a stop.
    func testAStoppedJobOfTheSameRanksEndsWithTheSameBits() throws {
        try writeDataset(count: 40)
        for result in runRanks(2, rankOptions("whole")) { _ = try result.get() }
        let options = rankOptions("parts")
        for result in runRanks(
            2, options,
            observer: { (_, event) throws(DamaError) in
                if case .progress(let progress) = event, progress.batch == 3 { throw .cancelled }
            })
        { XCTAssertNotNil(result.failure) }
        for result in runRanks(2, options) { _ = try result.get() }
        try assertSame("whole", "parts")
    }

    func testARankThatCannotTrainStopsAll() throws {
        try writeDataset(count: 24)
        // Rank 1 has another rate.
        for result in runRanks(
            2, options("a"), change: { rank, own in if rank == 1 { own.optimizer.learningRate = 2e-3 } })
        {
            XCTAssertEqual((result.failure as? DamaError)?.code, .invalidArgument)
            XCTAssertEqual(
                (result.failure as? DamaError)?.message,
                "rank 1 of 2, compared with rank 0, has another model, other data or other options")
        }
        // The first rank finds a foreign file, the second learns it.
        try FileManager.default.createDirectory(atPath: folder.path + "/b", withIntermediateDirectories: true)
        try folder.write([1, 2, 3], to: "b/metrics.jsonl")
        let foreign = runRanks(2, options("b")).map { $0.failure as? DamaError }
        XCTAssertEqual(foreign[0]?.code, .invalidArgument)
        XCTAssertTrue(foreign[0]?.message.contains("no training job wrote it") == true)
        XCTAssertEqual(foreign[1]?.code, .cancelled)
        XCTAssertTrue(foreign[1]?.message.hasPrefix("rank 0 of 2 failed") == true)
        // The second has no data.
        let missing = runRanks(2, options("c"), change: { rank, own in if rank == 1 { own.rows.data += ".none" } })
            .map { $0.failure as? DamaError }
        XCTAssertEqual(missing[0]?.code, .cancelled)
        XCTAssertEqual(missing[1]?.code, .io)
    }

    /// An image that one rank finds changed, in the middle of the job.
    func testAFailureInTheMiddleKeepsTheDoneBatches() throws {
        try writeDataset(count: 24)
        let path = folder.path
        let options = options("middle")
        let found = runRanks(
            2, options,
            observer: { (rank, event) throws(DamaError) in
                guard case .progress(let progress) = event, progress.batch == 3, rank == 1 else { return }
                try Files.writeAtomically([0], to: path + "/image.png")
            }
        ).map { $0.failure as? DamaError }
        XCTAssertTrue(found.contains { $0?.message.contains("has changed since the job began") == true }, "\(found)")
        XCTAssertEqual(found.compactMap { $0 }.count, 2)
    }
}

extension Result {
    fileprivate var failure: Failure? {
        if case .failure(let error) = self { error } else { nil }
    }
}
