import DamaImage
import DamaKernels
import DamaModels
import DamaPreference
import DamaSupport
import DamaTestSupport
import TrainingTestSupport
import XCTest

@testable import DamaTraining

final class TrainerCheckpointTests: XCTestCase {
    private var folder: TemporaryDirectory!
    private static let model = Fixtures.path("../../DamaModelsTests/Fixtures/llava/default")

    override func setUpWithError() throws {
        TestRuntime.configure()
        folder = try TemporaryDirectory()
    }

    private func trainer(
        _ trainable: Trainable = .projector, _ change: (inout AdaptiveBeta.Configuration) -> Void = { _ in }
    ) throws -> Trainer {
        let base = try Policy(directory: Self.model)
        var configuration = AdaptiveBeta.Configuration.paper
        configuration.keep = .count(4)
        change(&configuration)
        var options = TrainerOptions()
        options.optimizer = AdamW(learningRate: 1e-2)
        return try Trainer(
            TrainedPolicy(base, trainable), reference: base, controller: AdaptiveBeta(configuration), options: options)
    }

    private func batches() throws -> [[TrainingPair]] {
        let image = ImageSource.path(Fixtures.path("../../DamaModelsTests/Fixtures/llava/image.png"))
        return try TrainingBatches.read(Fixtures.path("batches.json"), image: image)
    }

    private func contents(_ trainer: Trainer) -> [[Float]] {
        trainer.policy.parameters.flatMap { parameter in
            [parameter.value, parameter.firstMoment, parameter.secondMoment].map { Array($0.elements) }
        }
    }

