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

/// Whole steps against a plain PyTorch loop (Fixtures/make_training.py).
final class TrainerTests: XCTestCase {
    override class func setUp() { TestRuntime.configure() }

    private static let model = Fixtures.path("../../DamaModelsTests/Fixtures/llava/default")
    private static let image = ImageSource.path(Fixtures.path("../../DamaModelsTests/Fixtures/llava/image.png"))

    private func batches() throws -> [[TrainingPair]] {
        try TrainingBatches.read(Fixtures.path("batches.json"), image: Self.image)
    }

    private func trainer(
        _ trainable: Trainable, activations: TrainedPolicy.Activations = .keep, tokensPerRun: Int = 4096,
        device: Device = .cpu, precision: Precision = .float32, offloads: Bool = false,
        keep: AdaptiveBeta.Keep = .count(4), ranks: RankGroup = RankGroup()
    ) throws -> Trainer {
        var opening = PolicyOptions()
        opening.device = device
        opening.precision = precision
        let base = try Policy(directory: Self.model, options: opening)
        let policy = try TrainedPolicy(base, trainable, activations: activations, offloads: offloads)
        var configuration = AdaptiveBeta.Configuration.paper
        configuration.beta = 0.5
        configuration.keep = keep
        var options = TrainerOptions()
        options.optimizer = AdamW(learningRate: 2e-3)
        options.optimizer.weightDecay = 0.01
        options.tokensPerRun = tokensPerRun
        let trainer = try Trainer(
            policy, reference: base, controller: AdaptiveBeta(configuration), options: options, ranks: ranks)
        // A lower scale than that at which updates are skipped: these gradients are large.
        if precision == .float16 { trainer.setLossScale(try XCTUnwrap(LossScale(["value": 16.0, "updates": 0]))) }
        return trainer
    }

    /// Ten steps in fp16 beside the same steps in fp32, which the other tests compare with torch. Products are rounded to
    /// 2⁻¹¹, and through two layers forward and back the errors add up to less than 2 % of a gradient's norm. AdamW
    /// divides each number by its own size, so that after ten updates losses agree to two digits.
    private func compareRoughly(_ trainer: Trainer, _ exact: Trainer, _ what: String) throws {
        for (a, b) in zip(trainer.policy.parameters, exact.policy.parameters) {
            let start = try b.read(.value).array
            try a.set { _ = $0.update(fromContentsOf: start) }
        }
        for (number, batch) in try batches().enumerated() {
            let (found, right) = (try trainer.step(batch), try exact.step(batch))
            XCTAssertTrue(found.updated, what)
            XCTAssertEqual(found.loss, right.loss, accuracy: 2e-2, "\(what), step \(number)")
            XCTAssertEqual(
                found.gradientNorm, right.gradientNorm, accuracy: 5e-2 * right.gradientNorm, "\(what), step \(number)")
            guard number == 0 else { continue }
            for (a, b) in zip(trainer.policy.parameters, exact.policy.parameters) {
                let scale = Float(trainer.policy.lossScale)
                let (rough, gradient) = (try a.readGradient().array.map { $0 / scale }, try b.readGradient().array)
                let difference = zip(rough, gradient).reduce(0) { $0 + ($1.0 - $1.1) * ($1.0 - $1.1) }.squareRoot()
                let size = gradient.reduce(0) { $0 + $1 * $1 }.squareRoot()
                let floor = 1e-4 * Float(right.gradientNorm)
                XCTAssertLessThan(difference, 2e-2 * size + floor, "\(what): gradient of \(a.name)")
            }
        }
    }

