import DamaSupport
import DamaTestSupport
import XCTest

@testable import DamaImage

final class EncodingTests: XCTestCase {
    private func gradient(_ width: Int, _ height: Int) throws -> RGBImage {
        var pixels: [UInt8] = []
        for y in 0..<height {
            for x in 0..<width { pixels += [UInt8(x * 255 / width), UInt8(y * 255 / height), UInt8((x + y) % 256)] }
        }
        return try RGBImage(width: width, height: height, pixels: pixels)
    }

    func testComesBackNearlyTheSame() throws {
        let image = try gradient(65, 43)
        for (quality, allowed) in [(100, 4), (90, 16), (50, 48)] {
            let bytes = try JPEGEncoder.encode(image, quality: quality, fullChroma: true)
            let decoded = try ImageDecoder.decode(bytes)
            XCTAssertEqual(decoded.width, 65)
            // Loose: these only catch swapped channels or rows; the loss at a quality is up to libjpeg.
            XCTAssertLessThanOrEqual(largestDifference(decoded, image), allowed, "quality \(quality)")
        }
        let half = try JPEGEncoder.encode(image, quality: 90)
        XCTAssertLessThan(half.count, try JPEGEncoder.encode(image, quality: 90, fullChroma: true).count)
        XCTAssertEqual(half, try JPEGEncoder.encode(image, quality: 90))
    }

    /// Larger than libjpeg's first buffer, which therefore has to grow.
    func testGrowsItsBuffer() throws {
        let image = try gradient(400, 300)
        let bytes = try JPEGEncoder.encode(image, quality: 100, fullChroma: true)
        XCTAssertGreaterThan(bytes.count, 8192)
        XCTAssertLessThanOrEqual(largestDifference(try ImageDecoder.decode(bytes), image), 4)
    }

    func testRefusesWhatTheFormatCannotHold() throws {
        let image = try gradient(2, 2)
        assertFails(.invalidArgument, "quality 0; expected 1 to 100") { _ = try JPEGEncoder.encode(image, quality: 0) }
        assertFails(.invalidArgument, "quality 101") { _ = try JPEGEncoder.encode(image, quality: 101) }
        let wide = try RGBImage(width: 65_501, height: 1, pixels: [UInt8](repeating: 0, count: 3 * 65_501))
        assertFails(.invalidArgument, "65501 × 1 pixels is too large for JPEG") { _ = try JPEGEncoder.encode(wide) }
    }
}
