import DamaImage
import DamaRuntime
import DamaSupport
import DamaTestSupport
import XCTest

@testable import DamaModels

/// Parity with transformers' `CLIPModel` on small models. `make_clip.py` writes the models and the expected values.
final class CLIPTests: XCTestCase {
    override class func setUp() { TestRuntime.configure() }

    static let variants = ["legacy", "sharded", "bfloat16"]

    static func directory(_ variant: String) -> String { Fixtures.path("clip/\(variant)") }

    struct Expected {
        var sentences: [String]
        var tokenCounts: [Int]
        var images: [String]
        var json: JSON

        init(_ variant: String) throws {
            json = try Fixtures.json("clip/\(variant)/expected.json")
            sentences = try XCTUnwrap(json["sentences"]?.array).compactMap(\.string)
            tokenCounts = try XCTUnwrap(json["token_counts"]?.array).compactMap(\.int)
            images = try XCTUnwrap(json["images"]?.array).compactMap(\.string).map { Fixtures.path("clip/\($0)") }
        }

        func matrix(_ key: String) throws -> [[Double]] {
            try XCTUnwrap(json[key]?.array).map { $0.array?.compactMap(\.double) ?? [] }
        }
    }

    private func assertClose(
        _ found: [[Float]], _ expected: [[Double]], _ tolerance: Double, _ what: String, line: UInt = #line
    ) {
        XCTAssertEqual(found.count, expected.count, what, line: line)
        for (a, b) in zip(found, expected) {
            XCTAssertEqual(a.count, b.count, what, line: line)
            for (x, y) in zip(a, b) { XCTAssertEqual(Double(x), y, accuracy: tolerance, what, line: line) }
        }
    }

    func testScoresFromFilesEqualTransformers() throws {
        for variant in Self.variants {
            let expected = try Expected(variant)
            let scorer = try Scorer(directory: Self.directory(variant))
            let scale = try XCTUnwrap(expected.json["logit_scale"]?.double)
            XCTAssertEqual(Double(scorer.logitScale), scale, accuracy: 1e-4)
            for (path, logits) in zip(expected.images, try expected.matrix("logits")) {
                let bytes = try Files.read(path)
                let decoded = try ImageDecoder.decode(bytes)
                for image in [Scorer.Image.path(path), .bytes(bytes), .pixels(decoded)] {
                    let scores = try scorer.score(image: image, sentences: expected.sentences)
                    // Resizing differs by one grey level at most.
                    assertClose([scores], [logits], 1e-3, variant)
                }
            }
        }
    }

    func testScoresFromEqualPixelsEqualTransformers() throws {
        let count = 3 * 32 * 32
        // As plain_pixels of make_clip.py.
        let images = (0..<2).map { image in
            PreparedImage(
                pixels: (0..<count).map { index in
                    let hashed = UInt64(image * count + index) &* 2_654_435_761 % (1 << 32)
                    return Float(Double(hashed >> 8) / Double(1 << 23) - 1)
                }, height: 32, width: 32)
        }
        for variant in Self.variants {
            let expected = try Expected(variant)
            let encoder = try DualEncoder(directory: Self.directory(variant))
            let texts = try encoder.embed(texts: expected.sentences)
            let scores = try Scorer.scores(
                images: encoder.embed(images: images), texts: texts, scale: encoder.logitScale)
            let rows = [Array(scores[..<texts.count]), Array(scores[texts.count...])]
            // fp32 sums in another order, times a logit scale of up to 100.
            assertClose(rows, try expected.matrix("logits_of_plain_pixels"), 1e-4, variant)
        }
    }

    func testEmbeddingsEqualTransformers() throws {
        for variant in Self.variants {
            let expected = try Expected(variant)
            let scorer = try Scorer(directory: Self.directory(variant))
            XCTAssertEqual(scorer.dimension, 16)
            assertClose(
                try scorer.embedTexts(expected.sentences), try expected.matrix("text_embeds"), 1e-6, variant)
            assertClose(
                try scorer.embedImages(expected.images.map { .path($0) }), try expected.matrix("image_embeds"), 1e-5,
                variant)
            XCTAssertEqual(try expected.sentences.map { try scorer.encoder.tokenCount($0) }, expected.tokenCounts)
        }
    }

