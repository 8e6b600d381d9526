import DamaImage
import DamaKernels
import DamaPreference
import DamaSupport
import DamaTestSupport
import TrainingTestSupport
import XCTest

@testable import DamaModels
@testable import DamaTraining

/// The chosen response's likelihood beside the preference loss.
final class SupervisedTermTests: XCTestCase {
    override class func setUp() { TestRuntime.configure() }

    private static let model = Fixtures.path("../../DamaModelsTests/Fixtures/llava/default")
    private static let image = ImageSource.path(Fixtures.path("../../DamaModelsTests/Fixtures/llava/image.png"))

    private func trainer(_ weight: Double) throws -> Trainer {
        let base = try Policy(directory: Self.model)
        var configuration = AdaptiveBeta.Configuration.paper
        configuration.beta = 0.5
        configuration.keep = .count(4)
        var options = TrainerOptions()
        options.optimizer = AdamW(learningRate: 2e-3)
        options.optimizer.weightDecay = 0.01
        options.sftWeight = weight
        return try Trainer(
            TrainedPolicy(base, .full), reference: base, controller: AdaptiveBeta(configuration), options: options)
    }

    private func batches() throws -> [[TrainingPair]] {
        try TrainingBatches.read(Fixtures.path("batches.json"), image: Self.image)
    }

    private func pair(_ chosen: [Float], _ rejected: [Float] = [-1]) -> PairSums {
        PairSums(PairLogProbabilities(chosen: .init(tokens: chosen), rejected: .init(tokens: rejected)), reference: nil)
    }

    /// Three steps of a float64 PyTorch loop with TRL's definition (Fixtures/make_sft.py).
    func testStepsEqualTorch() throws {
        let expected = try Fixtures.json("sft.json")
        let trainer = try trainer(try XCTUnwrap(expected["weight"]?.double))
        let steps = try XCTUnwrap(expected["steps"]?.array)
        XCTAssertEqual(steps.count, 3)
        for (number, (step, batch)) in zip(steps, try batches()).enumerated() {
            let metrics = try trainer.step(batch)
            // Single against double precision; sums over some 30 tokens of logarithms of about 5.
            XCTAssertEqual(metrics.loss, try XCTUnwrap(step["loss"]?.double), accuracy: 2e-5, "step \(number)")
            XCTAssertEqual(metrics.sftLoss, try XCTUnwrap(step["sft_loss"]?.double), accuracy: 2e-5, "step \(number)")
            XCTAssertEqual(metrics.runningMean, try XCTUnwrap(step["running_mean"]?.double), accuracy: 1e-5)
            let norm = try XCTUnwrap(step["gradient_norm"]?.double)
            XCTAssertEqual(metrics.gradientNorm, norm, accuracy: 1e-4 * norm, "step \(number)")
            guard number == 0 else { continue }
            for parameter in trainer.policy.parameters {
                let gradient = try XCTUnwrap(expected["gradients"]?[parameter.name], parameter.name)
                let squares = parameter.gradient.elements.reduce(0) { $0 + Double($1) * Double($1) }
                let whole = try XCTUnwrap(gradient["squares"]?.double)
                XCTAssertEqual(squares.squareRoot(), whole.squareRoot(), accuracy: 1e-4 * norm, parameter.name)
                let largest = parameter.gradient.elements.map { abs(Double($0)) }.max() ?? 0
                XCTAssertEqual(
                    largest, try XCTUnwrap(gradient["largest"]?.double), accuracy: 1e-4 * norm, parameter.name)
            }
        }
    }

    /// The derivative by central differences, and the value by hand.
    func testValueAndDerivative() {
        let tokens: [[Float]] = [[-1, -2, -0.5], [-3], [-0.25, -0.75]]
        let mask = [true, false, true]
        func weighted(_ tokens: [[Float]]) -> Double {
            SupervisedTerm(weight: 0.5, tokens.map { pair($0) }, mask: mask).weighted
        }
        let term = SupervisedTerm(weight: 0.5, tokens.map { pair($0) }, mask: mask)
        // (3.5 + 1) / 5, all exact in binary but the quotient.
        XCTAssertEqual(term.loss, 0.9, accuracy: 1e-15)
        XCTAssertEqual(term.weighted, 0.45, accuracy: 1e-15)
        let gradient = term.added(to: [0.125, 0, 2])
        for index in tokens.indices {
            var (above, below) = (tokens, tokens)
            above[index][0] += 0.25
            below[index][0] -= 0.25
            // Linear in log π, so the difference is exact up to rounding.
            let slope = (weighted(above) - weighted(below)) / 0.5
            XCTAssertEqual(gradient[index] - [0.125, 0, 2][index], slope, accuracy: 1e-14)
        }
    }

