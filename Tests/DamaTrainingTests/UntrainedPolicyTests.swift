import DamaImage
import DamaModels
import DamaPreference
import DamaRuntime
import DamaSupport
import DamaTestSupport
import XCTest

@testable import DamaTraining

/// A policy that has not been trained equals its reference, so that its gaps are 0: not nearly, but in every bit. The
/// policy's forward half keeps what gradients need and has adapters; the reference's graph has neither.
final class UntrainedPolicyTests: XCTestCase {
    override class func setUp() {
        TestRuntime.configure()
        DeviceEmulation.start(7)
    }

    private static let models = Fixtures.path("../../DamaModelsTests/Fixtures/llava")
    private static let image = ImageSource.path("\(models)/image.png")

    func testGapsAreZero() throws {
        let pairs = ["a red cat", "b c d"].map {
            PreferencePair(image: Self.image, prompt: "a b", chosen: $0, rejected: "d c b")
        }
        let adapters = try Trainable.lora(LowRankAdapters(rank: 4, alpha: 8, targets: ["all-linear"]))
        for (device, precision) in [(Device.cpu, Precision.float32), (.cuda(7), .float32), (.cuda(7), .float16)] {
            var options = PolicyOptions()
            (options.device, options.precision) = (device, precision)
            let base = try Policy(directory: "\(Self.models)/default", options: options)
            let prepared = try base.prepare(pairs)
            let reference = try base.logProbabilities(prepared: prepared)
            for trainable in [Trainable.full, adapters] {
                for activations in [TrainedPolicy.Activations.keep, .recompute] {
                    let policy = try TrainedPolicy(base, trainable, activations: activations)
                    let found = try policy.forward(prepared).logProbabilities
                    let what = "\(trainable.name) on \(device), \(precision)"
                    XCTAssertEqual(found.count, pairs.count)
                    for (a, b) in zip(found, reference) {
                        XCTAssertEqual(a.chosen.tokens, b.chosen.tokens, what)
                        XCTAssertEqual(a.rejected.tokens, b.rejected.tokens, what)
                        XCTAssertGreaterThan(a.chosen.tokens.count, 0)
                    }
                }
            }
        }
    }
}
