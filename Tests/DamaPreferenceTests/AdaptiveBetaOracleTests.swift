import DamaPreference
import DamaSupport
import XCTest

/// Against the method written out in torch, in double precision and with autograd (Fixtures/make_adaptive_beta.py).
final class AdaptiveBetaOracleTests: XCTestCase {
    /// Both sides compute in double; they differ in the order of a few additions and in log σ against σ. The running
    /// mean carries such differences from step to step.
    private let tolerance = 1e-12

    func testEveryPresetFilterCombinationAndLoss() throws {
        let cases = try AdaptiveBetaFixture.load("adaptive_beta.json")
        XCTAssertGreaterThan(cases.count, 100)
        for fixture in cases {
            var fixture = fixture
            var controller = try AdaptiveBeta(fixture.configuration)
            for (index, expected) in fixture.steps.enumerated() {
                let label = "\(fixture.name), step \(index)"
                let found = try controller.step(fixture.nextBatch())
                try compareSummary(found, expected, label)
                try compare(found.beta, expected, "beta", label)
                try compare(found.losses, expected, "losses", label)
                try compare(found.gradChosen, expected, "grad_chosen", label)
                XCTAssertEqual(found.gradRejected, found.gradChosen.map { -$0 }, label)
                try controller.commit()
                try compareProgress(controller, expected, label)
            }
        }
    }

    /// 300 steps: the arrays are stored as sums weighted by the index.
    func testLongRuns() throws {
        for fixture in try AdaptiveBetaFixture.load("adaptive_beta_long.json") {
            var fixture = fixture
            var controller = try AdaptiveBeta(fixture.configuration)
            XCTAssertGreaterThanOrEqual(fixture.steps.count, 100)
            for (index, expected) in fixture.steps.enumerated() {
                let label = "\(fixture.name), step \(index)"
                let found = try controller.step(fixture.nextBatch())
                try compareSummary(found, expected, label)
                for (key, values) in [
                    ("beta", found.beta), ("losses", found.losses), ("grad_chosen", found.gradChosen),
                ] {
                    let sum = values.enumerated().reduce(0) { $0 + Double($1.offset + 1) * $1.element }
                    // 16 terms with weights up to 16.
                    assertClose(sum, try XCTUnwrap(expected[key]?.double), 100 * tolerance, "\(label), \(key)")
                }
                try controller.commit()
                try compareProgress(controller, expected, label)
            }
        }
    }

    private func compareSummary(_ found: AdaptiveBeta.Step, _ expected: JSON, _ label: String) throws {
        let mask = found.mask.map { $0 ? "1" : "0" }.joined()
        XCTAssertEqual(mask, expected["mask"]?.string, label)
        XCTAssertEqual(found.summary.kept, mask.filter { $0 == "1" }.count, label)
        XCTAssertEqual(found.summary.sampledUniformly, expected["uniform"]?.bool, label)
        XCTAssertEqual(found.summary.normalized, expected["normalized"]?.bool, label)
        assertClose(found.loss, try XCTUnwrap(expected["loss"]?.double), tolerance, "\(label), loss")
        XCTAssertEqual(found.summary.sliceLoss, found.loss, label)
        assertClose(found.alphaModel, try XCTUnwrap(expected["alpha_model"]?.double), tolerance, "\(label), α_M")
        assertClose(found.summary.accuracy, try XCTUnwrap(expected["accuracy"]?.double), tolerance, label)
    }

    private func compareProgress(_ controller: AdaptiveBeta, _ expected: JSON, _ label: String) throws {
        assertClose(controller.runningMean, try XCTUnwrap(expected["running_mean"]?.double), tolerance, label)
        let deviation = try XCTUnwrap(expected["running_deviation"]?.double)
        assertClose(controller.progress.runningDeviation, deviation, tolerance, label)
    }

    private func compare(_ found: [Double], _ expected: JSON, _ key: String, _ label: String) throws {
        let values = try XCTUnwrap(expected[key]?.array)
        XCTAssertEqual(found.count, values.count)
        for (index, value) in values.enumerated() {
            assertClose(found[index], try XCTUnwrap(value.double), tolerance, "\(label), \(key)[\(index)]")
        }
    }
}
