import DamaSupport
import DamaTestSupport
import XCTest

@testable import DamaImage

/// Pictures that Pillow computed in make_images.py.
struct PillowFixtures {
    let folder: String
    let entries: [JSON]
    private let data: [UInt8]

    init(_ folder: String) throws {
        self.folder = Fixtures.path(folder)
        entries = try XCTUnwrap(Files.readJSON("\(self.folder)/expected.json").array)
        data = try Files.read("\(self.folder)/expected.bin")
    }

    func image(_ entry: JSON) throws -> RGBImage {
        let (width, height) = (try XCTUnwrap(entry["width"]?.int), try XCTUnwrap(entry["height"]?.int))
        let offset = try XCTUnwrap(entry["offset"]?.int)
        let pixels = Array(data[offset..<offset + 3 * width * height])
        return try RGBImage(width: width, height: height, pixels: pixels)
    }
}

extension ImageDecoding {
    /// As the original LLaVA trainer reads images.
    static var asStored: ImageDecoding {
        var decoding = ImageDecoding()
        decoding.appliesOrientation = false
        decoding.blendsOnWhite = false
        return decoding
    }
}

/// The largest difference between two images of one size, in grey levels.
func largestDifference(_ a: RGBImage, _ b: RGBImage) -> Int {
    zip(a.pixels, b.pixels).reduce(0) { max($0, abs(Int($1.0) - Int($1.1))) }
}