    /// The numbers of `kind`, and its tensors under "gradient.…", "final.…" and "start.…".
    /// - Parameter tolerance: of the final parameters, relative to the largest number of each.
    private func compare(_ kind: String, _ trainer: Trainer, _ what: String, tolerance: Float = 1e-4) throws {
        let file = try SafetensorsFile(path: Fixtures.path("\(kind).safetensors"))
        let expected = try XCTUnwrap(Fixtures.json("\(kind).json").array)
        func tensor(_ prefix: String, _ parameter: Parameter) throws -> [Float] {
            try XCTUnwrap(file["\(prefix).\(parameter.name)"], "\(prefix).\(parameter.name)").floats()
        }
        if kind == "lora" {
            for parameter in trainer.policy.parameters {
                let start = try tensor("start", parameter)
                try parameter.set { _ = $0.update(fromContentsOf: start) }
            }
        }
        XCTAssertEqual(
            Set(trainer.policy.parameters.map { "final.\($0.name)" }), Set(file.names.filter { $0.hasPrefix("final.") })
        )
        for (number, batch) in try batches().enumerated() {
            let metrics = try trainer.step(trainer.ranks.share(of: batch.count).map { batch[$0] })
            let step = expected[number]
            // Over ten updates of Adam the rounding errors of two fp32 programs grow.
            XCTAssertEqual(metrics.loss, try XCTUnwrap(step["loss"]?.double), accuracy: 1e-4, "\(what), step \(number)")
            XCTAssertEqual(metrics.alphaModel, try XCTUnwrap(step["alpha_model"]?.double), accuracy: 1e-4, what)
            XCTAssertEqual(metrics.runningMean, try XCTUnwrap(step["running_mean"]?.double), accuracy: 1e-4, what)
            let norm = try XCTUnwrap(step["gradient_norm"]?.double)
            XCTAssertEqual(metrics.gradientNorm, norm, accuracy: 1e-3 * norm, "\(what), step \(number)")
            // Margins and losses of torch's run; the losses follow from Eqs. (3), (16) and (17).
            let margins = try XCTUnwrap(step["margins"]?.array).map { try XCTUnwrap($0.double) }
            let losses = try zip(margins, batch).map { margin, pair in
                let beta = 0.5 * pair.alphaData * (try XCTUnwrap(step["alpha_model"]?.double))
                return log1p(exp(-beta * margin))
            }
            XCTAssertEqual(metrics.marginDeviation, deviation(margins), accuracy: 1e-3, what)
            XCTAssertEqual(metrics.lossDeviation, deviation(losses), accuracy: 1e-3, what)
            let margin =
                metrics.logpsChosen - metrics.referenceChosen - (metrics.logpsRejected - metrics.referenceRejected)
            XCTAssertEqual(margin, margins.reduce(0, +) / Double(margins.count), accuracy: 1e-3, what)
            XCTAssertEqual(metrics.betaClamped, 0)
            guard number == 0 else { continue }
            let gradients = try trainer.policy.parameters.map { try tensor("gradient", $0) }
            let largest = gradients.joined().map(abs).max() ?? 0
            for (parameter, gradient) in zip(trainer.policy.parameters, gradients) {
                for (a, b) in zip(try parameter.readGradient().array, gradient) {
                    XCTAssertEqual(a, b, accuracy: 1e-5 * largest, "\(what): gradient of \(parameter.name)")
                }
            }
        }
        for parameter in trainer.policy.parameters {
            let final = try tensor("final", parameter)
            let scale = final.map(abs).max() ?? 1
            for (a, b) in zip(try parameter.read(.value).array, final) {
                XCTAssertEqual(a, b, accuracy: tolerance * scale, "\(what): \(parameter.name)")
            }
        }
    }

    /// torch.std
    private func deviation(_ values: [Double]) -> Double {
        let mean = values.reduce(0, +) / Double(values.count)
        return (values.map { ($0 - mean) * ($0 - mean) }.reduce(0, +) / Double(values.count - 1)).squareRoot()
    }

    func testBetaAtItsLimitsIsCounted() throws {
        let trainer = try trainer(.full)
        var configuration = trainer.controller.configuration
        configuration.floor = 0.6
        let other = try Trainer(
            trainer.policy, reference: trainer.reference, controller: AdaptiveBeta(configuration),
            options: trainer.options)
        // Before the first step α_M is 1, so that β is 0.5 · α_D.
        let batch = try batches()[0]
        let below = batch.count { 0.5 * $0.alphaData <= 0.6 }
        XCTAssertTrue((1..<batch.count).contains(below), "\(batch.map(\.alphaData))")
        XCTAssertEqual(try other.step(batch).betaClamped, below)
    }

    func testTenFullStepsEqualTorch() throws {
        try compare("full", trainer(.full), "one run")
        try compare("full", trainer(.full, activations: .recompute), "recomputed")
        try compare("full", trainer(.full, tokensPerRun: 1), "a pair at a time")
    }

