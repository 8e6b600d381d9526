import DamaImage
import DamaRuntime
import DamaSupport
import DamaTestSupport
import XCTest

@testable import DamaModels

/// A policy on a device that is emulated: sessions run on the CPU provider, and its memory faults where the host reads
/// it. The oracle is the same policy on the CPU, which other tests compare with transformers.
final class DevicePolicyTests: XCTestCase {
    override class func setUp() {
        TestRuntime.configure()
        DeviceEmulation.start(7)
    }

    private static let model = Fixtures.path("llava/default")
    private static let image = ImageSource.path(Fixtures.path("llava/image.png"))

    private func policy(_ device: Device, _ precision: Precision) throws -> Policy {
        var options = PolicyOptions()
        options.device = device
        options.precision = precision
        return try Policy(directory: Self.model, options: options)
    }

    private let pairs = [
        PreferencePair(image: DevicePolicyTests.image, prompt: "a", chosen: "b c d e f", rejected: "d"),
        PreferencePair(image: DevicePolicyTests.image, prompt: "a b", chosen: "b", rejected: "d c"),
        PreferencePair(image: DevicePolicyTests.image, prompt: "a b c", chosen: "e", rejected: "d c b a"),
    ]

    /// Embeddings and masks are made by a graph on the device, and attention is fused: sums in another order.
    func testLogProbabilitiesEqualThoseOfTheCPU() throws {
        for (precision, accuracy) in [(Precision.float32, Float(2e-5)), (.float16, 3e-2)] {
            let found = try policy(.cuda(7), precision).logProbabilities(pairs)
            let right = try policy(.cpu, .float32).logProbabilities(pairs)
            for (a, b) in zip(found, right) {
                XCTAssertEqual(a.chosen.tokens.count, b.chosen.tokens.count)
                for (x, y) in zip(a.chosen.tokens + a.rejected.tokens, b.chosen.tokens + b.rejected.tokens) {
                    XCTAssertEqual(x, y, accuracy: accuracy, "\(precision)")
                }
            }
        }
    }

    func testTextsEqualThoseOfTheCPU() throws {
        let prompts = ["a", "a b c", "d"].map { GenerationRequest(image: Self.image, prompt: $0) }
        var options = GenerationOptions()
        options.maximumTokens = 12
        for (precision, beams) in [(Precision.float16, 1), (.float16, 3), (.float32, 1), (.float32, 3)] {
            options.beams = beams
            let found = try policy(.cuda(7), precision).generate(prompts, options)
            let right = try policy(.cpu, precision).generate(prompts, options)
            XCTAssertEqual(found.map(\.tokens), right.map(\.tokens), "\(precision), \(beams) beams")
        }
    }

    func testTheHostDoesNotReadTheMemoryOfADevice() throws {
        let runtime = try OnnxRuntime.load()
        let backend = try runtime.backend(.cuda(7))
        let value = try TensorValue(backend, runtime, .float32, shape: [3])
        let source = try TensorValue(runtime, [Float](arrayLiteral: 1, 2, 3), shape: [3])
        try value.copyIn(UnsafeRawBufferPointer(start: source.address, count: 12))
        assertFails(.internal, "was read on the host") { _ = try value.array(of: Float.self) }
        XCTAssertEqual(try value.onHost().array(of: Float.self), [1, 2, 3])
        XCTAssertEqual(try value.part(1..<3).onHost().array(of: Float.self), [2, 3])
        try value.clear()
        XCTAssertEqual(try value.onHost().array(of: Float.self), [0, 0, 0])
        XCTAssertGreaterThan(try backend.memory(resets: false).used, 0)
        assertFails(.outOfMemory, "memory of cuda:7") {
            _ = try TensorValue(backend, runtime, .float32, shape: [1 << 44])
        }
    }
}
