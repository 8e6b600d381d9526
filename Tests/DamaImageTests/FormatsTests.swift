import DamaSupport
import DamaTestSupport
import XCTest

@testable import DamaImage

/// WebP, GIF, BMP and MPO files against transformers' `load_image` and `convert_to_rgb` with Pillow 13: see
/// make_formats.py.
final class FormatsTests: XCTestCase {
    /// Byte for byte, lossy WebP too: libwebp's decoder is exact, and 1.2.4, 1.5.0 and Pillow's 1.6.0 give the same
    /// pixels. An MPO holds JPEG pictures, whose rounding the standard leaves open: one grey level.
    func testEqualsPillow() throws {
        let fixtures = try PillowFixtures("formats")
        var counts: [String: Int] = [:]
        for entry in fixtures.entries {
            let file = try XCTUnwrap(entry["file"]?.string)
            let path = "\(fixtures.folder)/\(file)"
            let kind = String(file.split(separator: ".").last ?? "")
            counts[kind, default: 0] += 1
            if let failure = entry["fails"]?.string {
                let names = ["webp": "WebP", "gif": "GIF", "bmp": "BMP"]
                let code: DamaError.Code = failure == "unsupported" ? .unsupported : .model
                assertFails(code, "\(failure) \(names[kind] ?? kind): ") { _ = try ImageDecoder.decode(path: path) }
                continue
            }
            let expected = try fixtures.image(entry)
            do {
                let found = try ImageDecoder.decode(path: path, entry["plain"] == nil ? ImageDecoding() : .asStored)
                XCTAssertEqual([found.width, found.height], [expected.width, expected.height], file)
                XCTAssertLessThanOrEqual(largestDifference(found, expected), kind == "mpo" ? 1 : 0, file)
            } catch {
                XCTFail("\(file): \(error)")
            }
        }
        for (kind, count) in ["webp": 45, "gif": 50, "bmp": 110, "mpo": 3] {
            XCTAssertGreaterThanOrEqual(counts[kind] ?? 0, count, kind)
        }
    }

    /// A shorter beginning of a file is an error, a longer one the same picture: as to Pillow.
    func testEveryTruncationIsReadAsPillowReadsIt() throws {
        let fixtures = try PillowFixtures("formats")
        for entry in fixtures.entries {
            guard let readable = entry["readable_from"]?.int else { continue }
            let file = try XCTUnwrap(entry["file"]?.string)
            let bytes = try Files.read("\(fixtures.folder)/\(file)")
            for count in stride(from: 0, to: readable, by: bytes.count > 600 ? 17 : 1) {
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
        let fixtures = try PillowFixtures("formats")
        var (failures, pictures) = (0, 0)
        for entry in fixtures.entries where entry["plain"] == nil {
            let bytes = try Files.read("\(fixtures.folder)/\(try XCTUnwrap(entry["file"]?.string))")
            for position in stride(from: 2, to: bytes.count, by: bytes.count > 600 ? 23 : 5) {
                var damaged = bytes
                damaged[position] ^= UInt8(truncatingIfNeeded: 1 << (position % 8))
                do {
                    let image = try ImageDecoder.decode(damaged, limits: ImageLimits(pixels: 100_000))
                    XCTAssertEqual(image.pixels.count, 3 * image.width * image.height)
                    pictures += 1
                } catch {
                    failures += 1
                }
            }
        }
        XCTAssertGreaterThan(failures, 100)
        XCTAssertGreaterThan(pictures, 100)
    }

    /// Small files that claim a large picture are refused by their headers.
    func testSizeIsCheckedBeforeAnythingIsAllocated() throws {
        let fixtures = try PillowFixtures("formats")
        for (file, width, height) in [
            ("lossy_30.webp", 34, 21), ("lossless.webp", 34, 21), ("frame_in_canvas.webp", 20, 15),
            ("placed.gif", 20, 15), ("beyond_screen.gif", 14, 11), ("direct_24.bmp", 7, 5), ("rle8.bmp", 8, 5),
        ] {
            let path = "\(fixtures.folder)/\(file)"
            let area = width * height
            XCTAssertEqual(try ImageDecoder.decode(path: path, limits: ImageLimits(pixels: area)).width, width)
            let message = "\(path): an image of \(width) × \(height) pixels is larger than the limit of \(area - 1)"
            assertFails(.outOfMemory, message) {
                _ = try ImageDecoder.decode(path: path, limits: ImageLimits(pixels: area - 1))
            }
        }
        func read(_ file: String) throws -> [UInt8] { try Files.read("\(fixtures.folder)/\(file)") }
        // The canvas of an animation; its sides are written less one.
        var webp = try read("frame_in_canvas.webp")
        for (offset, byte) in zip(24..<30, [0xFF, 0xFF, 0, 0xFE, 0xFF, 0] as [UInt8]) { webp[offset] = byte }
        assertFails(.outOfMemory, "65536 × 65535 pixels is larger") { _ = try ImageDecoder.decode(webp) }
        var gif = try read("global.gif")
        for offset in 6..<10 { gif[offset] = 0xFF }
        assertFails(.outOfMemory, "65535 × 65535 pixels is larger") { _ = try ImageDecoder.decode(gif) }
        for file in ["direct_24.bmp", "rle8.bmp"] {
            var bmp = try read(file)
            for offset in 18..<22 { bmp[offset] = 0xFE }
            assertFails(.outOfMemory, "4278124286 × 5 pixels is larger") { _ = try ImageDecoder.decode(bmp) }
        }
    }
}
