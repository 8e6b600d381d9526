import CDamaShims
import Foundation
import XCTest

/// `cdama_hypotf` takes the place of libm's hypotf in libdama.so.
final class HypotenuseTests: XCTestCase {
    /// libm's hypot in double is within 1 ulp of double, so that the nearest floats to both are equal or neighbours.
    func testEqualsLibm() {
        var generator = SystemRandomNumberGenerator()
        for _ in 0..<100_000 {
            let x = Float(bitPattern: generator.next())
            let y = Float(bitPattern: generator.next())
            guard x.isFinite, y.isFinite else { continue }
            let expected = Float(hypot(Double(x), Double(y)))
            let found = cdama_hypotf(x, y)
            XCTAssert(
                found == expected || abs(found - expected) <= expected.ulp,
                "hypotf(\(x), \(y)) is \(found), not \(expected)")
        }
        XCTAssertEqual(cdama_hypotf(3, -4), 5)
        XCTAssertEqual(cdama_hypotf(0, -.leastNonzeroMagnitude), .leastNonzeroMagnitude)
        XCTAssertEqual(cdama_hypotf(.greatestFiniteMagnitude, 0), .greatestFiniteMagnitude)
        XCTAssertEqual(cdama_hypotf(.greatestFiniteMagnitude, .greatestFiniteMagnitude), .infinity)
    }

    /// C's annex F: an infinite side is infinite even beside a NaN.
    func testSpecialValues() {
        XCTAssertEqual(cdama_hypotf(-.infinity, .nan), .infinity)
        XCTAssertEqual(cdama_hypotf(.nan, .infinity), .infinity)
        XCTAssert(cdama_hypotf(.nan, 0).isNaN)
        XCTAssert(cdama_hypotf(1, .nan).isNaN)
    }
}
