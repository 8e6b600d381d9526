import DamaSupport
import DamaTestSupport
import Dispatch
import Synchronization
import XCTest

@testable import DamaImage

final class ImageProcessorTests: XCTestCase {
    /// Against the Pillow-based processors of transformers: bit for bit, since pixels and float32 operations are the
    /// same.
    func testEqualsTransformers() throws {
        let folder = Fixtures.path("processed")
        let inputs = try Files.read("\(folder)/inputs.bin")
        let expected = try MappedFile(path: "\(folder)/expected.bin")
        var pictures: [String: RGBImage] = [:]
        var compared = 0
        for entry in try XCTUnwrap(Files.readJSON("\(folder)/expected.json").array) {
            let (width, height) = (try XCTUnwrap(entry["width"]?.int), try XCTUnwrap(entry["height"]?.int))
            let offset = try XCTUnwrap(entry["offset"]?.int)
            if let name = entry["picture"]?.string {
                pictures[name] = try RGBImage(
                    width: width, height: height, pixels: Array(inputs[offset..<offset + 3 * width * height]))
                continue
            }
            var settings = try XCTUnwrap(entry["settings"]?.object).members
            settings.append((key: "image_processor_type", value: try XCTUnwrap(entry["type"])))
            let processor = try ImageProcessor(json: .object(JSONObject(settings)))
            let name = try XCTUnwrap(entry["of"]?.string)
            let found = try processor.process(XCTUnwrap(pictures[name]))
            let label = "\(name) by \(JSON.object(JSONObject(settings)).text)"
            XCTAssertEqual([found.height, found.width], [height, width], label)
            if let size = processor.outputSize { XCTAssertEqual([size.height, size.width], [height, width], label) }
            let values = (0..<3 * width * height).map {
                expected.bytes.loadUnaligned(fromByteOffset: offset + 4 * $0, as: Float.self)
            }
            let difference = zip(values, found.pixels).reduce(0) { max($0, abs($1.0 - $1.1)) }
            XCTAssertTrue(found.pixels == values, "\(label): off by \(difference)")
            compared += 1
        }
        XCTAssertEqual(compared, 14 * 6)
    }

    func testDefaultsAreCLIPs() throws {
        XCTAssertEqual(try ImageProcessor(json: ["x": 1]), .clip())
        // As in openai/clip-vit-base-patch32, which an old version wrote.
        let old: JSON = [
            "crop_size": 224, "do_center_crop": true, "do_normalize": true, "do_resize": true,
            "feature_extractor_type": "CLIPFeatureExtractor", "image_mean": [0.48145466, 0.4578275, 0.40821073],
            "image_std": [0.26862954, 0.26130258, 0.27577711], "resample": 3, "size": 224,
        ]
        XCTAssertEqual(try ImageProcessor(json: old), .clip())
        let fast: JSON = [
            "image_processor_type": "CLIPImageProcessorFast", "size": ["shortest_edge": 336], "crop_size": [336, 336],
        ]
        XCTAssertEqual(try ImageProcessor(json: fast), .clip(edge: 336))
        XCTAssertEqual(try ImageProcessor(json: fast).settings, ImageProcessor.clip(edge: 336).settings)
        XCTAssertNotEqual(ImageProcessor.clip().settings, ImageProcessor.clip(edge: 336).settings)
    }

