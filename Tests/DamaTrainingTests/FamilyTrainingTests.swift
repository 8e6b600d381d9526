import DamaImage
import DamaKernels
import DamaModels
import DamaPreference
import DamaSupport
import DamaTestSupport
import TrainingTestSupport
import XCTest

@testable import DamaTraining

/// Ten steps of Llama's relatives against a plain PyTorch loop (DamaModelsTests/Fixtures/make_families.py).
final class FamilyTrainingTests: XCTestCase {
    override class func setUp() { TestRuntime.configure() }

    private func policy(_ family: FamilyFixture) throws -> Policy {
        var options = PolicyOptions()
        options.template = family.template
        return try Policy(directory: family.directory, options: options)
    }

    func testTenStepsEqualTorch() throws {
        for (name, activations) in [
            ("mistral", TrainedPolicy.Activations.keep), ("qwen2_window", .recompute), ("qwen3", .keep),
            ("qwen3_window", .recompute), ("llava_qwen3", .keep),
        ] {
            let family = try FamilyFixture(name)
            let base = try policy(family)
            let trained = try TrainedPolicy(base, .full, activations: activations)
            var configuration = AdaptiveBeta.Configuration.paper
            (configuration.beta, configuration.keep) = (0.5, .count(4))
            var options = TrainerOptions()
            options.optimizer = AdamW(learningRate: 2e-3)
            options.optimizer.weightDecay = 0.01
            let trainer = try Trainer(
                trained, reference: base, controller: AdaptiveBeta(configuration), options: options)
            let batches = try TrainingBatches.read(
                Fixtures.path("batches.json"), image: family.image.map(ImageSource.path))
            try compare(trainer, batches, family, name)
        }
    }

    private func compare(
        _ trainer: Trainer, _ batches: [[TrainingPair]], _ family: FamilyFixture, _ name: String
    ) throws {
        let steps = try XCTUnwrap(Files.readJSON("\(family.folder)/training.json").array)
        let file = try SafetensorsFile(path: "\(family.folder)/training.safetensors")
        func tensors(_ kind: String) throws -> [(Parameter, [Float])] {
            try file.names.filter { $0.hasPrefix("\(kind).") }.map { key in
                let parameter = trainer.policy.parameters.first { key == "\(kind).\($0.name)" }
                return (try XCTUnwrap(parameter, key), try XCTUnwrap(file[key]).floats())
            }
        }
        XCTAssertEqual(steps.count, batches.count)
        var moved: Float = 0
        for (number, batch) in batches.enumerated() {
            let before = try tensors("final").map { Array($0.0.value.elements) }
            let metrics = try trainer.step(batch)
            let what = "\(name), step \(number)"
            // Over ten updates of Adam the rounding errors of two fp32 programs grow.
            XCTAssertEqual(metrics.loss, try XCTUnwrap(steps[number]["loss"]?.double), accuracy: 1e-4, what)
            XCTAssertEqual(
                metrics.runningMean, try XCTUnwrap(steps[number]["running_mean"]?.double), accuracy: 1e-4, what)
            let norm = try XCTUnwrap(steps[number]["gradient_norm"]?.double)
            XCTAssertEqual(metrics.gradientNorm, norm, accuracy: 1e-3 * norm, what)
            guard number == 0 else { continue }
            let gradients = try tensors("gradient")
            let largest = gradients.flatMap { $0.1 }.map(abs).max() ?? 0
            for (parameter, gradient) in gradients {
                XCTAssertEqual(parameter.gradient.count, gradient.count)
                for (a, b) in zip(parameter.gradient.elements, gradient) {
                    // A few hundred roundings relative to the largest element.
                    XCTAssertEqual(a, b, accuracy: 2e-5 * largest, "\(name): gradient of \(parameter.name)")
                }
            }
            for (old, (parameter, _)) in zip(before, try tensors("final")) {
                moved = max(moved, zip(old, parameter.value.elements).map { abs($0 - $1) }.max() ?? 0)
            }
        }
        XCTAssertGreaterThan(moved, 1e-3, name)
        for (parameter, final) in try tensors("final") {
            for (a, b) in zip(parameter.value.elements, final) {
                XCTAssertEqual(a, b, accuracy: 1e-4, "\(name): \(parameter.name)")
            }
        }
    }

    /// q_norm and k_norm are trained in full, and take no adapters.
    func testNormsOfHeadsAreParameters() throws {
        let base = try policy(FamilyFixture("qwen3"))
        let names = try TrainedPolicy(base, .full).parameters.map(\.name)
        for part in ["q_norm", "k_norm"] {
            XCTAssertTrue(names.contains("model.layers.1.self_attn.\(part).weight"), part)
        }
        let adapters = try LowRankAdapters(rank: 2, alpha: 4, targets: ["all-linear"])
        let low = try TrainedPolicy(base, .lora(adapters)).parameters.map(\.name)
        XCTAssertEqual(low.count, 2 * 7 * 2)
        XCTAssertFalse(low.contains { $0.contains("norm") })
    }

    /// An exported model gives what the trained policy gave.
    func testATrainedNormIsExported() throws {
        let family = try FamilyFixture("qwen3")
        let policy = try TrainedPolicy(self.policy(family), .patterns(["*.q_norm.weight", "*.k_norm.weight"]))
        XCTAssertEqual(policy.parameters.count, 4)
        for parameter in policy.parameters { for index in 0..<8 { parameter.value.elements[index] += 1 } }
        let pairs = try family.expected().map {
            PreferencePair(
                prompt: try XCTUnwrap($0["prompt"]?.string), chosen: try XCTUnwrap($0["chosen"]?.string),
                rejected: try XCTUnwrap($0["rejected"]?.string))
        }
        let expected = try policy.forward(pairs.map { try policy.base.prepare($0) }).logProbabilities
        let target = try TemporaryDirectory()
        try policy.export(to: "\(target.path)/model")
        var options = PolicyOptions()
        options.template = family.template
        let found = try Policy(directory: "\(target.path)/model", options: options).logProbabilities(pairs)
        let before = try policy.base.logProbabilities(pairs)
        for index in pairs.indices {
            // fp32 on both sides, in batches of another shape.
            XCTAssertEqual(found[index].chosen.sum, expected[index].chosen.sum, accuracy: 1e-4)
            XCTAssertGreaterThan(abs(before[index].chosen.sum - expected[index].chosen.sum), 1e-3)
        }
    }
}
