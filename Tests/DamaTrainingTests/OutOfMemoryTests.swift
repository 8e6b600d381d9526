import DamaImage
import DamaModels
import DamaPreference
import DamaSupport
import DamaTestSupport
import TrainingTestSupport
import XCTest

@testable import DamaRuntime
@testable import DamaTraining

/// A device whose memory ends in each phase: one clear error, nothing is kept, and with more memory the same step works.
final class OutOfMemoryTests: XCTestCase {
    override class func setUp() { TestRuntime.configure() }

    private static let ordinal: Int32 = 11

    private enum Phase { case opening, preparing, step, none }

    private func run(_ trainable: Trainable) -> (phase: Phase, error: DamaError?, loss: Double?) {
        var phase = Phase.opening
        do {
            var opening = PolicyOptions()
            (opening.device, opening.precision) = (.cuda(Self.ordinal), .float16)
            let base = try Policy(
                directory: Fixtures.path("../../DamaModelsTests/Fixtures/llava/default"), options: opening)
            phase = .preparing
            let policy = try TrainedPolicy(base, trainable, activations: .keep, seed: 1)
            let trainer = try Trainer(policy, reference: base, controller: AdaptiveBeta(.paper))
            phase = .step
            let image = ImageSource.path(Fixtures.path("../../DamaModelsTests/Fixtures/llava/image.png"))
            let pairs = try TrainingBatches.read(Fixtures.path("batches.json"), image: image)[0]
            let result = try trainer.step(pairs)
            return (.none, nil, result.loss)
        } catch {
            return (phase, error as? DamaError ?? .internal("\(error)"), nil)
        }
    }

    func testEveryPhase() throws {
        DeviceEmulation.start(Self.ordinal)
        let backend = try XCTUnwrap(DeviceEmulation.backend(Self.ordinal))
        defer { backend.setCapacity(nil) }
        _ = try backend.memory(resets: true)
        let whole = run(.full)
        XCTAssertNil(whole.error)
        let peak = try backend.memory(resets: false).peak
        var phases: Set<Phase> = []
        let count: UInt64 = 24
        for part in 0...count {
            backend.setCapacity(peak * part / count)
            let found = run(.full)
            phases.insert(found.phase)
            XCTAssertEqual(try backend.memory(resets: false).used, 0, "\(found.phase), \(part) of \(count)")
            guard let error = found.error else {
                XCTAssertEqual(found.loss, whole.loss)
                XCTAssertGreaterThan(part, 1)
                continue
            }
            XCTAssertEqual(error.code, .outOfMemory, error.message)
            XCTAssertTrue(error.message.contains("the memory of cuda:11 is too small"), error.message)
            guard found.phase == .step else { continue }
            XCTAssertTrue(error.message.contains("the plan of this step is"), error.message)
            XCTAssertTrue(error.message.contains("of the device's"), error.message)
        }
        XCTAssertEqual(phases, [.opening, .preparing, .step, .none])
    }
}
