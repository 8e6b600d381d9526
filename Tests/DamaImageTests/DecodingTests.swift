import DamaSupport
import DamaTestSupport
import XCTest

@testable import DamaImage

final class DecodingTests: XCTestCase {
    /// Every kind of JPEG and PNG against `Image.open(…).convert("RGB")`.
    ///
    /// PNG is exact. JPEG is, too, where Pillow's libjpeg and ours compute alike, as libjpeg-turbo 2.1 and 3.2 do; the
    /// standard leaves the inverse transform's rounding open, so one grey level is allowed, four after YCC → CMYK → RGB.
    func testEqualsPillow() throws {
        let fixtures = try PillowFixtures("decode")
        XCTAssertGreaterThan(fixtures.entries.count, 45)
        for entry in fixtures.entries {
            let file = try XCTUnwrap(entry["file"]?.string)
            let expected = try fixtures.image(entry)
            let found = try ImageDecoder.decode(path: "\(fixtures.folder)/\(file)")
            XCTAssertEqual(found.width, expected.width, file)
            XCTAssertEqual(found.height, expected.height, file)
            let allowed = file.hasSuffix(".png") ? 0 : (file.contains("cmyk") || file.contains("ycck")) ? 4 : 1
            XCTAssertLessThanOrEqual(largestDifference(found, expected), allowed, file)
        }
    }
}
