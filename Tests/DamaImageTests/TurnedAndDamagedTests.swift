import DamaSupport
import DamaTestSupport
import XCTest

@testable import DamaImage

/// Orientation, transparency and damage, against the results of transformers' `load_image` and `convert_to_rgb` with
/// Pillow 13: see make_decoding.py.
final class TurnedAndDamagedTests: XCTestCase {
    // A picture that a phone stored sideways used to be scored sideways.
    func testOrientationIsApplied() throws { try compare("turned", atLeast: 60) }

    // Transparent pixels used to show the colour that the file stores below them.
    func testTransparencyIsPutOnWhite() throws { try compare("transparent", atLeast: 45) }

    // Files that Pillow reads used to be rejected as damaged.
    func testDamagedFilesAreReadWherePillowReadsThem() throws { try compare("damaged", atLeast: 55) }

    /// PNG is exact, and so is JPEG if Pillow's libjpeg-turbo and ours compute alike. The standard leaves the rounding
    /// of the inverse transform open, so one grey level is allowed. In a progressive file that lost its last scans,
    /// libjpeg-turbo guesses them from neighbouring blocks, slightly differently in each version: four levels.
    private func compare(_ kind: String, atLeast count: Int) throws {
        let fixtures = try PillowFixtures("decoding")
        let entries = fixtures.entries.filter { $0["kind"]?.string == kind }
        XCTAssertGreaterThanOrEqual(entries.count, count)
        for entry in entries {
            let file = try XCTUnwrap(entry["file"]?.string)
            let path = "\(fixtures.folder)/\(file)"
            if entry["fails"]?.bool == true {
                assertFails(.model, "damaged \(file.hasSuffix("png") ? "PNG" : "JPEG")") {
                    _ = try ImageDecoder.decode(path: path)
                }
                continue
            }
            let expected = try fixtures.image(entry)
            do {
                let found = try ImageDecoder.decode(path: path, entry["plain"] == nil ? ImageDecoding() : .asStored)
                XCTAssertEqual([found.width, found.height], [expected.width, expected.height], file)
                let allowed = file.hasSuffix(".png") ? 0 : kind == "damaged" && file.contains("progressive") ? 4 : 1
                XCTAssertLessThanOrEqual(largestDifference(found, expected), allowed, file)
            } catch {
                XCTFail("\(file): \(error)")
            }
        }
    }

    /// Each option turns off its own part alone.
    func testOptionsAreSeparate() throws {
        let fixtures = try PillowFixtures("decoding")
        let path = "\(fixtures.folder)/turned_and_transparent.png"
        var decoding = ImageDecoding()
        decoding.blendsOnWhite = false
        let turned = try ImageDecoder.decode(path: path, decoding)
        XCTAssertEqual([turned.width, turned.height], [5, 7])
        decoding = .asStored
        decoding.blendsOnWhite = true
        let blended = try ImageDecoder.decode(path: path, decoding)
        XCTAssertEqual([blended.width, blended.height], [7, 5])
        XCTAssertNotEqual(blended, try ImageDecoder.decode(path: path, .asStored))
    }

    /// Damaged metadata still gives a picture, whatever it holds: every prefix and flipped bits of an orientation.
    func testDamagedMetadataAreNoError() throws {
        let fixtures = try PillowFixtures("decoding")
        for file in ["turned_6.jpg", "xmp.jpg", "type_16.jpg"] {
            let bytes = try Files.read("\(fixtures.folder)/\(file)")
            for position in 6..<120 {
                for bit in 0..<8 {
                    var damaged = bytes
                    damaged[position] ^= 1 << bit
                    _ = try? ImageDecoder.decode(damaged)
                }
            }
        }
        var generator = RandomGenerator(seed: 4)
        for _ in 0..<20_000 {
            var bytes = (0..<generator.uniform(below: 60)).map { _ in UInt8(truncatingIfNeeded: generator.next()) }
            bytes = [0x4D, 0x4D, 0, 0x2A, 0, 0, 0, UInt8(generator.uniform(below: 12))] + bytes
            _ = TIFFDirectory.orientation(in: bytes)
        }
    }
}
