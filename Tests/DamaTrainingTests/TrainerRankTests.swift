import DamaImage
import DamaKernels
import DamaModels
import DamaPreference
import DamaRuntime
import DamaSupport
import DamaTestSupport
import TrainingTestSupport
import XCTest

@testable import DamaTraining

/// Steps of several ranks; that their results are torch's is tested in ``TrainerTests``.
final class TrainerRankTests: XCTestCase {
    override class func setUp() { TestRuntime.configure() }

    private static let model = Fixtures.path("../../DamaModelsTests/Fixtures/llava/default")

    private static func batches() throws -> [[TrainingPair]] {
        let image = ImageSource.path(Fixtures.path("../../DamaModelsTests/Fixtures/llava/image.png"))
        return try TrainingBatches.read(Fixtures.path("batches.json"), image: image)
    }

    private static func trainer(
        _ ranks: RankGroup = RankGroup(), _ trainable: Trainable = .projector, device: Device = .cpu,
        precision: Precision = .float32, sftWeight: Double = 0
    ) throws -> Trainer {
        var opening = PolicyOptions()
        opening.device = device
        opening.precision = precision
        let base = try Policy(directory: model, options: opening)
        var configuration = AdaptiveBeta.Configuration.paper
        configuration.keep = .count(4)
        var options = TrainerOptions()
        options.optimizer = AdamW(learningRate: 1e-3)
        options.sftWeight = sftWeight
        let trainer = try Trainer(
            TrainedPolicy(base, trainable), reference: base, controller: AdaptiveBeta(configuration), options: options,
            ranks: ranks)
        if precision == .float16 { trainer.setLossScale(try XCTUnwrap(LossScale(["value": 16.0, "updates": 0]))) }
        return trainer
    }

    private static func share(_ batch: [TrainingPair], _ ranks: RankGroup) -> [TrainingPair] {
        ranks.share(of: batch.count).map { batch[$0] }
    }

    private static func contents(_ trainer: Trainer) throws -> [[Float]] {
        try trainer.policy.parameters.flatMap { parameter in
            try Parameter.Part.allCases.map { try parameter.read($0).array }
        }
    }

    func testSharesCoverABatchOnce() throws {
        for count in [1, 2, 3, 7] {
            let groups = try (0..<count).map { try RankGroup(rank: $0, of: count) { _ throws(DamaError) in } }
            for total in [0, 1, 6, 7, 16] {
                XCTAssertEqual(groups.flatMap { $0.share(of: total) }.sorted(), Array(0..<total))
                let sizes = groups.map { $0.share(of: total).count }
                XCTAssertLessThanOrEqual((sizes.max() ?? 0) - (sizes.min() ?? 0), 1)
            }
        }
        assertFails(.invalidArgument, "the rank is 2 of 2; ranks count from 0, so expected 0 to 1") {
            _ = try RankGroup(rank: 2, of: 2) { _ throws(DamaError) in }
        }
        assertFails(.invalidArgument, "there are 0 ranks") {
            _ = try RankGroup(rank: 0, of: 0) { _ throws(DamaError) in }
        }
    }

    /// Metrics are those of the whole batch, and the weights of all ranks the same bits.
    func testMetricsAndWeightsAreTheSameOnAllRanks() throws {
        let one = try Self.trainer(sftWeight: 0.2)
        let expected = try Self.batches()[..<3].map { try one.step($0) }
        let results = ThreadRanks(3).run { ranks in
            let trainer = try Self.trainer(ranks, sftWeight: 0.2)
            let metrics = try Self.batches()[..<3].map { try trainer.step(Self.share($0, ranks)) }
            return (metrics, try Self.contents(trainer))
        }
        let found = try results.map { try $0.get() }
        for (metrics, contents) in found {
            XCTAssertTrue(contents == found[0].1)
            for (one, other) in zip(expected, metrics) {
                XCTAssertEqual(other.pairs, 6)
                XCTAssertEqual(other.tokens, one.tokens)
                XCTAssertEqual(other.kept, one.kept)
                XCTAssertEqual(other.step, one.step)
                // The order of the sums of single-precision gradients differs.
                for (name, a, b) in [
                    ("loss", one.loss, other.loss), ("margin", one.marginMean, other.marginMean),
                    ("sft_loss", one.sftLoss, other.sftLoss), ("accuracy", one.accuracy, other.accuracy),
                    ("logps", one.logpsChosen, other.logpsChosen), ("alpha", one.alphaModel, other.alphaModel),
                    ("reference", one.referenceRejected, other.referenceRejected),
                    ("norm", one.gradientNorm, other.gradientNorm), ("mean", one.runningMean, other.runningMean),
                ] { XCTAssertEqual(a, b, accuracy: 1e-6 * max(1, abs(a)) + 2e-5 * Double(one.step - 1), name) }
            }
        }
    }

