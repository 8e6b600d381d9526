import DamaSupport
import XCTest

@testable import DamaEvaluation

final class MetricTableTests: XCTestCase {
    func testSeveralRunsHaveMeanAndDeviation() throws {
        let table = MetricTable([
            [Metric("score", 2, official: "2.0"), Metric("rate", 1, over: 0)],
            [Metric("score", 4, official: "4.0"), Metric("rate", 1, over: 2)],
            [Metric("score", 9, official: "9.0"), Metric("rate", 2, over: 2)],
        ])
        XCTAssertEqual(table.rows.map(\.name), ["score", "rate"])
        XCTAssertEqual(table.rows[0].value, 5)
        // numpy.std([2, 4, 9])
        XCTAssertEqual(try XCTUnwrap(table.rows[0].standardDeviation), 2.943920288775949, accuracy: 1e-15)
        XCTAssertNil(table.rows[0].official)
        // A run without a value leaves none for the mean.
        XCTAssertEqual(table.rows[1].runs, [nil, 50, 100])
        XCTAssertNil(table.rows[1].value)
        XCTAssertNil(table.rows[1].standardDeviation)
        XCTAssertEqual(MetricTable(table.json), table)
    }

    func testOneRunIsAsItIs() {
        let table = MetricTable([[Metric("score", 0.1 + 0.2, official: "0.3"), Metric("rate", .infinity)]])
        XCTAssertEqual(
            table.json.text, #"{"score":{"value":0.30000000000000004,"official":"0.3"},"rate":{"value":null}}"#)
        XCTAssertEqual(MetricTable(table.json), table)
        XCTAssertNil(table.rows[0].standardDeviation)
        XCTAssertNil(MetricTable([1]))
        XCTAssertNil(MetricTable(["score": 1]))
    }
}