    func testALoadedTrainerGoesOnBitForBit() throws {
        let batches = try batches()
        let first = try trainer { $0.filter = .sample }
        for batch in batches[..<3] { _ = try first.step(batch) }
        try first.save(to: folder.path + "/a.safetensors", note: ["at": 3])
        let second = try trainer { $0.filter = .sample }
        XCTAssertEqual(try second.load(from: folder.path + "/a.safetensors"), #"{"at":3}"#)
        for batch in batches[3..<6] {
            var (a, b) = (try first.step(batch), try second.step(batch))
            a.seconds = StepMetrics.Phases()
            b.seconds = StepMetrics.Phases()
            XCTAssertEqual("\(a)", "\(b)")
        }
        XCTAssertTrue(contents(first) == contents(second))
        XCTAssertEqual(first.controller.state(), second.controller.state())
    }

    func testCheckpointsOfOtherTrainersAreRefusedAndChangeNothing() throws {
        let path = folder.path + "/a.safetensors"
        try trainer().save(to: path)
        for (other, text) in [
            (try trainer { $0.beta = 0.3 }, "another configuration of adaptive beta: beta 0.1 instead of 0.3"),
            (try trainer(.full), "trainer of other weights"),
            (try trainer(.patterns(["*linear_1*"])), "trainer of other weights"),
        ] {
            let before = contents(other)
            assertFails(.invalidArgument, text) { try other.load(from: path) }
            XCTAssertTrue(contents(other) == before)
        }
        assertFails(.model, "is not a trainer's checkpoint") {
            try trainer().load(from: Self.model + "/model.safetensors")
        }
        assertFails(.io, "none.safetensors") { try trainer().load(from: folder.path + "/none.safetensors") }
        assertFails(.io, "cannot create") { try trainer().save(to: folder.path + "/none/a.safetensors") }
    }

    /// A change of any byte is detected and the file refused.
    func testADamagedCheckpointIsRefused() throws {
        let path = folder.path + "/a.safetensors"
        let subject = try trainer()
        try subject.save(to: path)
        let whole = try Files.read(path)
        let header = 8 + whole[..<8].enumerated().reduce(0) { $0 + Int($1.element) << (8 * $1.offset) }
        var generator = RandomGenerator(seed: 11)
        let before = contents(subject)
        for round in 0..<60 {
            var bytes = whole
            // Half of the changes are in the header, where the result may still be valid JSON.
            let at = generator.uniform(below: round % 2 == 0 ? header : bytes.count)
            bytes[at] ^= UInt8(1 << generator.uniform(below: 8))
            try folder.write(bytes, to: "a.safetensors")
            do throws(DamaError) {
                try subject.load(from: path)
                XCTFail("the change of byte \(at) was not detected")
            } catch {
                XCTAssertTrue([.model, .invalidArgument].contains(error.code), "byte \(at): \(error)")
            }
        }
        XCTAssertTrue(contents(subject) == before)
    }

    /// Counts near the 64-bit limit, in a checkpoint with a correct digest: the next step must not overflow.
    func testCountsThatNoTrainingReachesAreRefused() throws {
        let path = folder.path + "/a.safetensors"
        let subject = try trainer()
        let before = contents(subject)
        for (key, value) in [
            ("steps", "18446744073709551615"), ("skipped", "18446744073709551615"), ("steps", "9007199254740993"),
            ("steps", "-1"), ("steps", "1e3"), ("steps", "18446744073709551616"),
        ] {
            try subject.save(to: path)
            try CheckpointForger.change(path) { $0.setting(key, .string(value)) }
            assertFails(.model, "a.safetensors") { try subject.load(from: path) }
        }
        XCTAssertTrue(contents(subject) == before)
        // The most steps that a double counts exactly are accepted, and counting continues.
        try subject.save(to: path)
        try CheckpointForger.change(path) { $0.setting("steps", "9007199254740992") }
        try subject.load(from: path)
        XCTAssertEqual(try subject.step(try batches()[0]).step, 9_007_199_254_740_993)
    }

    func testCountsOfTheControllerThatNoTrainingReachesAreRefused() throws {
        let path = folder.path + "/a.safetensors"
        let subject = try trainer()
        try subject.save(to: path)
        // Before the checksum stand seven 8-byte numbers: three counts, then the generator's four.
        var state = Array(subject.controller.state().dropLast(4))
        for byte in state.count - 56..<state.count - 48 { state[byte] = 0xFF }
        var writer = ByteWriter()
        writer.append(state)
        let text = Hexadecimal.text(of: writer.checksummed())
        try CheckpointForger.change(path) { $0.setting("controller", .string(text)) }
        assertFails(.model, "is damaged: controller state has counts that no training reaches") {
            try subject.load(from: path)
        }
    }

    /// Refusing a note leaves the trainer unchanged.
    func testARefusedNoteChangesNothing() throws {
        let path = folder.path + "/a.safetensors"
        let first = try trainer()
        _ = try first.step(try batches()[0])
        try first.save(to: path, note: ["batch": 1])
        let second = try trainer()
        let before = contents(second)
        assertFails(.model, "not this one") {
            try second.load(from: path) { note throws(DamaError) in throw .model("not this one: \(note.text)") }
        }
        XCTAssertTrue(contents(second) == before)
        XCTAssertEqual(second.steps, 0)
    }

    /// A gradient that overflows changes nothing and is counted.
    func testAStepThatIsNotFiniteChangesNothing() throws {
        let subject = try trainer(.full)
        _ = try subject.step(try batches()[0])
        let before = contents(subject)
        let state = subject.controller.state()
        // β exceeds 1e40 and all pairs are lost (α_M is then 1e-44): the loss is finite in double precision, but its
        // gradients are not finite in fp32.
        let batch = try batches()[1].map { pair in
            TrainingPair(pair.pair, alphaData: 1e90, reference: (chosen: 0, rejected: -1000))
        }
        let metrics = try subject.step(batch)
        XCTAssertFalse(metrics.updated)
        XCTAssertTrue(metrics.loss.isFinite)
        XCTAssertFalse(metrics.gradientNorm.isFinite)
        XCTAssertEqual([metrics.step, metrics.skipped], [1, 1])
        XCTAssertTrue(contents(subject) == before)
        XCTAssertTrue(subject.controller.state() == state)
        XCTAssertEqual(metrics.runningMean, subject.controller.runningMean)
        XCTAssertTrue(try subject.step(try batches()[1]).updated)
    }
}
