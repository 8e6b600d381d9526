import DamaTestSupport
import XCTest

@testable import DamaText

/// Long runs of combining marks. Sorting them by insertion takes quadratic time, over 20 seconds for a row of 600 KB.
final class CombiningMarkTests: XCTestCase {
    /// The expected values come from Python's unicodedata (Fixtures/make_combining.py).
    func testLongRunsAreInCanonicalOrder() throws {
        for row in try XCTUnwrap(Fixtures.json("combining.json").array) {
            let forms = try XCTUnwrap(row.array).compactMap(\.string).map { Array($0.unicodeScalars) }
            XCTAssertEqual(CanonicalForm.composed.apply(to: forms[0]), forms[1])
            XCTAssertEqual(CanonicalForm.decomposed.apply(to: forms[0]), forms[2])
        }
    }

    /// Alternating classes are the worst case of a sort by insertion, which takes many minutes here.
    func testALongRowIsReadInTime() throws {
        let text = "a" + String(repeating: "\u{301}\u{323}", count: 150_000)
        XCTAssertEqual(text.utf8.count, 600_001)
        let tokenizer = try Tokenizer(directory: Fixtures.path("clip"))
        XCTAssertGreaterThan(try tokenizer.encode(text).count, 1000)
        let parts = try BuiltInSplitter().split(text, limit: TokenLimit(maximum: 77) { $0.unicodeScalars.count / 4000 })
        XCTAssertEqual(parts.joined().unicodeScalars.count, 300_001)
    }
}
