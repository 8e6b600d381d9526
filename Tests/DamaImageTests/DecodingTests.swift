import DamaSupport
import DamaTestSupport
import XCTest

@testable import DamaImage

final class DecodingTests: XCTestCase {
    /// Every kind of JPEG and PNG against `Image.open(…).convert("RGB")`, without orientation or blending.
    ///
    /// PNG is exact. So is JPEG if Pillow's libjpeg and ours compute alike, as libjpeg-turbo 2.1 and 3.2 do. The
    /// standard leaves the rounding of the inverse transform open, so one grey level is allowed; four after YCC → CMYK
    /// → RGB.
    func testEqualsPillow() throws {
        let fixtures = try PillowFixtures("decode")
        XCTAssertGreaterThan(fixtures.entries.count, 45)
        for entry in fixtures.entries {
            let file = try XCTUnwrap(entry["file"]?.string)
            let expected = try fixtures.image(entry)
            let found = try ImageDecoder.decode(path: "\(fixtures.folder)/\(file)", .asStored)
            XCTAssertEqual(found.width, expected.width, file)
            XCTAssertEqual(found.height, expected.height, file)
            let allowed = file.hasSuffix(".png") ? 0 : (file.contains("cmyk") || file.contains("ycck")) ? 4 : 1
            XCTAssertLessThanOrEqual(largestDifference(found, expected), allowed, file)
        }
    }

    /// Every prefix of every kind of file is an error, not a crash, unless Pillow reads it: PNG files that lack only
    /// their end. (Pillow also reads a JPEG of one pixel without its end marker, because of the way it feeds the
    /// decoder.)
    func testEveryTruncationIsAnErrorAsItIsToPillow() throws {
        let fixtures = try PillowFixtures("decode")
        for entry in fixtures.entries {
            let file = try XCTUnwrap(entry["file"]?.string)
            let bytes = try Files.read("\(fixtures.folder)/\(file)")
            let readable = file.hasSuffix("1x1.jpg") ? bytes.count : try XCTUnwrap(entry["readable_from"]?.int)
            for count in stride(from: 0, to: readable, by: bytes.count > 600 ? 7 : 1) {
                XCTAssertThrowsError(try ImageDecoder.decode(Array(bytes[..<count])), "\(file) cut to \(count)")
            }
            XCTAssertThrowsError(try ImageDecoder.decode(Array(bytes[..<(readable - 1)])), file)
            for count in readable..<bytes.count {
                XCTAssertEqual(
                    try ImageDecoder.decode(Array(bytes[..<count])), try ImageDecoder.decode(bytes),
                    "\(file) cut to \(count)")
            }
        }
    }

    /// Flipped bits give an error or a picture of the right shape.
    func testDamageNeverCrashes() throws {
        let fixtures = try PillowFixtures("decode")
        var failures = 0
        for entry in fixtures.entries {
            let file = try XCTUnwrap(entry["file"]?.string)
            let bytes = try Files.read("\(fixtures.folder)/\(file)")
            for position in stride(from: 2, to: bytes.count, by: 5) {
                var damaged = bytes
                damaged[position] ^= UInt8(truncatingIfNeeded: 1 << (position % 8))
                do {
                    let image = try ImageDecoder.decode(damaged, limits: ImageLimits(pixels: 1_000_000))
                    XCTAssertEqual(image.pixels.count, 3 * image.width * image.height)
                } catch {
                    failures += 1
                }
            }
        }
        XCTAssertGreaterThan(failures, 100)
    }

