import DamaImage
import DamaKernels
import DamaModels
import DamaPreference
import DamaSupport
import DamaTestSupport
import TrainingTestSupport
import XCTest

@testable import DamaRuntime
@testable import DamaTraining

/// The optimizer on the host, piece by piece, against ``AdamW`` over whole arrays: bit for bit.
final class OffloadTests: XCTestCase {
    override class func setUp() { TestRuntime.configure() }

    /// A device that no other test uses.
    private static let ordinal: Int32 = 5

    private func emulated() throws -> HostBackend {
        DeviceEmulation.start(Self.ordinal)
        return try XCTUnwrap(DeviceEmulation.backend(Self.ordinal))
    }

    /// Parameters of these sizes on a place, with the numbers that they hold.
    private func parameters(
        _ sizes: [Int], on place: DevicePlace
    ) throws -> (found: [DeviceNumbers], [OptimizerNumbers]) {
        var generator = RandomGenerator(seed: 11)
        let numbers = sizes.map { OptimizerNumbers(count: $0, &generator) }
        let found = try numbers.map { numbers in
            let parameter = try DeviceNumbers(place, shape: [numbers.value.count])
            try numbers.write(to: parameter)
            return parameter
        }
        return (found, numbers)
    }

    private static let sizes = [1, 15, 16, 17, 0, 64, 65, 333, 48, 7]

    private func optimizers(_ count: Int) -> [AdamW] {
        (0..<count).map { index in
            var optimizer = AdamW(learningRate: 1e-2)
            (optimizer.weightDecay, optimizer.gradientScale) = (index.isMultiple(of: 2) ? 0.1 : 0, 0.5)
            return optimizer
        }
    }

    /// Parameters of less than a piece, of one, and of several with uneven ends; on a device and on the CPU.
    func testPiecesEqualWholeParameters() throws {
        _ = try emulated()
        for (device, precision) in [
            (Device.cuda(Self.ordinal), Precision.float32), (.cuda(Self.ordinal), .float16),
            (.cuda(Self.ordinal), .bfloat16), (.cpu, .float16), (.cpu, .bfloat16),
        ] {
            for (piece, threads) in [(16, 1), (33, 3), (OffloadPipeline.usualPiece, 2)] {
                let what = "\(device), \(precision), pieces of \(piece)"
                let place = try DevicePlace(OnnxRuntime.load(), device, precision, offloads: true, piece: piece)
                var (found, numbers) = try parameters(Self.sizes, on: place)
                for (a, b) in zip(found, numbers) { try b.check(a, precision, what) }
                let optimizers = optimizers(found.count)
                for step in 1...3 {
                    try XCTUnwrap(place.offload).update(
                        zip(found, optimizers).map { ($0, $1) }, step: UInt64(step), threads: threads)
                    for index in numbers.indices { try numbers[index].update(optimizers[index], step: UInt64(step)) }
                    for (a, b) in zip(found, numbers) { try b.check(a, precision, "\(what), step \(step)") }
                }
            }
        }
    }

    /// Each call that can fail does so once; the next update computes as if nothing had been started.
    func testADeviceThatIsLost() throws {
        let backend = FailingBackend(try emulated())
        let place = DevicePlace(try OnnxRuntime.load(), backend, .float16, offloads: true, piece: 16)
        let (found, numbers) = try parameters(Self.sizes, on: place)
        let optimizers = optimizers(found.count)
        let entries = zip(found, optimizers).map { (numbers: $0, optimizer: $1) }
        let offload = try XCTUnwrap(place.offload)
        // Begin, end, and for each piece a copy from the device, one to it, and their waits: at the end the copies of
        // the last pieces need none, but at the start those of the values that were set do.
        let pieces = Self.sizes.reduce(0) { $0 + ($1 + 15) / 16 }
        var failures = 0
        for calls in 0...4 * pieces + 2 {
            backend.fail(after: nil)
            for (a, b) in zip(found, numbers) { try b.write(to: a) }
            backend.fail(after: calls)
            do throws(DamaError) {
                try offload.update(entries, step: 1, threads: 1)
            } catch {
                XCTAssertEqual(error.message, "the device is lost")
                failures += 1
            }
        }
        XCTAssertEqual(failures, 4 * pieces + 2)
        for (index, expected) in numbers.enumerated() {
            var expected = expected
            try expected.update(optimizers[index], step: 1)
            try expected.check(found[index], .float16, "after \(failures) failures")
        }
    }

    /// A value that cannot reach the device is an error too, and so is memory that cannot be had.
    func testADeviceThatIsLostAtTheStart() throws {
        let backend = FailingBackend(try emulated())
        let place = DevicePlace(try OnnxRuntime.load(), backend, .bfloat16, offloads: true, piece: 16)
        let parameter = try DeviceNumbers(place, shape: [40])
        backend.fail(after: 2)
        XCTAssertThrowsError(try parameter.set(.value) { $0.update(repeating: 1) }) {
            XCTAssertEqual(($0 as? DamaError)?.message, "the device is lost")
        }
        backend.hasMemory = false
        let other = DevicePlace(try OnnxRuntime.load(), backend, .bfloat16, offloads: true, piece: 16)
        let second = try DeviceNumbers(other, shape: [40])
        XCTAssertThrowsError(try second.set(.value) { $0.update(repeating: 1) }) {
            XCTAssertEqual(($0 as? DamaError)?.code, .outOfMemory)
        }
    }

