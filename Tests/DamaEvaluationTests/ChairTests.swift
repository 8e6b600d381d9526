import DamaSupport
import DamaTestSupport
import XCTest

@testable import DamaEvaluation

final class ChairTests: XCTestCase {
    func testCaptionsEqualTheScript() throws {
        let fixture = try ObjectFixture()
        XCTAssertEqual(try fixture.prepare(Chair.self).missing.map(\.name), [])
        let benchmark = try fixture.open(Chair.self)
        // All of COCO's images: the 300, and 20 that no question is about.
        XCTAssertEqual(benchmark.questions.count, 320)
        XCTAssertEqual(benchmark.questions[1].image, "COCO_train2014_000000000011.jpg")
        let file = try XCTUnwrap(Fixtures.json("object-halbench/captions.json").object)
        let rows = try XCTUnwrap(benchmark.rows(of: file))
        let metrics = try fixture.check(benchmark, "chair", rows: rows)
        let printed = try XCTUnwrap(fixture.expected["chair"]?["printed"]?.string).split(separator: "\t")
        XCTAssertEqual(metrics["chair_s"]?.official, String(printed[0]))
        XCTAssertEqual(metrics["chair_i"]?.official, String(printed[2]))
    }

    func testAChoiceOfImages() throws {
        let fixture = try ObjectFixture()
        let path = try fixture.folder.write(Array("5001\n11 \r\n\n".utf8), to: "image_ids.txt")
        try fixture.prepare(Chair.self, more: [path])
        let benchmark = try fixture.open(Chair.self)
        XCTAssertEqual(benchmark.questions.map(\.id), [11, 5001])
        XCTAssertThrowsError(try benchmark.answer(in: ["image_id": 2, "caption": "a dog"], at: 0))
        XCTAssertEqual(try benchmark.answer(in: ["id": "5001", "response": "a dog"], at: 0).question, 1)
        assertFails(.invalidArgument, "\"x\" is not the id of an image") {
            _ = try fixture.folder.write(Array("x".utf8), to: "image_ids.txt")
            try fixture.prepare(Chair.self, more: [path])
        }
    }

    func testNoAnswersAreUndefined() throws {
        let fixture = try ObjectFixture()
        try fixture.prepare(Chair.self)
        for metric in try fixture.open(Chair.self).metrics([:]) {
            XCTAssertNil(metric.value)
            XCTAssertNil(metric.official)
        }
    }
}