    func testReadsDirectories() throws {
        let directory = try TemporaryDirectory()
        assertFails(.io, "has no preprocessor_config.json") { _ = try ImageProcessor(directory: directory.path) }
        try directory.write(#"{"image_processor": {"size": 32, "crop_size": 32}}"#.utf8, to: "processor_config.json")
        XCTAssertEqual(try ImageProcessor(directory: directory.path), .clip(edge: 32))
        try directory.write(#"{"size": 48, "crop_size": 48}"#.utf8, to: "preprocessor_config.json")
        XCTAssertEqual(try ImageProcessor(directory: directory.path), .clip(edge: 48))
    }

    func testWrongSettingsAreNamed() {
        let cases: [(JSON, DamaError.Code, String)] = [
            (["size": 0], .model, "size is 0; expected an integer from 1 to 4096"),
            (["size": ["shortest_edge": -1]], .model, "size: shortest_edge is -1"),
            (["size": ["longest_edge": 224]], .unsupported, "size is {\"longest_edge\":224}; supported are"),
            (["size": ["height": 1]], .unsupported, "size is {\"height\":1}"),
            (["size": "large"], .model, "size is \"large\""),
            (["crop_size": [1, 2, 3]], .model, "crop_size is [1,2,3]; expected a side"),
            (["crop_size": ["height": 5]], .model, "crop_size: width is missing"),
            (["resample": 7], .model, "resample is 7; expected an integer from 0 to 5"),
            (["do_resize": 1], .model, "do_resize is 1; expected true or false"),
            (["image_mean": [0.5, 0.5]], .model, "image_mean is [0.5,0.5]; expected three numbers"),
            (["image_std": [0.5, 0.5, 0]], .model, "image_std is [0.5,0.5,0]; expected three numbers above 0"),
            (["rescale_factor": 0], .model, "rescale_factor is 0"),
            (["image_processor_type": "DonutProcessor"], .unsupported, "is \"DonutProcessor\"; supported are"),
            (["data_format": "channels_last"], .unsupported, "data_format is \"channels_last\""),
            ([1], .model, "config: expected an object, found an array"),
        ]
        for (json, code, message) in cases {
            assertFails(code, message) { _ = try ImageProcessor(json: json, place: "config") }
        }
    }

    /// A sliver one pixel wide: the crop is cheap, however long the whole would be.
    func testExtremeShapes() throws {
        let sliver = try RGBImage(width: 1, height: 50_000, pixels: [UInt8](repeating: 9, count: 150_000))
        let prepared = try ImageProcessor.clip().process(sliver)
        XCTAssertEqual(prepared.pixels.count, 3 * 224 * 224)
        let longer = try RGBImage(width: 1, height: 80_000, pixels: [UInt8](repeating: 9, count: 240_000))
        assertFails(.outOfMemory, "1 × 80000 pixels makes it 224 × 17920000") {
            _ = try ImageProcessor.clip().process(longer)
        }
        var padding = ImageProcessor.clip()
        padding.padsToSquare = true
        assertFails(.outOfMemory, "50000 × 50000 pixels is larger than the limit") { _ = try padding.process(sliver) }
        padding.mean = [2, 0, 0]
        assertFails(.invalidArgument, "not a colour for padding") { _ = try padding.process(sliver) }
        padding.mean = [0.5]
        assertFails(.invalidArgument, "must be three numbers each") { _ = try padding.process(sliver) }
    }

    /// Decoding and preparing on many threads at once gives the results of one thread.
    func testThreadsDoNotDisturbEachOther() throws {
        let fixtures = try PillowFixtures("decode")
        let files = try fixtures.entries.map { try Files.read("\(fixtures.folder)/\(XCTUnwrap($0["file"]?.string))") }
        let processor = ImageProcessor.clip(edge: 20)
        let alone = try files.map { try processor.process(ImageDecoder.decode($0)).pixels }
        // Damaged files between the good ones, so that errors are reported beside successes.
        let differing = Mutex(0)
        DispatchQueue.concurrentPerform(iterations: 8 * files.count) { index in
            let file = files[index % files.count]
            _ = try? ImageDecoder.decode(Array(file.prefix(file.count / 2)))
            let pixels = (try? processor.process(ImageDecoder.decode(file)))?.pixels
            if pixels != alone[index % files.count] { differing.withLock { $0 += 1 } }
        }
        XCTAssertEqual(differing.withLock { $0 }, 0)
    }
}
