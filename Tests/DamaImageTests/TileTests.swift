import DamaSupport
import DamaTestSupport
import XCTest

@testable import DamaImage

/// Pictures cut into tiles, against transformers' Pillow-based processors (Fixtures/make_tiles.py): bit for bit, as in
/// ``ImageProcessorTests``.
final class TileTests: XCTestCase {
    private typealias Process = (RGBImage) throws -> PreparedImage

    private func process(_ type: String, _ settings: JSON) throws -> Process {
        var members = try XCTUnwrap(settings.object).members
        members.append((key: "image_processor_type", value: .string(type)))
        let json = JSON.object(JSONObject(members))
        if type.hasPrefix("LlavaNext") {
            let processor = try GridImageProcessor(json: json)
            return { try processor.process($0) }
        }
        let processor = try SplitImageProcessor(json: json)
        return { try processor.process($0) }
    }

    func testEqualsTransformers() throws {
        let folder = Fixtures.path("tiles")
        let inputs = try Files.read("\(folder)/inputs.bin")
        let expected = try MappedFile(path: "\(folder)/expected.bin")
        let json = try Fixtures.json("tiles/expected.json")
        var pictures: [String: RGBImage] = [:]
        for entry in try XCTUnwrap(json["pictures"]?.array) {
            let (width, height) = (try XCTUnwrap(entry["width"]?.int), try XCTUnwrap(entry["height"]?.int))
            let offset = try XCTUnwrap(entry["offset"]?.int)
            pictures[try XCTUnwrap(entry["name"]?.string)] = try RGBImage(
                width: width, height: height, pixels: Array(inputs[offset..<offset + 3 * width * height]))
        }
        var compared = 0
        for entry in try XCTUnwrap(json["cases"]?.array) {
            let settings = try XCTUnwrap(entry["settings"])
            let process = try process(XCTUnwrap(entry["type"]?.string), settings)
            let areLevels = entry["form"]?.string == "levels"
            for result in try XCTUnwrap(entry["results"]?.array) {
                let name = try XCTUnwrap(result["of"]?.string)
                let picture = try XCTUnwrap(pictures[name])
                let found = try process(picture)
                let label = "\(name) by \(settings.text)"
                let (rows, columns) = (try XCTUnwrap(result["rows"]?.int), try XCTUnwrap(result["columns"]?.int))
                XCTAssertEqual(
                    found.tiling,
                    ImageTiling(
                        rows: rows, columns: columns, picture: PixelSize(width: picture.width, height: picture.height)),
                    label)
                let side = try XCTUnwrap(result["side"]?.int)
                XCTAssertEqual([found.height, found.width], [side, side], label)
                let offset = try XCTUnwrap(result["offset"]?.int)
                let values = (0..<(rows * columns + 1) * 3 * side * side).map {
                    areLevels
                        ? Float(expected.bytes[offset + $0])
                        : expected.bytes.loadUnaligned(fromByteOffset: offset + 4 * $0, as: Float.self)
                }
                let difference = zip(values, found.pixels).reduce(0) { max($0, abs($1.0 - $1.1)) }
                XCTAssertTrue(found.pixels == values, "\(label): off by \(difference)")
                compared += 1
            }
        }
        XCTAssertEqual(compared, 11 * 6)
    }

    /// The size and the grid that transformers chooses, at the boundaries between grids and of rounding.
    func testSliversAndTies() throws {
        let grid = try GridImageProcessor(json: [
            "image_processor_type": "LlavaNextImageProcessor", "size": 8, "crop_size": 8,
            "image_grid_pinpoints": [[8, 16], [16, 8]],
        ])
        // Both grids keep as much of a square; the first is taken.
        XCTAssertEqual(try grid.grid(for: PixelSize(width: 9, height: 9)), PixelSize(width: 16, height: 8))
        let sliver = try RGBImage(width: 1, height: 400, pixels: [UInt8](repeating: 7, count: 1200))
        assertFails(.invalidArgument, "an image of 1 × 400 pixels is too narrow") { _ = try grid.process(sliver) }
        let split = try SplitImageProcessor(json: [
            "image_processor_type": "Idefics3ImageProcessor", "do_resize": false, "max_image_size": ["longest_edge": 1],
        ])
        assertFails(.outOfMemory, "would become 40 × 40 tiles; the most is 1024") {
            _ = try split.process(try RGBImage(width: 40, height: 40, pixels: [UInt8](repeating: 7, count: 4800)))
        }
    }

