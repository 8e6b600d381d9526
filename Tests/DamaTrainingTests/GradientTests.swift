import DamaImage
import DamaKernels
import DamaModels
import DamaPreference
import DamaSupport
import DamaTestSupport
import TrainingTestSupport
import XCTest

@testable import DamaTraining

/// Adding and replacing gradients. TrainerTests compares their values with torch's.
final class GradientTests: XCTestCase {
    override class func setUp() { TestRuntime.configure() }

    private static let models = Fixtures.path("../../DamaModelsTests/Fixtures/llava")
    private static let image = ImageSource.path("\(models)/image.png")

    private func trainer(_ model: String, _ trainable: Trainable, tokensPerRun: Int = 4096) throws -> Trainer {
        let base = try Policy(directory: "\(Self.models)/\(model)")
        var options = TrainerOptions()
        options.tokensPerRun = tokensPerRun
        return try Trainer(
            TrainedPolicy(base, trainable), reference: base, controller: AdaptiveBeta(.dpo), options: options)
    }

    private func gradients(_ policy: TrainedPolicy) -> [[Float]] {
        policy.parameters.map { Array($0.gradient.elements) }
    }

    /// Replacing gives the same as clearing and adding, regardless of the previous contents: for the whole model, with
    /// and without a tied head, for adapters and for the projector; in one pass and in several.
    func testReplacingIsClearingAndAdding() throws {
        let pairs = try TrainingBatches.read(Fixtures.path("batches.json"), image: Self.image)[0].map(\.pair)
        let chosen = pairs.indices.map { $0 == 2 ? 0 : Double($0) - 1.5 }
        let rejected = chosen.map { 0.5 - $0 }
        let adapters = try Trainable.lora(LowRankAdapters(rank: 2, alpha: 4, targets: ["all-linear"]))
        for model in ["default", "full_gqa_tied"] {
            for trainable in [.full, adapters, .projector, .patterns(["*embed_tokens.weight"])] {
                for tokens in [4096, 1] {
                    let what = "\(model), \(trainable.name), \(tokens)"
                    let trainer = try trainer(model, trainable, tokensPerRun: tokens)
                    let policy = trainer.policy
                    let forward = try trainer.forward(pairs, use: .again)
                    try policy.clearGradients()
                    try trainer.backward(forward, chosen: chosen, rejected: rejected)
                    let expected = gradients(policy)
                    XCTAssertGreaterThan(expected.joined().map(abs).max() ?? 0, 0, what)
                    for parameter in policy.parameters { parameter.gradient.elements.update(repeating: .nan) }
                    try trainer.backward(forward, chosen: chosen, rejected: rejected, .replace)
                    // The same sums, but products that accumulate add their parts in another order.
                    let largest = expected.joined().map(abs).max() ?? 0
                    func distance(_ factor: Float) -> Float {
                        zip(gradients(policy).joined(), expected.joined()).map { abs($0 - factor * $1) }
                            .reduce(0) { $1.isNaN ? .infinity : max($0, $1) }
                    }
                    XCTAssertLessThan(distance(1), 1e-6 * largest, what)
                    // Adding doubles the gradients. Embedding rows are added one by one, each with its rounding.
                    try trainer.backward(forward, chosen: chosen, rejected: rejected)
                    XCTAssertLessThan(distance(2), 1e-5 * largest, what)
                }
            }
        }
    }

    func testNothingThatFlowsBackReplacesByZeros() throws {
        let trainer = try trainer("default", .projector)
        let forward = try trainer.forward(
            TrainingBatches.read(Fixtures.path("batches.json"), image: Self.image)[0].map(\.pair))
        let zeros = [Double](repeating: 0, count: forward.logProbabilities.count)
        for parameter in trainer.policy.parameters { parameter.gradient.elements.update(repeating: .nan) }
        try trainer.backward(forward, chosen: zeros, rejected: zeros, .replace)
        XCTAssertEqual(try trainer.gradientNorm(), 0)
    }
}
