import XCTest

@testable import DamaEvaluation

final class ResultLineTests: XCTestCase {
    func testLinesAreReadAsTheyWereWritten() {
        let one = ResultLine(
            id: 7, isEmpty: true,
            runs: [AnswerScore(pass: false, counts: ["nouns": 4, "score": 0.5], evidence: ["words": ["dog"]])])
        XCTAssertEqual(
            one.json.text,
            #"{"id":7,"empty":true,"pass":false,"counts":{"nouns":4,"score":0.5},"words":["dog"]}"#)
        XCTAssertEqual(ResultLine(one.json), one)
        let two = ResultLine(
            id: "a", isEmpty: false,
            runs: [AnswerScore(pass: nil, counts: ["score": 1]), AnswerScore(pass: nil, counts: [:])])
        XCTAssertEqual(ResultLine(two.json), two)
    }
}
