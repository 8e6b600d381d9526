import DamaImage
import DamaKernels
import DamaModels
import DamaPreference
import DamaSupport
import DamaTestSupport
import TrainingTestSupport
import XCTest

@testable import DamaTraining

/// Training of models whose images are cut into tiles, with images of several aspect ratios in a batch, against a plain
/// PyTorch loop (DamaModelsTests/Fixtures/policy_oracle.py).
final class TiledTrainingTests: XCTestCase {
    override class func setUp() { TestRuntime.configure() }

    private struct Model {
        var fixture: TiledFixture
        var template: String
        /// The images of the pairs of a batch, in turn.
        var images: [String]

        func policy() throws -> Policy {
            var options = PolicyOptions()
            options.template = template
            return try Policy(directory: fixture.directory, options: options)
        }

        func batches() throws -> [[TrainingPair]] {
            var batches = try TrainingBatches.read(Fixtures.path("batches.json"), image: nil)
            for batch in batches.indices {
                for pair in batches[batch].indices {
                    batches[batch][pair].pair.image = .path(fixture.image(images[pair % images.count]))
                }
            }
            return batches
        }
    }

    private func models() throws -> [Model] {
        [
            Model(
                fixture: try TiledFixture("llava_next/default", tokenizer: "llava/default"), template: "vicuna_v1",
                images: ["flat", "large", "square", "tall", "wide"]),
            Model(
                fixture: try TiledFixture("idefics3/idefics3", tokenizer: "idefics3"),
                template: "User:{image}{question}<end_of_utterance>\nAssistant: {response}<end_of_utterance>",
                images: ["small", "square", "tall", "wide"]),
        ]
    }

    private func trainer(
        _ model: Model, _ trainable: Trainable, activations: TrainedPolicy.Activations = .keep,
        tokensPerRun: Int = 4096
    ) throws -> Trainer {
        let base = try model.policy()
        var configuration = AdaptiveBeta.Configuration.paper
        (configuration.beta, configuration.keep) = (0.5, .count(4))
        var options = TrainerOptions()
        options.optimizer = AdamW(learningRate: 2e-3)
        options.optimizer.weightDecay = 0.01
        options.tokensPerRun = tokensPerRun
        return try Trainer(
            TrainedPolicy(base, trainable, activations: activations), reference: base,
            controller: AdaptiveBeta(configuration), options: options)
    }

    // MARK: Ten steps

    private func compare(_ kind: String, _ trainer: Trainer, _ model: Model, _ what: String) throws {
        let steps = try XCTUnwrap(Files.readJSON("\(model.fixture.folder)/\(kind).json").array)
        let file = try SafetensorsFile(path: "\(model.fixture.folder)/\(kind).safetensors")
        func tensors(_ kind: String) throws -> [(Parameter, [Float])] {
            try file.names.filter { $0.hasPrefix("\(kind).") }.map { key in
                let parameter = trainer.policy.parameters.first { key == "\(kind).\($0.name)" }
                return (try XCTUnwrap(parameter, key), try XCTUnwrap(file[key]).floats())
            }
        }
        for (parameter, values) in try tensors("start") {
            _ = parameter.value.elements.update(fromContentsOf: values)
        }
        let batches = try model.batches()
        XCTAssertEqual(steps.count, batches.count)
        for (number, batch) in batches.enumerated() {
            let metrics = try trainer.step(batch)
            let place = "\(what), step \(number)"
            // Over ten updates of Adam the rounding errors of two fp32 programs grow.
            XCTAssertEqual(metrics.loss, try XCTUnwrap(steps[number]["loss"]?.double), accuracy: 1e-4, place)
            XCTAssertEqual(
                metrics.runningMean, try XCTUnwrap(steps[number]["running_mean"]?.double), accuracy: 1e-4, place)
            let norm = try XCTUnwrap(steps[number]["gradient_norm"]?.double)
            XCTAssertEqual(metrics.gradientNorm, norm, accuracy: 1e-3 * norm, place)
            guard number == 0 else { continue }
            let gradients = try tensors("gradient")
            let largest = gradients.flatMap { $0.1 }.map(abs).max() ?? 0
            for (parameter, gradient) in gradients {
                for (a, b) in zip(parameter.gradient.elements, gradient) {
                    // A few hundred roundings relative to the largest element.
                    XCTAssertEqual(a, b, accuracy: 2e-5 * largest, "\(what): gradient of \(parameter.name)")
                }
            }
        }
        let finals = try tensors("final")
        XCTAssertGreaterThan(finals.count, 1)
        for (parameter, final) in finals {
            let scale = final.map(abs).max() ?? 1
            for (a, b) in zip(parameter.value.elements, final) {
                XCTAssertEqual(a, b, accuracy: 1e-4 * scale, "\(what): \(parameter.name)")
            }
        }
    }