    /// Every picture, however narrow, gives whole tiles or the error that says why not.
    func testPicturesOfAllShapes() throws {
        let grid = try GridImageProcessor(json: [
            "image_processor_type": "LlavaNextImageProcessor", "size": 8, "crop_size": 8,
            "image_grid_pinpoints": [[8, 16], [16, 8], [16, 16], [24, 8]],
        ])
        let split = try SplitImageProcessor(json: [
            "image_processor_type": "Idefics3ImageProcessor", "size": ["longest_edge": 40],
            "max_image_size": ["longest_edge": 8],
        ])
        let sides = [1, 2, 3, 7, 8, 9, 16, 17, 40, 41, 300, 9000]
        for width in sides {
            for height in sides where width * height < 100_000 {
                let picture = try RGBImage(
                    width: width, height: height, pixels: [UInt8](repeating: 7, count: 3 * width * height))
                func check(_ prepared: PreparedImage) {
                    XCTAssertEqual([prepared.width, prepared.height], [8, 8])
                    XCTAssertEqual(prepared.pixels.count, prepared.tileCount * 3 * 8 * 8, "\(width) × \(height)")
                }
                let cut = try split.process(picture)
                check(cut)
                XCTAssertLessThanOrEqual(max(cut.tiling?.rows ?? 9, cut.tiling?.columns ?? 9), 5)
                XCTAssertEqual(split.mostTilesPerSide, 5)
                do {
                    check(try grid.process(picture))
                } catch let error as DamaError {
                    XCTAssertEqual(error.code, .invalidArgument)
                    XCTAssertGreaterThan(max(width, height) / min(width, height), 16, "\(width) × \(height)")
                }
            }
        }
    }

    func testSettingsTellProcessorsApart() throws {
        func split(_ change: JSON) throws -> String {
            var members = try XCTUnwrap(change.object).members
            members.append((key: "image_processor_type", value: "SmolVLMImageProcessorFast"))
            return try SplitImageProcessor(json: .object(JSONObject(members))).settings.text
        }
        let changes: [JSON] = [
            ["x": 1], ["do_image_splitting": false], ["max_image_size": ["longest_edge": 512]],
            ["size": ["longest_edge": 2048]], ["do_resize": false], ["size": ["height": 9, "width": 9]],
            ["image_mean": 0.4], ["resample": 3],
        ]
        XCTAssertEqual(Set(try changes.map(split)).count, changes.count)
    }

    func testWrongSettingsAreNamed() {
        func grids(_ change: (key: String, value: JSON)) throws {
            _ = try GridImageProcessor(
                json: .object(
                    JSONObject([
                        (key: "image_processor_type", value: "LlavaNextImageProcessor"), (key: "size", value: 8),
                        (key: "crop_size", value: 8), change,
                    ])))
        }
        let cases: [(String, JSON, DamaError.Code, String)] = [
            ("image_grid_pinpoints", [], .model, "image_grid_pinpoints is []; expected a list of [height, width]"),
            ("image_grid_pinpoints", [[8, 0]], .model, "expected a list of [height, width]"),
            ("image_grid_pinpoints", [[8, 8], [8]], .model, "expected a list of [height, width]"),
            (
                "image_grid_pinpoints", [[8, 12]], .unsupported,
                "has [8, 12]; both must be multiples of the tiles' side of 8"
            ),
            ("image_grid_pinpoints", [[8000, 8000]], .unsupported, "with fewer than 1024 tiles"),
            ("image_grid_pinpoints", 3, .model, "image_grid_pinpoints is 3"),
            ("do_center_crop", 7, .model, "do_center_crop is 7"),
        ]
        for (key, value, code, message) in cases { assertFails(code, message) { try grids((key: key, value: value)) } }
        assertFails(.unsupported, "tiles of 8 × 8 and 9 × 7; all must be the same square") {
            _ = try GridImageProcessor(json: [
                "image_processor_type": "LlavaNextImageProcessor", "size": ["height": 7, "width": 9], "crop_size": 8,
                "image_grid_pinpoints": [[8, 8]], "do_resize": false, "do_center_crop": false,
            ])
        }
        assertFails(.unsupported, "\"CLIPImageProcessor\"; it must be LlavaNextImageProcessor") {
            _ = try GridImageProcessor(json: ["size": 8])
        }
        assertFails(.unsupported, "it must be Idefics3ImageProcessor or SmolVLMImageProcessor") {
            _ = try SplitImageProcessor(json: ["size": 8])
        }
        assertFails(.model, "max_image_size: longest_edge is 0") {
            _ = try SplitImageProcessor(json: [
                "image_processor_type": "Idefics3ImageProcessor", "max_image_size": ["longest_edge": 0],
            ])
        }
        // A processor of tiles is not taken for a plain one.
        assertFails(.unsupported, "\"Idefics3ImageProcessor\"; supported are") {
            _ = try ImageProcessor(json: ["image_processor_type": "Idefics3ImageProcessor"])
        }
    }
}
