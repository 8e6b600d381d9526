import DamaImage
import DamaKernels
import DamaPreference
import DamaRuntime
import DamaSupport
import DamaTestSupport
import Foundation
import TrainingTestSupport
import XCTest

@testable import DamaModels
@testable import DamaTraining

/// Another kind of vision part (``PatchVision``), whose images take different numbers of tokens. A prompt has one to
/// four images.
final class VariableImageTests: XCTestCase {
    override class func setUp() { TestRuntime.configure() }

    private var folder: TemporaryDirectory!

    override func setUpWithError() throws { folder = try TemporaryDirectory() }

    // MARK: The policy

    /// The weight of the projector, row by row.
    private func projector(_ hidden: Int) -> [Float] {
        (0..<hidden * PatchVision.patchSize).map { 0.3 * sin(Float($0) * 1.7 + 0.05 * Float($0 % 31)) }
    }

    private func policy(_ weight: [Float]? = nil) throws -> (policy: Policy, vision: PatchVision) {
        let directory = Fixtures.path("../../DamaModelsTests/Fixtures/llava/default")
        let base = try Policy(directory: directory)
        let weight = weight ?? projector(base.hiddenSize)
        let path = "\(folder.path)/\(UUID().uuidString).safetensors"
        try weight.withUnsafeBytes { bytes in
            try SafetensorsWriter.write(
                [
                    .init(
                        name: PatchVision.weightName, type: .float32, shape: [base.hiddenSize, PatchVision.patchSize],
                        bytes: bytes)
                ], to: path)
        }
        let runtime = base.decoder.runtime
        let vision = PatchVision(
            ModelWeights(try WeightStore(file: path), runtime), runtime, hiddenSize: base.hiddenSize)
        let policy = Policy(
            directory: directory, options: PolicyOptions(), tokenizer: base.tokenizer, format: base.text.format,
            parts: ModelParts(decoder: base.decoder, vision: vision), image: base.text.image)
        return (policy, vision)
    }

    private func image(_ width: Int, _ height: Int, seed: Int) throws -> ImageSource {
        let bytes = (0..<3 * width * height).map { UInt8(truncatingIfNeeded: ($0 / 5) * (seed + 3) + 40 * seed) }
        return .pixels(try RGBImage(width: width, height: height, pixels: bytes))
    }

    /// Images of 1, 6 and 2 tokens, alone, in pairs and repeated.
    private func pairs() throws -> [PreferencePair] {
        let (a, b, c) = (try image(8, 8, seed: 1), try image(24, 16, seed: 2), try image(8, 16, seed: 3))
        return [
            PreferencePair(images: [a], prompt: "What is it?", chosen: "A circle.", rejected: "Two squares, I think."),
            PreferencePair(images: [b, c], prompt: "Compare.", chosen: "The first.", rejected: "No."),
            PreferencePair(images: [c, a, b, a], prompt: "Colours?", chosen: "Red, blue.", rejected: "All of them!"),
            PreferencePair(images: [b], prompt: "<image>\nDescribe.", chosen: "A star.", rejected: "Nothing."),
        ]
    }

    // MARK: Preparation and scoring

    func testEachImageHasThePlaceholdersThatItTakes() throws {
        let (policy, _) = try policy()
        let prepared = try policy.prepare(pairs())
        XCTAssertEqual(prepared.map { $0.images.map(\.tokenCount) }, [[1], [6, 2], [2, 1, 6, 1], [6]])
        let runs = prepared.map { pair in
            pair.sequence.tokens.split { $0 != TokenSequence.imagePlaceholder }.map(\.count)
        }
        // The line break of the template separates two images.
        XCTAssertEqual(runs, [[1], [6, 2], [2, 1, 6, 1], [6]])
    }

