import DamaTestSupport
import XCTest

@testable import DamaText

/// Long runs of combining marks: a row of 600 KB was not done after 20 seconds, since sorting them took the square.
final class CombiningMarkTests: XCTestCase {
    /// The oracle is Python's unicodedata (Fixtures/make_combining.py).
    func testLongRunsAreInCanonicalOrder() throws {
        for row in try XCTUnwrap(Fixtures.json("combining.json").array) {
            let forms = try XCTUnwrap(row.array).compactMap(\.string).map { Array($0.unicodeScalars) }
            XCTAssertEqual(CanonicalForm.composed.apply(to: forms[0]), forms[1])
            XCTAssertEqual(CanonicalForm.decomposed.apply(to: forms[0]), forms[2])
        }
    }

    /// In alternating classes, the worst case of a sort by insertion. Without the fix this takes many minutes.
    func testALongRowIsReadInTime() throws {
        let text = "a" + String(repeating: "\u{301}\u{323}", count: 150_000)
        XCTAssertEqual(text.utf8.count, 600_001)
        let tokenizer = try Tokenizer(directory: Fixtures.path("clip"))
        XCTAssertGreaterThan(try tokenizer.encode(text).count, 1000)
        let parts = try BuiltInSplitter().split(text, limit: TokenLimit(maximum: 77) { $0.unicodeScalars.count / 4000 })
        XCTAssertEqual(parts.joined().unicodeScalars.count, 300_001)
    }
}
