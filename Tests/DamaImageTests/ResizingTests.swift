import DamaSupport
import DamaTestSupport
import XCTest

@testable import DamaImage

final class ResizingTests: XCTestCase {
    /// Every filter, down and up, against `Image.resize`: not one byte differs, since the arithmetic is the same integers.
    func testEqualsPillow() throws {
        let fixtures = try PillowFixtures("resize")
        var sources: [String: RGBImage] = [:]
        var compared = 0
        for entry in fixtures.entries {
            let expected = try fixtures.image(entry)
            if let source = entry["source"]?.string {
                sources[source] = expected
                continue
            }
            let name = try XCTUnwrap(entry["from"]?.string)
            let filter = try XCTUnwrap(entry["filter"]?.int.flatMap(ResizeFilter.init(rawValue:)))
            let source = try XCTUnwrap(sources[name])
            let found = try source.resized(width: expected.width, height: expected.height, filter: filter)
            XCTAssertTrue(
                found == expected,
                "\(name) to \(expected.width) × \(expected.height) by \(filter): off by \(largestDifference(found, expected))")
            compared += 1
        }
        XCTAssertGreaterThan(compared, 80)
    }
}