    /// Against rows built by hand from the features of each image, in the order of the prompt.
    func testScoresAreThoseOfTheFeatures() throws {
        let (policy, vision) = try policy()
        let pairs = try pairs()
        let found = try policy.logProbabilities(pairs)
        for (pair, found) in zip(pairs, found) {
            let prepared = try policy.prepare(pair)
            let weight = projector(policy.hiddenSize)
            var features: [Float] = []
            for source in pair.images {
                let patches = try vision.patches(vision.prepare(source.decode()))
                for start in stride(from: 0, to: patches.count, by: PatchVision.patchSize) {
                    for row in 0..<policy.hiddenSize {
                        features.append(
                            (0..<PatchVision.patchSize).reduce(0) {
                                $0 + weight[row * PatchVision.patchSize + $1] * patches[start + $1]
                            })
                    }
                }
            }
            let rows = try TensorValue(
                OnnxRuntime.load(), features, shape: [features.count / policy.hiddenSize, policy.hiddenSize])
            let expected = try policy.decoder.logProbabilities(
                [DecoderRow(prepared.sequence, features: FeatureRows([rows]))], options: nil)[0]
            for (a, b) in zip(found.chosen.tokens + found.rejected.tokens, expected) {
                // The same values in a batch of another shape.
                XCTAssertEqual(a, b, accuracy: 1e-5)
            }
        }
    }

    func testAnImageOfABatchIsPreparedAndEncodedOnce() throws {
        let (policy, vision) = try policy()
        _ = try policy.logProbabilities(pairs() + pairs())
        XCTAssertEqual(vision.asked.prepared, 3)
        XCTAssertEqual(vision.asked.encoded, 3)
        _ = try policy.generate(
            pairs().map { GenerationRequest(images: $0.images, prompt: $0.prompt) }, GenerationOptions())
        XCTAssertEqual(vision.asked.prepared, 6)
        XCTAssertEqual(vision.asked.encoded, 6)
    }

    /// Equal pixel values of another width and height are another image.
    func testImagesAreToldApartByTheirContents() throws {
        let (policy, vision) = try policy()
        let bytes = [UInt8](repeating: 7, count: 3 * 8 * 16)
        let shapes: [(Int, Int)] = [(8, 16), (16, 8), (8, 16)]
        let pairs = try shapes.map { width, height in
            PreferencePair(
                image: .pixels(try RGBImage(width: width, height: height, pixels: bytes)), prompt: "a", chosen: "b",
                rejected: "c")
        }
        _ = try policy.logProbabilities(pairs)
        XCTAssertEqual(vision.asked.encoded, 2)
    }

    /// Threads that request an image at the same time wait for the thread that prepares it.
    func testThreadsShareAnImage() throws {
        let (policy, vision) = try policy()
        let pair = try pairs()[1]
        let images = PreparedImages()
        Concurrent.forEach(16) { _ in _ = try? policy.prepare(pair, sharing: images) }
        XCTAssertEqual(vision.asked.prepared, 2)
    }

    // MARK: Training

    private func batch() throws -> [TrainingPair] { try pairs().map { TrainingPair($0) } }

    private func trainer(
        _ policy: Policy, _ trainable: Trainable, reference: Policy? = nil, tokensPerRun: Int = 4096
    ) throws -> Trainer {
        var options = TrainerOptions()
        options.tokensPerRun = tokensPerRun
        return try Trainer(
            TrainedPolicy(policy, trainable), reference: reference ?? policy, controller: AdaptiveBeta(.dpo),
            options: options)
    }

    func testForwardGivesThePolicysNumbers() throws {
        for trainable in try [Trainable.projector, .full, .lora(LowRankAdapters(rank: 2, alpha: 4))] {
            let (policy, _) = try policy()
            let expected = try policy.logProbabilities(pairs())
            for tokens in [4096, 1] {
                let found = try trainer(policy, trainable, tokensPerRun: tokens).forward(pairs()).logProbabilities
                for (a, b) in zip(found, expected) {
                    for (x, y) in zip(a.chosen.tokens + a.rejected.tokens, b.chosen.tokens + b.rejected.tokens) {
                        // Adapters start at 0. Training computes the features in a graph, PatchVision in its own code.
                        XCTAssertEqual(x, y, accuracy: 2e-5, "\(trainable.name), \(tokens)")
                    }
                }
            }
        }
    }

