import DamaSupport
import Foundation
import XCTest

@testable import DamaImage

/// Real photographs against Pillow and transformers; see Fixtures/make_photographs.py. Skipped without them.
final class PhotographTests: XCTestCase {
    func testEqualsPillowAndTransformers() throws {
        guard let folder = ProcessInfo.processInfo.environment["DAMA_PHOTOGRAPHS"] else {
            throw XCTSkip("DAMA_PHOTOGRAPHS names no folder made by make_photographs.py")
        }
        var padding = ImageProcessor.clip(edge: 336)
        padding.padsToSquare = true
        let processors: [(String, ImageProcessor)] = [
            ("clip", .clip()), ("clip336", .clip(edge: 336)), ("pad336", padding),
        ]
        let entries = try XCTUnwrap(Files.readJSON("\(folder)/index.json").array)
        XCTAssertGreaterThan(entries.count, 50)
        for entry in entries {
            let file = try XCTUnwrap(entry["file"]?.string)
            let image = try ImageDecoder.decode(path: "\(folder)/\(file)")
            XCTAssertEqual([image.width, image.height], [entry["width"]?.int, entry["height"]?.int], file)
            // JPEG leaves the inverse transform's rounding open, though the same libjpeg-turbo agrees with itself.
            let expected = try Files.read("\(folder)/\(file).rgb")
            let difference = zip(image.pixels, expected).reduce(0) { max($0, abs(Int($1.0) - Int($1.1))) }
            XCTAssertLessThanOrEqual(difference, file.hasSuffix("png") ? 0 : 1, file)
            for (name, processor) in processors {
                let found = try processor.process(image).pixels
                let wanted = try MappedFile(path: "\(folder)/\(file).\(name)")
                var worst: Float = 0
                for (index, value) in found.enumerated() {
                    let expected = wanted.bytes.loadUnaligned(fromByteOffset: 4 * index, as: Float.self)
                    worst = max(worst, abs(value - expected))
                }
                // One grey level after division by the smallest deviation.
                XCTAssertLessThanOrEqual(worst, 1 / 255 / 0.2613, "\(file) \(name)")
                if worst > 0 || difference > 0 { print("\(file) \(name): pixels \(difference), values \(worst)") }
            }
        }
        print("\(entries.count) photographs compared")
    }
}