    func testTheHubsOnnxLayoutGivesTheSame() throws {
        let expected = try Expected("legacy")
        var options = Scorer.Options()
        options.logitScale = 50
        let scorer = try Scorer(directory: Self.directory("exported"), options: options)
        XCTAssertEqual(scorer.logitScale, 50)
        XCTAssertEqual(try Scorer(directory: Self.directory("exported")).logitScale, 100)
        assertClose(try scorer.embedTexts(expected.sentences), try expected.matrix("text_embeds"), 1e-6, "texts")
        assertClose(
            try scorer.embedImages(expected.images.map { .path($0) }), try expected.matrix("image_embeds"), 1e-5,
            "images")
    }

    func testManyTextsAndImagesAtOnceGiveWhatEachGivesAlone() throws {
        let scorer = try Scorer(directory: Self.directory("sharded"))
        let texts = (0..<300).map { "number \($0) of \($0 % 7) dogs, \(String(repeating: "a b ", count: $0 % 11))" }
        let together = try scorer.embedTexts(texts)
        for index in stride(from: 0, to: texts.count, by: 37) {
            let alone = try scorer.embedTexts([texts[index]])[0]
            for (a, b) in zip(together[index], alone) { XCTAssertEqual(a, b, accuracy: 2e-6) }
        }
        let path = Fixtures.path("clip/wide.jpg")
        let other = Fixtures.path("clip/tall.png")
        let images = try scorer.embedImages((0..<70).map { .path($0 == 69 ? other : path) })
        XCTAssertEqual(images[0].count, 16)
        for (a, b) in zip(images[69], try scorer.embedImages([.path(other)])[0]) {
            XCTAssertEqual(a, b, accuracy: 2e-6)
        }
        XCTAssertEqual(try scorer.embedTexts([]), [])
        // Images are decoded on threads; of several bad ones the first is named.
        for _ in 0..<10 {
            let paths = [path, "none-1.jpg", path, "none-2.jpg", "none-3.jpg"]
            assertFails(.io, "none-1.jpg") { _ = try scorer.embedImages(paths.map { .path($0) }) }
        }
        XCTAssertEqual(try scorer.embedImages([]), [])
        XCTAssertEqual(try scorer.score(image: .path(path), sentences: []), [])
    }

    func testLongTexts() throws {
        let long = Array(repeating: "7", count: 76).joined(separator: " ")
        let scorer = try Scorer(directory: Self.directory("legacy"))
        XCTAssertEqual(try scorer.encoder.tokenCount(long), 78)
        assertFails(.invalidArgument, "has 78 tokens; the model takes 77") {
            _ = try scorer.embedTexts(["short", long])
        }
        var options = Scorer.Options()
        options.longTexts = .cut
        let cutting = try Scorer(directory: Self.directory("legacy"), options: options)
        // The remaining text is the fixture's 75 sevens.
        let expected = try Expected("legacy")
        let row = try XCTUnwrap(expected.tokenCounts.firstIndex(of: 77))
        assertClose(try cutting.embedTexts([long]), [try expected.matrix("text_embeds")[row]], 1e-6, "cut")
    }

    func testFingerprints() throws {
        var seen = Set<String>()
        for variant in Self.variants + ["exported"] {
            let first = try DualEncoder(directory: Self.directory(variant)).fingerprint
            XCTAssertEqual(first, try DualEncoder(directory: Self.directory(variant)).fingerprint)
            XCTAssertEqual(first.count, 64)
            seen.insert(first)
        }
        var options = Scorer.Options()
        options.longTexts = .cut
        seen.insert(try DualEncoder(directory: Self.directory("legacy"), options: options).fingerprint)
        XCTAssertEqual(seen.count, 5)
    }

    func testAModelBehindSymbolicLinks() throws {
        // As in a hub cache, whose files are links to blobs elsewhere.
        let expected = try Expected("sharded")
        let folder = try TemporaryDirectory()
        for name in try FileManager.default.contentsOfDirectory(atPath: Self.directory("sharded")) {
            try FileManager.default.createSymbolicLink(
                atPath: "\(folder.path)/\(name)", withDestinationPath: "\(Self.directory("sharded"))/\(name)")
        }
        let scorer = try Scorer(directory: folder.path)
        assertClose(try scorer.embedTexts(expected.sentences), try expected.matrix("text_embeds"), 1e-6, "links")
    }
}
