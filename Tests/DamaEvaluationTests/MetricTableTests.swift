import DamaSupport
import XCTest

@testable import DamaEvaluation

final class MetricTableTests: XCTestCase {
    func testRunsHaveAMeanAndAStandardDeviation() throws {
        // numpy.mean and numpy.std of [50, 40, 60, 44]: 48.5, 7.533...
        let table = MetricTable([50, 40, 60, 44].map { [Metric("score", $0, official: "x"), Metric("rate", nil)] })
        let score = try XCTUnwrap(table.rows.first)
        XCTAssertEqual(score.value, 48.5)
        XCTAssertEqual(try XCTUnwrap(score.standardDeviation), 56.75.squareRoot(), accuracy: 1e-14)
        XCTAssertNil(score.official)
        XCTAssertNil(table.rows[1].value)
        XCTAssertNil(table.rows[1].standardDeviation)
        XCTAssertEqual(MetricTable(table.json), table)
    }

    func testOneRunHasTheOfficialNumber() throws {
        let table = MetricTable([[Metric("f1", 0.57943, official: "0.579")]])
        XCTAssertEqual(table.json.text, #"{"f1":{"value":0.57943,"official":"0.579"}}"#)
        XCTAssertEqual(MetricTable(table.json), table)
        XCTAssertNil(table.rows[0].standardDeviation)
    }
}
