import DamaSupport
import XCTest

final class JSONTests: XCTestCase {
    func testReadsEveryKindOfValue() throws {
        let value = try JSON(parsing: #" {"a":[1,-2.5,1e3,true,false,null,"x\n\u00e9\ud83d\ude00"],"b":{}} "#)
        XCTAssertEqual(
            value, ["a": [1, -2.5, 1000.0, true, false, .null, "x\né😀"], "b": .object(JSONObject())])
    }

    func testKeepsIntegersOf64Bits() throws {
        XCTAssertEqual(try JSON(parsing: "9223372036854775807").int, Int.max)
        XCTAssertNil(try JSON(parsing: "9223372036854775808").int)
        XCTAssertEqual(try JSON(parsing: "1.5e1").int, 15)
    }

    func testRepeatedKeysAreFoundAndTheLastOneCounts() throws {
        let object = try XCTUnwrap(JSON(parsing: #"{"a":1,"b":2,"a":3}"#).object)
        XCTAssertEqual(object["a"], 3)
        XCTAssertEqual(object.repeatedKey, "a")
    }

    func testSyntaxErrorsNameTheirPlace() {
        let cases: [(String, String)] = [
            ("", "byte 0"), ("{", "byte 1"), ("[1,]", "byte 3"), ("{\"a\" 1}", "byte 5"), ("01", "byte 1"),
            ("\"abc", "closing quote"), ("\"\u{1}\"", "control character"), ("nul", "expected null"),
            ("1 2", "expected the end"), ("\"\\x\"", "unknown escape"), ("\"\\u12g4\"", "hexadecimal"),
            ("1e999", "out of range"), ("-", "digit"), ("NaN", "expected a value"),
        ]
        for (text, expected) in cases {
            XCTAssertThrowsError(try JSON(parsing: text), text) { error in
                let message = (error as? DamaError)?.message ?? ""
                XCTAssertTrue(message.contains(expected), "\(text): \(message)")
            }
        }
    }

    func testDeepNestingIsAnErrorAndNoStackOverflow() {
        XCTAssertThrowsError(try JSON(parsing: String(repeating: "[", count: 1_000_000)))
    }

    func testBrokenUTF8IsAnError() {
        XCTAssertThrowsError(try JSON(parsing: [0x22, 0xFF, 0x22]))
    }

    func testHalfASurrogatePairBecomesTheReplacementCharacter() throws {
        XCTAssertEqual(try JSON(parsing: #""\ud83dx""#), "\u{FFFD}x")
    }

    func testWritesWhatItReads() throws {
        let text = #"{"k":[1,2.5,"a\"\\\n\u0001é",null,true],"z":{"y":-1e-05}}"#
        let value = try JSON(parsing: text)
        XCTAssertEqual(try JSON(parsing: value.text), value)
        XCTAssertEqual(value.text, text)
    }
}
