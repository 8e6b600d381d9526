import DamaSupport
import DamaTestSupport
import XCTest

@testable import DamaEvaluation

/// What Python makes of texts, by judged.json, which `make_judged.py` writes.
final class PythonTests: XCTestCase {
    private func cases(_ name: String) throws -> JSON { try XCTUnwrap(Fixtures.json("judged.json")[name]) }

    func testFloat() throws {
        for entry in try XCTUnwrap(cases("floats").array) {
            let text = try XCTUnwrap(entry["text"]?.string)
            let expected = entry["value"]?.string == "inf" ? Double.infinity : entry["value"]?.double
            XCTAssertEqual(PythonFloat.parse(text), expected, text.debugDescription)
        }
        XCTAssertEqual(PythonFloat.parse("nan")?.isNaN, true)
        XCTAssertEqual(PythonFloat.parse("-Infinity"), -.infinity)
    }

    func testStringLiterals() throws {
        let literals = try cases("literals")
        for entry in try XCTUnwrap(literals["good"]?.array) {
            let source = try XCTUnwrap(entry["source"]?.string)
            let value = try XCTUnwrap(entry["value"]?.string)
            let found = try PythonLiteral.string(in: Array("x = \(source) # end".utf8), at: 4)
            XCTAssertTrue(found.hasSameBytes(as: value), "\(source): \(found.debugDescription)")
        }
        for source in try XCTUnwrap(literals["bad"]?.array).compactMap(\.string) {
            assertFails(.model, "Python") { _ = try PythonLiteral.string(in: Array(source.utf8), at: 0) }
        }
        assertFails(.model, "expected a string literal") { _ = try PythonLiteral.string(in: [0x27, 0x27], at: 99) }
        assertFails(.model, "not valid UTF-8") { _ = try PythonLiteral.string(in: [0x27, 0xFF, 0x27], at: -1) }
    }

    func testFormat() throws {
        for entry in try XCTUnwrap(cases("formats").array) {
            let values = try XCTUnwrap(entry["values"]?.array).compactMap(\.string)
            XCTAssertEqual(
                try PythonFormat.fill(try XCTUnwrap(entry["template"]?.string), values), entry["text"]?.string)
        }
        for (template, values) in [("{}", []), ("{}", ["a", "b"]), ("{0}", ["a"]), ("a } b", []), ("{", [])] {
            assertFails(.model, "the prompt has") { _ = try PythonFormat.fill(template, values) }
        }
    }

    func testRounding() throws {
        for entry in try XCTUnwrap(cases("roundings").array) {
            let number = try XCTUnwrap(entry["number"]?.double)
            XCTAssertEqual(NumpyNumber.rounded(number, digits: 1), entry["numpy"]?.double, "\(number)")
            XCTAssertEqual(FixedPoint.rounded(number, digits: 1), entry["python"]?.double, "\(number)")
        }
    }
}