    func testWithoutAWeightNothingChanges() throws {
        let term = SupervisedTerm(weight: 0, [pair([-.infinity]), pair([-1])], mask: [true, true])
        XCTAssertEqual(term.weighted, 0)
        XCTAssertEqual(term.added(to: [0.1, 0.2]), [0.1, 0.2])
        let none = SupervisedTerm(weight: 1, [pair([-1])], mask: [false])
        XCTAssertTrue(none.loss.isNaN)
        XCTAssertEqual(none.added(to: [0]), [0])
        // Bit for bit the step of a trainer that knows no weight: the loss is the mean of the kept pairs' losses.
        let trainer = try trainer(0)
        let metrics = try trainer.step(batches()[0])
        let step = try XCTUnwrap(trainer.lastStep)
        XCTAssertEqual(metrics.loss.bitPattern, step.loss.bitPattern)
        XCTAssertGreaterThan(metrics.sftLoss, 0)
        for weight in [-1, .infinity, .nan] {
            assertFails(.invalidArgument, "sft_weight") { _ = try self.trainer(weight) }
        }
    }

    // MARK: Held-out pairs

    /// Scoring pairs changes nothing, and equals a forward run by hand.
    func testHeldOutPairsChangeNothing() throws {
        let batches = try batches()
        let (plain, scored) = (try trainer(0.1), try trainer(0.1))
        let base = try XCTUnwrap(plain.reference)
        for batch in batches.prefix(2) {
            _ = try plain.step(batch)
            _ = try scored.step(batch)
            var held = batches[4]
            let logps = try base.logProbabilities(held.map(\.pair))
            for index in held.indices {
                held[index].reference = (logps[index].chosen.sum, logps[index].rejected.sum)
            }
            let found = try scored.heldOut(held)
            let policy = try scored.forward(held.map(\.pair)).logProbabilities
            let margins = zip(policy, logps).map {
                $0.chosen.sum - $1.chosen.sum - ($0.rejected.sum - $1.rejected.sum)
            }
            let count = Double(held.count)
            XCTAssertEqual(found.pairs, held.count)
            XCTAssertEqual(found.margin, margins.reduce(0, +) / count, accuracy: 1e-12)
            XCTAssertEqual(found.loss, margins.map { log1p(exp(-0.5 * $0)) }.reduce(0, +) / count, accuracy: 1e-12)
            XCTAssertEqual(found.accuracy, Double(margins.count { $0 > 0 }) / count)
            XCTAssertEqual(found.logpsRejected, policy.map(\.rejected.sum).reduce(0, +) / count, accuracy: 1e-12)
            XCTAssertEqual(found.referenceChosen, logps.map(\.chosen.sum).reduce(0, +) / count, accuracy: 1e-12)
            let tokens = policy.reduce(0) { $0 + $1.chosen.count }
            XCTAssertEqual(
                found.sftLoss, -policy.map(\.chosen.sum).reduce(0, +) / Double(tokens), accuracy: 1e-12)
        }
        XCTAssertEqual(try plain.step(batches[2]).loss.bitPattern, try scored.step(batches[2]).loss.bitPattern)
        for (a, b) in zip(plain.policy.parameters, scored.policy.parameters) {
            XCTAssertTrue(a.value.elements.elementsEqual(b.value.elements), a.name)
        }
        assertFails(.invalidArgument, "no reference log-probabilities") { _ = try scored.heldOut(batches[0]) }
        assertFails(.invalidArgument, "there are no held-out pairs") { _ = try scored.heldOut([]) }
    }
}