    func testSizeIsCheckedBeforeAnythingIsAllocated() throws {
        let fixtures = try PillowFixtures("decode")
        for (file, width, height) in [("jpeg_420.jpg", 43, 29), ("png_filtered.png", 33, 20)] {
            let path = "\(fixtures.folder)/\(file)"
            let area = width * height
            XCTAssertEqual(try ImageDecoder.decode(path: path, limits: ImageLimits(pixels: area)).width, width)
            let message = "\(path): an image of \(width) × \(height) pixels is larger than the limit of \(area - 1)"
            assertFails(.outOfMemory, message) {
                _ = try ImageDecoder.decode(path: path, limits: ImageLimits(pixels: area - 1))
            }
        }
        // Headers that claim 65,535² and (2³¹ − 1)² pixels.
        var jpeg = try Files.read("\(fixtures.folder)/jpeg_420.jpg")
        let frame = try XCTUnwrap(jpeg.indices.dropLast().first { jpeg[$0] == 0xFF && jpeg[$0 + 1] == 0xC0 })
        for offset in 5..<9 { jpeg[frame + offset] = 0xFF }
        assertFails(.model, "Maximum supported image dimension") { _ = try ImageDecoder.decode(jpeg) }
        for offset in [5, 7] { jpeg[frame + offset] = 0xF0 }
        assertFails(.outOfMemory, "61695 × 61695 pixels is larger than the limit") { _ = try ImageDecoder.decode(jpeg) }
        let claim: [UInt8] = [0x7F, 0xFF, 0xFF, 0xFF]
        let header = Array("IHDR".utf8) + claim + claim + [8, 2, 0, 0, 0]
        let png =
            [0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A, 0, 0, 0, 13] + header + bigEndian(CRC32.of(header))
            + [0, 0, 0, 0] + Array("IDAT".utf8) + bigEndian(CRC32.of(Array("IDAT".utf8)))
        assertFails(.outOfMemory, "2147483647 × 2147483647 pixels is larger") { _ = try ImageDecoder.decode(png) }
    }

    func testOtherFilesAreNamed() throws {
        let supported = "; the supported images are JPEG, PNG, WebP, GIF and BMP"
        let cases: [([UInt8], String)] = [
            ([0x49, 0x49, 0x2A, 0], "the file is a TIFF\(supported)"), ([0x4D, 0x4D, 0, 0x2A], "a TIFF"),
            (Array("1234ftypavif".utf8), "an AVIF"), ([0xFF, 0x0A], "a JPEG XL"), (Array("P6\n1 1".utf8), "a PNM"),
            (Array("8BPS".utf8), "a Photoshop file"), ([0, 0, 1, 0], "an icon"), (Array("PK\u{3}\u{4}".utf8), "a ZIP"),
            ([0x1F, 0x8B, 8], "a gzip file"), (Array("%PDF-1.7".utf8), "a PDF"), (Array("<svg".utf8), "an SVG"),
            (Array("<!DOCTYPE html>".utf8), "HTML text"), (Array("GIF88a".utf8), "a GIF of an unknown version"),
            (Array("a picture".utf8), "the file is of no known image format\(supported)"), ([0xFF], "no known"),
        ]
        for (bytes, text) in cases {
            assertFails(.unsupported, text) { _ = try ImageDecoder.decode(bytes) }
        }
        assertFails(.model, "the image is empty") { _ = try ImageDecoder.decode([]) }
        assertFails(.io, "/no/such.jpg") { _ = try ImageDecoder.decode(path: "/no/such.jpg") }
    }

    /// Two colour components and 12 bits a sample are valid JPEG, but Pillow does not read them either.
    func testUnusualJPEGIsNamed() throws {
        let fixtures = try PillowFixtures("decode")
        var jpeg = try Files.read("\(fixtures.folder)/jpeg_420.jpg")
        let frame = try XCTUnwrap(jpeg.indices.dropLast().first { jpeg[$0] == 0xFF && jpeg[$0 + 1] == 0xC0 })
        jpeg[frame + 4] = 12
        assertFails(.unsupported, "unsupported JPEG: Unsupported JPEG data precision 12") {
            _ = try ImageDecoder.decode(jpeg)
        }
    }

    private func bigEndian(_ value: UInt32) -> [UInt8] { withUnsafeBytes(of: value.bigEndian) { Array($0) } }
}
