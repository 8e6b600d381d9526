import DamaImage
import DamaKernels
import DamaModels
import DamaPreference
import DamaSupport
import DamaTestSupport
import TrainingTestSupport
import XCTest

@testable import DamaTraining

/// Dropout of adapters in training. Tests/DamaGraphTests/AdapterTests.swift checks its numbers.
final class DropoutTests: XCTestCase {
    override class func setUp() { TestRuntime.configure() }

    private static let model = Fixtures.path("../../DamaModelsTests/Fixtures/llava/default")
    private static let image = ImageSource.path(Fixtures.path("../../DamaModelsTests/Fixtures/llava/image.png"))

    private func trainer(
        _ dropout: Double, seed: UInt64 = 3, activations: TrainedPolicy.Activations = .keep, tokensPerRun: Int = 4096
    ) throws -> Trainer {
        let base = try Policy(directory: Self.model)
        let adapters = try LowRankAdapters(
            rank: 4, alpha: 8, targets: ["q_proj", "o_proj", "down_proj"], dropout: dropout)
        var options = TrainerOptions()
        options.optimizer = AdamW(learningRate: 2e-2)
        options.tokensPerRun = tokensPerRun
        return try Trainer(
            TrainedPolicy(base, .lora(adapters), activations: activations, seed: seed), reference: base,
            controller: AdaptiveBeta(.paper), options: options)
    }

    private func batches() throws -> [[TrainingPair]] {
        try TrainingBatches.read(Fixtures.path("batches.json"), image: Self.image)
    }

    private func values(_ trainer: Trainer) -> [[Float]] { trainer.policy.parameters.map { Array($0.value.elements) } }

    /// The share of dropped numbers is p within four standard deviations; scale and share fit each other exactly.
    func testMasksHaveTheShare() throws {
        let runtime = try Policy(directory: Self.model).decoder.runtime
        for probability in [0.05, 0.5, 0.999] {
            let adapters = try LowRankAdapters(rank: 1, alpha: 1, dropout: probability)
            var dropout = Dropout(adapters, seed: 1, step: 0)
            XCTAssertEqual(dropout.probability, probability, accuracy: 0x1p-17)
            let count = 200_000
            let mask: [UInt8] = try dropout.mask(runtime, shape: [count]).array()
            let dropped = Double(mask.count { $0 == 0 })
            let deviation = (Double(count) * probability * (1 - probability)).squareRoot()
            XCTAssertEqual(dropped, Double(count) * probability, accuracy: 4 * deviation)
            var again = Dropout(adapters, seed: 1, step: 0)
            XCTAssertEqual(try again.mask(runtime, shape: [count]).array(), mask)
            var other = Dropout(adapters, seed: 1, step: 1)
            XCTAssertNotEqual(try other.mask(runtime, shape: [count]).array() as [UInt8], mask)
            var rank = Dropout(adapters, seed: 1, step: 0, rank: 1)
            XCTAssertNotEqual(try rank.mask(runtime, shape: [count]).array() as [UInt8], mask)
        }
    }

    func testTrainingDropsAndScoringDoesNot() throws {
        let batches = try batches()
        let pairs = batches[0].map(\.pair)
        let (with, without) = (try trainer(0.5), try trainer(0))
        for trainer in [with, without] { _ = try trainer.step(batches[0]) }
        XCTAssertNotEqual(values(with), values(without))
        // B is 0 before the first step, so that dropout shows from the second on.
        let prepared = try pairs.map { try with.policy.base.prepare($0) }
        let scored = try with.policy.forward(prepared).logProbabilities
        XCTAssertEqual(scored, try with.policy.forward(prepared).logProbabilities)
        XCTAssertNotEqual(scored, try with.forward(pairs).logProbabilities)
        XCTAssertEqual(try with.forward(pairs).logProbabilities, try with.forward(pairs).logProbabilities)
    }

    /// Recomputed layers see the same masks, also if the backward run skips pairs.
    func testRecomputationSeesTheSameMasks() throws {
        let batches = try batches()
        let (kept, again) = (try trainer(0.3), try trainer(0.3, activations: .recompute))
        for batch in batches.prefix(3) {
            for trainer in [kept, again] { _ = try trainer.step(batch) }
        }
        // The same sums in another order, over three updates.
        for (a, b) in zip(values(kept).joined(), values(again).joined()) { XCTAssertEqual(a, b, accuracy: 1e-4) }
    }

    func testAResumedRunDrawsTheSameMasks() throws {
        let batches = try batches()
        let folder = try TemporaryDirectory()
        let whole = try trainer(0.3)
        for (number, batch) in batches.prefix(4).enumerated() {
            if number == 2 { try whole.save(to: "\(folder.path)/state") }
            _ = try whole.step(batch)
        }
        let resumed = try trainer(0.3)
        _ = try resumed.load(from: "\(folder.path)/state")
        for batch in batches[2..<4] { _ = try resumed.step(batch) }
        XCTAssertEqual(values(whole), values(resumed))
    }

    func testTheRangeIsChecked() {
        for dropout in [-0.1, 1, .nan] {
            assertFails(.invalidArgument, "LoRA dropout is \(dropout); it must be 0 or more, and below 1") {
                _ = try LowRankAdapters(rank: 1, alpha: 1, dropout: dropout)
            }
        }
    }
}