    func testTenFullStepsEqualTorch() throws {
        for model in try models() {
            let name = model.fixture.folder
            try compare("full", trainer(model, .full), model, "\(name), one run")
            try compare("full", trainer(model, .full, activations: .recompute), model, "\(name), recomputed")
            try compare("full", trainer(model, .full, tokensPerRun: 1), model, "\(name), a pair at a time")
        }
    }

    func testTenStepsOfLoRAEqualTorch() throws {
        for model in try models() {
            let adapters = try LowRankAdapters(rank: 2, alpha: 4, targets: ["q_proj", "down_proj"])
            try compare("lora", trainer(model, .lora(adapters)), model, model.fixture.folder)
        }
    }

    // MARK: The projector

    /// The gradient of one weighted pair between others, for which the backward run takes a part of the pass, equals
    /// that of a pass of this pair alone.
    func testAPartOfAPassHasTheGradientOfItsPairs() throws {
        for model in try models() {
            let trained = try TrainedPolicy(model.policy(), .projector)
            let pairs = try model.batches()[0].map { try trained.base.prepare($0.pair) }
            func gradients(_ pairs: [PreparedPair], _ weights: [Double]) throws -> [[Float]] {
                let pass = try trained.forward(pairs)
                try trained.backward(pass, chosen: weights, rejected: weights.map { -$0 }, .replace)
                return trained.parameters.map { Array($0.gradient.elements) }
            }
            let whole = try gradients(pairs, pairs.indices.map { $0 == 2 ? 1 : 0 })
            let alone = try gradients([pairs[2]], [1])
            for ((a, b), parameter) in zip(zip(whole, alone), trained.parameters) {
                let scale = b.map(abs).max() ?? 0
                XCTAssertGreaterThan(scale, 0, parameter.name)
                // The same sums in another order.
                for (a, b) in zip(a, b) { XCTAssertEqual(a, b, accuracy: 1e-5 * scale, parameter.name) }
            }
        }
    }

    /// Opened again, an export gives the trained policy's numbers; it has the tensors of the base, by the same names.
    func testTheExportIsTheTrainedModel() throws {
        for model in try models() {
            let trainer = try trainer(model, .full)
            let batches = try model.batches()
            for batch in batches.prefix(2) { _ = try trainer.step(batch) }
            let folder = try TemporaryDirectory()
            try trainer.policy.export(to: "\(folder.path)/exported")
            var options = PolicyOptions()
            options.template = model.template
            let exported = try Policy(directory: "\(folder.path)/exported", options: options)
            let pairs = try batches[0].map { try trainer.policy.base.prepare($0.pair) }
            let expected = try trainer.policy.forward(pairs).logProbabilities
            let base = try trainer.policy.base.logProbabilities(prepared: pairs)
            var moved: Float = 0
            for ((a, b), c) in zip(zip(try exported.logProbabilities(prepared: pairs), expected), base) {
                for ((x, y), z) in zip(zip(a.chosen.tokens, b.chosen.tokens), c.chosen.tokens) {
                    XCTAssertEqual(x, y, accuracy: 1e-5)
                    moved = max(moved, abs(y - z))
                }
            }
            XCTAssertGreaterThan(moved, 1e-2)
            let (before, after) = (
                try SafetensorsFile(path: "\(model.fixture.directory)/model.safetensors"),
                try SafetensorsFile(path: "\(folder.path)/exported/model.safetensors")
            )
            XCTAssertEqual(Set(before.names), Set(after.names))
        }
    }
}