    /// The gradient of Σ c · log π with respect to the projector, against central differences of the policy with a
    /// changed projector. A masked pair between others makes the backward run cover a part of the pass.
    func testTheProjectorsGradientIsTheSlope() throws {
        let weights: (chosen: [Double], rejected: [Double]) = ([1, 0, -0.5, 2], [-1, 0, 1, 0.5])
        let (policy, _) = try policy()
        func value(_ weight: [Float]) throws -> Double {
            let found = try self.policy(weight).policy.logProbabilities(pairs())
            return found.indices.reduce(0) {
                $0 + weights.chosen[$1] * found[$1].chosen.sum + weights.rejected[$1] * found[$1].rejected.sum
            }
        }
        let start = projector(policy.hiddenSize)
        let step: Float = 1e-2
        let places = [0, 5, 77, 200, start.count - 1]
        let slopes = try places.map { place in
            var (up, down) = (start, start)
            up[place] += step
            down[place] -= step
            return try (value(up) - value(down)) / Double(2 * step)
        }
        let largest = slopes.map(abs).max() ?? 0
        XCTAssertGreaterThan(largest, 0.01)
        for (tokens, use) in [(4096, PassUse.once), (4096, .again), (1, .once)] {
            let trainer = try trainer(policy, .projector, tokensPerRun: tokens)
            let forward = try trainer.forward(pairs(), use: use)
            try trainer.backward(forward, chosen: weights.chosen, rejected: weights.rejected, .replace)
            let gradient = trainer.policy.parameters[0].gradient.elements
            XCTAssertEqual(gradient.count, start.count)
            for (place, slope) in zip(places, slopes) {
                // Rounding of fp32 sums of about 100 over a difference of 0.02, and the third derivative.
                XCTAssertEqual(Double(gradient[place]), slope, accuracy: 1e-2 * largest, "weight \(place)")
            }
        }
    }

    func testStepsTrainAndTakeEachImageOnce() throws {
        let adapters = try Trainable.lora(LowRankAdapters(rank: 2, alpha: 4, targets: ["all-linear"]))
        let (policy, vision) = try policy()
        let shared = try trainer(policy, adapters)
        let before = vision.asked
        let metrics = try shared.step(batch())
        XCTAssertTrue(metrics.updated)
        // Three images, for the reference and for the policy together.
        XCTAssertEqual(vision.asked.prepared - before.prepared, 3)
        XCTAssertEqual(vision.asked.encoded - before.encoded, 3)
        // A separate reference computes its own features, and the step is the same bit for bit.
        let (other, _) = try self.policy()
        let separate = try trainer(policy, adapters, reference: other)
        XCTAssertEqual(try separate.step(batch()).loss.bitPattern, metrics.loss.bitPattern)
        for (a, b) in zip(shared.policy.parameters, separate.policy.parameters) {
            XCTAssertTrue(a.gradient.bytes.elementsEqual(b.gradient.bytes), a.name)
            XCTAssertTrue(a.value.bytes.elementsEqual(b.value.bytes), a.name)
        }
    }

    // MARK: A pass

    func testAPassForOneUseIsUsedOnce() throws {
        let (policy, _) = try policy()
        let adapters = try Trainable.lora(LowRankAdapters(rank: 2, alpha: 4))
        let trainer = try trainer(policy, adapters)
        let (chosen, rejected) = ([1.0, 1, 1, 1], [-1.0, -1, -1, -1])
        let pairs = try pairs()
        let once = try trainer.forward(pairs)
        assertFails(.shapeMismatch, "3 and 4 gradients for 4 pairs") {
            try trainer.backward(once, chosen: [1, 1, 1], rejected: rejected)
        }
        try trainer.backward(once, chosen: chosen, rejected: rejected, .replace)
        let expected = trainer.policy.parameters.map { Array($0.gradient.elements) }
        assertFails(.invalidArgument, "used up by an earlier backward run") {
            try trainer.backward(once, chosen: chosen, rejected: rejected)
        }
        // A gradient that overwrites the logits equals one with its own memory.
        let again = try trainer.forward(pairs, use: .again)
        for _ in 0..<2 {
            try trainer.backward(again, chosen: chosen, rejected: rejected, .replace)
            XCTAssertEqual(trainer.policy.parameters.map { Array($0.gradient.elements) }, expected)
        }
    }

    func testATargetThatTheModelLacks() throws {
        let adapters = try LowRankAdapters(rank: 1, alpha: 1, targets: ["q_proj", "down_proj"])
        assertFails(.invalidArgument, "\"down_proj\" does not exist in this model; it has q_proj, k_proj") {
            _ = try adapters.targets(among: ["q_proj", "k_proj"])
        }
        let all = try LowRankAdapters(rank: 1, alpha: 1, targets: ["all-linear"])
        XCTAssertEqual(try all.targets(among: ["q_proj", "k_proj"]), ["q_proj", "k_proj"])
    }
}
