import DamaSupport
import DamaTestSupport
import XCTest

@testable import DamaEvaluation

final class CocoTests: XCTestCase {
    private func instances(_ text: String, pieces: Int = 7) throws -> CocoImages {
        var images = CocoImages(wanted: [1, 2])
        try images.addInstances(MemoryBytes(Array(text.utf8), pieceSize: pieces), name: "instances.json")
        return images
    }

    /// The archive's members and loose files give the same bytes.
    func testArchiveAndLooseFilesAreTheSame() throws {
        let (zipped, loose) = (try ObjectFixture(), try ObjectFixture())
        for benchmark in [ObjectHalBench.self, Chair.self] as [any Benchmark.Type] {
            try zipped.prepare(benchmark)
            try loose.prepare(benchmark, loose: true)
            let paths = [zipped, loose].map { "\($0.output(benchmark))/coco.jsonl" }
            XCTAssertEqual(try Files.read(paths[0]), try Files.read(paths[1]))
            let file = try CocoFile(path: paths[0])
            XCTAssertEqual(file.ids, file.ids.sorted())
            XCTAssertEqual(file.ids.count, benchmark.name == Chair.name ? 320 : 300)
        }
    }

    func testInstancesAndCaptionsGoTogether() throws {
        let fixture = try ObjectFixture()
        try fixture.prepare(ObjectHalBench.self, loose: true)
        let found = Dictionary(
            uniqueKeysWithValues: ["instances_val", "captions_val", "captions_train"].map {
                ("\($0)2014.json", "\(fixture.folder.path)/\($0)2014.json")
            })
        assertFails(.invalidArgument, "instances_train2014.json and captions_train2014.json are needed together") {
            _ = try CocoDownloads.images(found, wanted: nil)
        }
        XCTAssertEqual(
            try CocoDownloads.images(found.filter { $0.key != "captions_train2014.json" }, wanted: nil).ids.count, 170)
    }

    func testMembersOfAnyOrder() throws {
        let parts = [
            #""images": [{"id": 2, "file_name": "b.jpg"}, {"file_name": "c.jpg", "id": 3}]"#,
            #""categories": [{"id": 5, "name": "dog"}, {"id": 7, "name": "cat", "x": {"id": 1}}]"#,
            #""annotations": [{"image_id": 1, "category_id": 7}, {"category_id": 5, "image_id": 1, "y": [{}]},"#
                + #"{"image_id": 1, "category_id": 7}, {"image_id": 3, "category_id": 9}]"#,
        ]
        for order in [[0, 1, 2], [2, 1, 0], [1, 2, 0]] {
            let images = try instances("{\(order.map { parts[$0] }.joined(separator: ", "))}")
            XCTAssertEqual(
                images.images,
                [1: .init(file: nil, categories: ["cat", "dog"]), 2: .init(file: "b.jpg")])
        }
    }

    func testWhatIsNotCOCOIsNamed() {
        let cases: [(String, String)] = [
            ("[]", "instances.json: not valid JSON at byte 0: expected an object"),
            ("{}", "instances.json has no member \"images\"; is it one of COCO's annotation files?"),
            (#"{"images": [], "images": []}"#, "instances.json has two members \"images\""),
            (#"{"images": [], "annotations": [{"image_id": 1}]}"#, "lacks image_id or category_id"),
            (#"{"images": [], "annotations": [{"image_id": "1"}]}"#, "at byte 44: expected an integer"),
            (#"{"images": [], "annotations": [{"image_id": 1e30}]}"#, "at byte 44: expected an integer of 64 bits"),
            (
                #"{"images": [], "annotations": [{"image_id": 1, "category_id": 4}]}"#,
                "the category 4, which has no name"
            ),
            (#"{"images": [], "annotations": {}}"#, "at byte 30: expected an array"),
            (#"{"images": [{"id": 1, "file_name": 3}]}"#, "at byte 35: expected a string"),
            (#"{"images": [], "annotations": []} {}"#, "expected the end of the text"),
            (
                #"{"images": [], "annotations": [{"segmentation": ["# + String(repeating: "[", count: 200),
                "nested deeper"
            ),
        ]
        for (text, message) in cases {
            assertFails(.model, message) { _ = try instances(text) }
        }
        let long = #"{"images": [{"id": 1, "file_name": ""# + String(repeating: "x", count: 70000) + #""}]}"#
        assertFails(.outOfMemory, "instances.json: the value before byte") { _ = try instances(long) }
    }

    /// Wherever the file is cut, that is an error.
    func testCutFilesAreErrors() throws {
        let text =
            #"{"images":[{"id":1,"file_name":"é.jpg"}],"annotations":[{"image_id":1,"category_id":5}],"#
            + #""categories":[{"id":5,"name":"dog"}]}"#
        XCTAssertEqual(try instances(text).images[1], .init(file: "é.jpg", categories: ["dog"]))
        for end in 0..<text.utf8.count {
            var images = CocoImages(wanted: nil)
            let source = MemoryBytes(Array(text.utf8.prefix(end)), pieceSize: 5)
            XCTAssertThrowsError(try images.addInstances(source, name: "cut"), "\(end)")
        }
    }
}