    func testTenStepsOfLoRAEqualTorch() throws {
        let adapters = try LowRankAdapters(rank: 4, alpha: 8, targets: ["q_proj", "down_proj"])
        try compare("lora", trainer(.lora(adapters)), "one run")
        try compare("lora", trainer(.lora(adapters), activations: .recompute), "recomputed")
    }

    /// Of batches of six pairs four ranks have two, two, one and one.
    func testStepsOverRanksEqualTorch() throws {
        nonisolated(unsafe) let test = self
        for count in [2, 4] {
            let found = ThreadRanks(count).run { ranks in
                try test.compare("full", test.trainer(.full, ranks: ranks), "rank \(ranks.rank) of \(count)")
                let adapters = try LowRankAdapters(rank: 4, alpha: 8, targets: ["q_proj", "down_proj"])
                try test.compare("lora", test.trainer(.lora(adapters), ranks: ranks), "adapters, rank \(ranks.rank)")
            }
            for result in found { try result.get() }
        }
    }

    /// A device is emulated: its memory faults where the host reads it.
    func testStepsOnADeviceEqualTorch() throws {
        DeviceEmulation.start(7)
        let device = Device.cuda(7)
        try compare("full", trainer(.full, device: device), "on a device")
        try compare("full", trainer(.full, activations: .recompute, tokensPerRun: 1, device: device), "pair by pair")
        try compare("full", trainer(.full, device: device, offloads: true), "offloaded")
        let adapters = try LowRankAdapters(rank: 4, alpha: 8, targets: ["q_proj", "down_proj"])
        // Fused kernels round at other places, and AdamW divides each number by its own size.
        try compare("lora", trainer(.lora(adapters), device: device), "adapters on a device", tolerance: 5e-4)
    }

    func testStepsInFloat16EqualTorchRoughly() throws {
        DeviceEmulation.start(7)
        let adapters = try LowRankAdapters(rank: 4, alpha: 8, targets: ["q_proj", "down_proj"])
        // All pairs are kept: before the first update gaps tie, and rounding would decide which pairs are.
        for device in [Device.cpu, .cuda(7)] {
            for trainable in [Trainable.full, .lora(adapters)] {
                for offloads in [false, true] {
                    try compareRoughly(
                        trainer(trainable, device: device, precision: .float16, offloads: offloads, keep: .ratio(1)),
                        trainer(trainable, keep: .ratio(1)), "\(trainable.name) on \(device), \(offloads)")
                }
            }
        }
    }

    /// The gradients of these steps have a norm of about 20: times 2²⁴ they leave the range of fp16.
    func testALossScaleThatIsTooLargeIsHalved() throws {
        let large: JSON = ["value": 16_777_216.0, "updates": 0]
        let trainer = try trainer(.full, precision: .float16, keep: .ratio(1))
        trainer.setLossScale(try XCTUnwrap(LossScale(large)))
        let metrics = try trainer.step(batches()[0])
        XCTAssertTrue(metrics.updated)
        XCTAssertEqual(metrics.skipped, 0)
        XCTAssertLessThan(trainer.policy.lossScale, 16_777_216)

        trainer.setLossScale(try XCTUnwrap(LossScale(large)))
        let pairs = try batches()[1].map(\.pair)
        let ones = [Double](repeating: 1, count: pairs.count)
        try trainer.backward(trainer.forward(pairs), chosen: ones, rejected: ones.map { -$0 })
        assertFails(.invalidArgument, "the loss scale is now 8388608") { try trainer.update() }
        XCTAssertEqual(trainer.steps, 1)
        XCTAssertNil(LossScale(["value": 3.0, "updates": 0]))
        XCTAssertEqual(LossScale(try XCTUnwrap(trainer.lossScale).json), trainer.lossScale)
    }

    func testAPolicyOfONNXFilesIsNotTrained() throws {
        let base = try Policy(directory: Fixtures.path("../../DamaModelsTests/Fixtures/onnx/llava"))
        assertFails(.unsupported, "can be run but not trained") { _ = try TrainedPolicy(base, .projector) }
    }
}