    func testARankWithTooFewPairsIsNamedOnAllRanks() throws {
        let results = ThreadRanks(2).run { ranks in
            let trainer = try Self.trainer(ranks)
            let before = try Self.contents(trainer)
            let batch = Self.share(try Self.batches()[0], ranks)
            do throws(DamaError) {
                _ = try trainer.step(ranks.rank == 1 ? Array(batch.dropLast(2)) : batch)
                return "no error"
            } catch {
                return try Self.contents(trainer) == before ? error.message : "changed"
            }
        }
        for result in results {
            XCTAssertEqual(try result.get(), "rank 0 brings 3 of the 4 pairs of the batch; its share of them is 2")
        }
    }

    private struct Outcome {
        var error: DamaError?
        var isChanged: Bool
        /// Whether the rank knows that all do.
        var knows: Bool
    }

    /// A rank that fails or is stopped stops the others, and nothing changes.
    func testAFailureOfOneRankStopsAll() throws {
        for kind in ["file", "stopped"] {
            let results = ThreadRanks(2).run { ranks in
                let trainer = try Self.trainer(ranks)
                var batch = Self.share(try Self.batches()[0], ranks)
                let run = try trainer.policy.base.makeRunOptions()
                let before = try Self.contents(trainer)
                if ranks.rank == 1, kind == "file" { batch[0].pair.images = [.path("/nowhere/at/all.png")] }
                if ranks.rank == 1, kind == "stopped" { run.cancel() }
                do throws(DamaError) {
                    _ = try trainer.step(batch, run: run)
                    return Outcome(error: nil, isChanged: true, knows: false)
                } catch {
                    let changed = try Self.contents(trainer) != before || trainer.steps != 0
                    // What fails alone afterwards is told once only: no rank waits any more.
                    ranks.fail(with: error)
                    return Outcome(error: error, isChanged: changed, knows: ranks.hasFailed)
                }
            }
            let found = try results.map { try $0.get() }
            XCTAssertEqual(found.map(\.isChanged), [false, false])
            XCTAssertEqual(found.map(\.knows), [true, true])
            XCTAssertEqual(found[0].error?.code, .cancelled)
            if kind == "file" {
                XCTAssertEqual(found[1].error?.code, .io)
                XCTAssertEqual(
                    found[0].error?.message, "rank 1 of 2 failed, and its own error says why; rank 0 stops too")
            } else {
                XCTAssertEqual(found[1].error?.code, .cancelled)
            }
        }
    }

    /// A loss that is not finite is skipped by all ranks, also by those that have none of its pairs.
    func testANonFiniteStepIsSkippedByAll() throws {
        let results = ThreadRanks(2).run { ranks in
            let trainer = try Self.trainer(ranks, sftWeight: .greatestFiniteMagnitude)
            let before = try Self.contents(trainer)
            let metrics = try trainer.step(Self.share(try Self.batches()[0], ranks))
            return (metrics.updated, trainer.steps, trainer.skipped, try Self.contents(trainer) == before)
        }
        for result in results {
            let (updated, steps, skipped, isUnchanged) = try result.get()
            XCTAssertFalse(updated)
            XCTAssertEqual([steps, skipped], [0, 1])
            XCTAssertTrue(isUnchanged)
        }
    }

    func testRanksOnADeviceAndInFloat16() throws {
        DeviceEmulation.start(7)
        for (device, precision) in [(Device.cpu, Precision.float16), (.cuda(7), .float32), (.cuda(7), .float16)] {
            let one = try Self.trainer(RankGroup(), .full, device: device, precision: precision)
            let expected = try one.step(Self.batches()[0])
            let results = ThreadRanks(2).run { ranks in
                let trainer = try Self.trainer(ranks, .full, device: device, precision: precision)
                let metrics = try trainer.step(Self.share(try Self.batches()[0], ranks))
                return (metrics.gradientNorm, try Self.contents(trainer))
            }
            let found = try results.map { try $0.get() }
            XCTAssertTrue(found[0].1 == found[1].1, "\(device), \(precision)")
            // Runs over other pairs round elsewhere: 2⁻¹¹ in float16.
            let tolerance = precision == .float16 ? 5e-3 : 1e-5
            XCTAssertEqual(found[0].0, expected.gradientNorm, accuracy: tolerance * expected.gradientNorm)
        }
    }
}
