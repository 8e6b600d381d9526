import DamaSupport
import DamaTestSupport
import XCTest

@testable import DamaImage

final class ResizingTests: XCTestCase {
    /// Every filter, down and up, against `Image.resize`: not one byte differs, since the arithmetic is the same
    /// integers.
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
                "\(name) to \(expected.width) × \(expected.height) by \(filter):"
                    + " off by \(largestDifference(found, expected))")
            compared += 1
        }
        XCTAssertGreaterThan(compared, 80)
    }

    /// Every part of a scaled image is that part of the whole.
    func testPartsEqualTheWhole() throws {
        let fixtures = try PillowFixtures("resize")
        let source = try fixtures.image(XCTUnwrap(fixtures.entries.first))
        // The second is scaled columns first.
        for (width, height) in [(40, 50), (70, 20), (83, 61), (83, 9), (120, 61)] {
            for filter in ResizeFilter.allCases {
                let whole = try source.resized(width: width, height: height, filter: filter)
                for part in [(0, 0, 1, 1), (width - 1, height - 1, 1, 1), (7, 3, 20, 5), (0, 4, width, 2)] {
                    let rect = PixelRect(left: part.0, top: part.1, width: part.2, height: part.3)
                    let found = try source.resized(width: width, height: height, filter: filter, part: rect)
                    var expected: [UInt8] = []
                    for y in rect.top..<rect.top + rect.height {
                        let start = 3 * (y * width + rect.left)
                        expected += whole.pixels[start..<start + 3 * rect.width]
                    }
                    XCTAssertTrue(found.pixels == expected, "\(rect) of \(width) × \(height) by \(filter)")
                }
            }
        }
    }

    func testRefusesWrongSizes() throws {
        let image = try RGBImage(width: 2, height: 2, pixels: [UInt8](repeating: 0, count: 12))
        for (width, height) in [(0, 1), (1, -1)] {
            assertFails(.invalidArgument, "both must be at least 1") {
                _ = try image.resized(width: width, height: height)
            }
        }
        for part in [(-1, 0, 1, 1), (0, 0, 0, 1), (3, 0, 2, 1), (0, 0, 1, 5), (0, Int.max, 1, Int.max)] {
            let rect = PixelRect(left: part.0, top: part.1, width: part.2, height: part.3)
            assertFails(.invalidArgument, "is not inside an image of 4 × 4") {
                _ = try image.resized(width: 4, height: 4, part: rect)
            }
        }
        assertFails(.outOfMemory, "the most is 16777216 a side") { _ = try image.resized(width: .max, height: 1) }
        assertFails(.outOfMemory, "larger than the limit") { _ = try image.resized(width: 1 << 20, height: 1 << 20) }
        assertFails(.invalidArgument, "both sides must be at least 1") {
            _ = try RGBImage(width: 0, height: 5, pixels: [])
        }
        assertFails(.shapeMismatch, "needs 3 bytes a pixel, found 11") {
            _ = try RGBImage(width: 2, height: 2, pixels: [UInt8](repeating: 0, count: 11))
        }
        assertFails(.shapeMismatch, "needs 3 bytes") { _ = try RGBImage(width: .max, height: .max, pixels: []) }
    }
}
