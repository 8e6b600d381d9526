import DamaPreference
import DamaSupport
import XCTest

final class PreferenceLossTests: XCTestCase {
    /// Every loss, with a parameter that all of them take and with none.
    private let losses = PreferenceLoss.Kind.allCases.flatMap { kind in
        [0.2, 0].map { PreferenceLoss(kind, parameter: $0) }
    }

    /// Central differences with step h err by about h² ℓ'''/6 + 1e-16 ℓ/h: 1e-8 relative is safe for h = 1e-5.
    func testDerivativesAreCentralDifferences() {
        var generator = RandomGenerator(seed: 1)
        for loss in losses {
            for _ in 0..<500 {
                let beta = 0.02 + generator.uniform()
                let margin = 20 * (generator.uniform() - 0.5)
                let step = 1e-5
                if loss == .hinge, abs(1 - beta * margin) < 2 * step { continue }
                let (value, derivative) = loss.evaluate(margin: margin, beta: beta)
                let above = loss.evaluate(margin: margin + step, beta: beta).value
                let below = loss.evaluate(margin: margin - step, beta: beta).value
                let difference = (above - below) / (2 * step)
                assertClose(derivative, difference, 1e-8 * max(1, value), "\(loss) at \(margin), β \(beta)")
            }
        }
    }

    /// The definitions written out, where they are well conditioned.
    func testValues() {
        for margin in [-3.0, -0.2, 0, 0.4, 2.5] {
            for beta in [0.1, 0.7] {
                let win = 1 / (1 + exp(-beta * margin))
                func value(_ loss: PreferenceLoss) -> Double { loss.evaluate(margin: margin, beta: beta).value }
                assertClose(value(.sigmoid), -log(win), 1e-15)
                assertClose(value(.ipo), pow(margin - 0.5 / beta, 2), 1e-15)
                assertClose(value(.hinge), max(0, 1 - beta * margin), 1e-15)
                assertClose(value(.labelSmoothed(flipRate: 0.3)), -0.7 * log(win) - 0.3 * log(1 - win), 1e-14)
                assertClose(value(.robust(flipRate: 0.3)), (-0.7 * log(win) + 0.3 * log(1 - win)) / 0.4, 1e-14)
                let simpo = 1 / (1 + exp(-(beta * margin - 1.5)))
                assertClose(value(.simpo(margin: 1.5)), -log(simpo), 1e-15)
            }
        }
    }

    /// Closed forms of the limits: −log σ(x) → −x and → e^−x.
    func testHugeMargins() {
        let (far, farSlope) = PreferenceLoss.sigmoid.evaluate(margin: -1e4, beta: 1)
        XCTAssertEqual(far, 1e4)
        XCTAssertEqual(farSlope, -1)
        let (near, nearSlope) = PreferenceLoss.sigmoid.evaluate(margin: 400, beta: 1)
        XCTAssertEqual(near, exp(-400), accuracy: exp(-400) * 1e-12)
        XCTAssertEqual(nearSlope, -exp(-400), accuracy: exp(-400) * 1e-12)
        for loss in losses {
            for margin in [1e4, -1e4] {
                for beta in [1e-3, 0.1, 1, 10] {
                    let (value, derivative) = loss.evaluate(margin: margin, beta: beta)
                    XCTAssertTrue(value.isFinite && derivative.isFinite, "\(loss), \(margin), \(beta)")
                }
            }
        }
        XCTAssertEqual(PreferenceLoss.ipo.evaluate(margin: 1e4, beta: 0.1).value, 9995 * 9995)
        XCTAssertEqual(PreferenceLoss.hinge.evaluate(margin: -1e4, beta: 1).value, 10_001)
        XCTAssertEqual(PreferenceLoss.labelSmoothed(flipRate: 0.25).evaluate(margin: 1e4, beta: 1).value, 2500)
        XCTAssertEqual(PreferenceLoss.robust(flipRate: 0.25).evaluate(margin: 1e4, beta: 1).value, -5000)
        XCTAssertEqual(PreferenceLoss.simpo(margin: 3).evaluate(margin: -1e4, beta: 1).value, 10_003)
    }

    func testSmoothingOfZeroIsTheSigmoidLoss() {
        for margin in [-2.0, 0, 3] {
            let expected = PreferenceLoss.sigmoid.evaluate(margin: margin, beta: 0.3)
            for loss in [PreferenceLoss.labelSmoothed(flipRate: 0), .robust(flipRate: 0), .simpo(margin: 0)] {
                let found = loss.evaluate(margin: margin, beta: 0.3)
                XCTAssertEqual(found.value, expected.value)
                XCTAssertEqual(found.derivative, expected.derivative)
            }
        }
    }

    /// Robust DPO is unbiased: averaged over a label that is flipped with probability ε, it is the clean loss.
    func testRobustLossIsUnbiased() {
        for margin in [-4.0, 0.3, 7] {
            let robust = PreferenceLoss.robust(flipRate: 0.2)
            let average =
                0.8 * robust.evaluate(margin: margin, beta: 0.5).value
                + 0.2 * robust.evaluate(margin: -margin, beta: 0.5).value
            assertClose(average, PreferenceLoss.sigmoid.evaluate(margin: margin, beta: 0.5).value, 1e-14)
        }
    }

    func testKindsGoThereAndBack() {
        for loss in losses { XCTAssertEqual(PreferenceLoss(loss.kind, parameter: loss.parameter), loss) }
    }

    func testBadParameters() {
        for loss in [
            PreferenceLoss.labelSmoothed(flipRate: 0.5), .robust(flipRate: -0.1), .robust(flipRate: .nan),
            .simpo(margin: .infinity),
        ] {
            XCTAssertThrowsError(try loss.validate())
        }
    }
}