    // MARK: Whole steps

    private static let model = Fixtures.path("../../DamaModelsTests/Fixtures/llava/default")
    private static let image = ImageSource.path(Fixtures.path("../../DamaModelsTests/Fixtures/llava/image.png"))

    private func trainer(
        _ trainable: Trainable, _ precision: Precision, piece: Int, offloads: Bool = true
    ) throws -> Trainer {
        var opening = PolicyOptions()
        (opening.device, opening.precision) = (.cuda(Self.ordinal), precision)
        let base = try Policy(directory: Self.model, options: opening)
        let policy = try TrainedPolicy(
            base, trainable, activations: .keep, seed: 1, offloads: offloads, piece: piece)
        var options = TrainerOptions()
        options.optimizer = AdamW(learningRate: 2e-3)
        options.optimizer.weightDecay = 0.01
        return try Trainer(policy, reference: base, controller: AdaptiveBeta(.paper), options: options)
    }

    /// Updates of a trainer are AdamW with the clipped gradients that it computed: on the host, and on the device, where
    /// one kernel updates the parameters that share memory.
    func testUpdatesOfATrainer() throws {
        _ = try emulated()
        let pairs = try TrainingBatches.read(Fixtures.path("batches.json"), image: Self.image)[0].map(\.pair)
        let adapters = try LowRankAdapters(rank: 4, alpha: 8, targets: ["q_proj", "down_proj"])
        for (trainable, precision, offloads) in [
            (Trainable.full, Precision.float16, true), (.full, .float16, false), (.lora(adapters), .float32, true),
            (.lora(adapters), .float16, false), (.lora(adapters), .float32, false),
        ] {
            let trainer = try trainer(trainable, precision, piece: 100, offloads: offloads)
            if precision == .float16 {
                trainer.setLossScale(try XCTUnwrap(LossScale(["value": 16.0, "updates": 0])))
            }
            let scale = trainer.policy.lossScale
            let ones = [Double](repeating: 1, count: pairs.count)
            for step in 1...2 {
                try trainer.policy.clearGradients()
                try trainer.backward(trainer.forward(pairs), chosen: ones, rejected: ones.map { -$0 })
                var expected = try trainer.policy.parameters.map { parameter in
                    var generator = RandomGenerator(seed: 0)
                    var numbers = OptimizerNumbers(count: 0, &generator)
                    numbers.value = try parameter.read(.value).array
                    numbers.first = try parameter.read(.firstMoment).array
                    numbers.second = try parameter.read(.secondMoment).array
                    numbers.gradient = try parameter.readGradient().array
                    return numbers
                }
                XCTAssertTrue(expected.contains { $0.value.count > 112 }, "no parameter has several pieces")
                let norm = try trainer.update()
                let sum = expected.reduce(0) { $1.gradient.reduce($0) { $0 + Double($1) * Double($1) } }
                // Sums in double, in another order.
                XCTAssertEqual(norm, sum.squareRoot() / scale, accuracy: 1e-12 * norm)
                var optimizer = trainer.options.optimizer
                optimizer.gradientScale = GradientNorm.clippingScale(norm: norm, limit: 1) / scale
                for (index, parameter) in trainer.policy.parameters.enumerated() {
                    optimizer.weightDecay = parameter.decays ? 0.01 : 0
                    let before = expected[index].value
                    try expected[index].update(optimizer, step: UInt64(step))
                    XCTAssertTrue(before != expected[index].value || norm == 0, parameter.name)
                    guard case .device(let numbers) = parameter.home else { return XCTFail(parameter.name) }
                    XCTAssertEqual(numbers.isShared, !offloads, parameter.name)
                    try expected[index].check(
                        numbers, precision, "\(parameter.name), step \(step)", tolerance: offloads ? 0 : 1e-6)
                }
            }
        }
    }

    /// The plan's memory between host and device is that which an update takes.
    func testMemoryOfThePlan() throws {
        _ = try emulated()
        let trainer = try trainer(.full, .float16, piece: OffloadPipeline.usualPiece)
        let pairs = try TrainingBatches.read(Fixtures.path("batches.json"), image: Self.image)[0]
        _ = try trainer.step(pairs)
        var step = PlannedStep(.cuda(Self.ordinal))
        (step.precision, step.offloads) = (.float16, true)
        let plan = try MemoryPlan(model: Self.model, .full, step)
        let largest = try XCTUnwrap(trainer.policy.parameters.map(\.count).max())
        // Four slots of fp32 gradients and values of 2 bytes.
        XCTAssertEqual(plan[.workspace].host, 4 * largest * 6)
        XCTAssertEqual(trainer.policy.place?.offload?.byteCount, plan[.workspace].host)
    }
}
