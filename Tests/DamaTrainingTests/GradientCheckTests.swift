import DamaRuntime
import DamaSupport
import DamaTestSupport
import XCTest

@testable import DamaTraining

/// The check that refuses training on a runtime with wrong kernels.
final class GradientCheckTests: XCTestCase {
    override class func setUp() { TestRuntime.configure() }

    /// fp32 through two layers, against central differences in double precision (Fixtures/make_gradient_check.py).
    func testTheStepGivesTheKnownGradient() throws {
        let found = try GradientCheck.step(OnnxRuntime.load(), .cpu)
        let scale = try XCTUnwrap(GradientCheck.expected.slopes.map(abs).max())
        XCTAssertEqual(found.value, GradientCheck.expected.value, accuracy: 1e-5 * scale)
        XCTAssertEqual(found.slopes.count, GradientCheck.expected.slopes.count)
        for (slope, expected) in zip(found.slopes, GradientCheck.expected.slopes) {
            XCTAssertEqual(slope.slope, expected, accuracy: 1e-5 * scale, slope.weight)
        }
        XCTAssertNoThrow(try GradientCheck.judge(found, "1.32.0"))
    }

    /// Some runtimes leave the products of empty blocks uninitialised, which gives values such as 1e18 or NaN.
    func testAnotherGradientIsRefused() throws {
        let right = try GradientCheck.step(OnnxRuntime.load(), .cpu)
        for index in right.slopes.indices {
            for wrong in [1e18, -.infinity, .nan, right.slopes[index].slope + 0.2] {
                var found = right
                found.slopes[index].slope = wrong
                assertFails(.unsupported, "ONNX Runtime 1.31.1 computes wrong results") {
                    try GradientCheck.judge(found, "1.31.1")
                }
            }
        }
        var found = right
        found.value = .nan
        assertFails(.unsupported, "the logits") { try GradientCheck.judge(found, "1.31.1") }
    }
}
