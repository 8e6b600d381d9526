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

    // As doubles, 18446744073709551615 and …614 would both be 1.8446744073709552e+19.
    func testIntegersBeyondSixtyFourBitsAreKept() throws {
        for text in [
            "18446744073709551615", "18446744073709551614", "-9223372036854775809",
            "1" + String(repeating: "0", count: 40),
        ] {
            let value = try JSON(parsing: text)
            XCTAssertEqual(value, .number(text))
            XCTAssertEqual(value.text, text)
            XCTAssertEqual(value.double, Double(text))
            XCTAssertNil(value.int)
        }
        XCTAssertNotEqual(try JSON(parsing: "18446744073709551615"), try JSON(parsing: "18446744073709551614"))
        XCTAssertEqual(try JSON(parsing: "9223372036854775807"), .int(.max))
    }

    func testNumbersAsTheyAreWritten() throws {
        func read(_ text: String) throws -> JSON { try JSON(parsing: text.utf8, numbers: .asWritten) }
        for (text, value) in [("1", JSON.int(1)), ("1.5", .double(1.5)), ("-7", .int(-7)), ("1e-05", .double(1e-05))] {
            XCTAssertEqual(try read(text), value)
        }
        for text in ["1e3", "1.50", "-0", "1E5", "0.10000000000000000001", "1e400", "-1e400"] {
            XCTAssertEqual(try read(text), .number(text))
            XCTAssertEqual(try read(text).text, text)
        }
        XCTAssertEqual(try read("1e3").int, 1000)
        XCTAssertEqual(try read("1e3").double, 1000)
        XCTAssertNil(try read("1e400").double)
        for text in ["NaN", "Infinity", "-Infinity"] {
            XCTAssertEqual(try read(text), .number(text))
            XCTAssertNil(try read(text).double)
            XCTAssertNil(try read(text).int)
            XCTAssertEqual(try read(text).text, "null", "no JSON is written with it")
            XCTAssertThrowsError(try JSON(parsing: text), "only where it is asked for")
        }
        XCTAssertEqual(try read(#"{"a":[NaN,1e400,-Infinity],"b":2}"#)["b"], 2)
    }

    // Keys and strings that Swift's String treats as equal are different: "é" as one and as two code points.
    func testKeysAndTextsAreToldApartByTheirBytes() throws {
        let (one, two) = ("\u{E9}", "e\u{301}")
        XCTAssertEqual(one, two, "to Swift they are equal")
        for extra in [0, 20] {
            let more = (0..<extra).map { (key: "k\($0)", value: JSON.int(Int64($0))) }
            let object = JSONObject([(key: one, value: 1), (key: two, value: 2)] + more)
            XCTAssertEqual(object[one], 1)
            XCTAssertEqual(object[two], 2)
            XCTAssertNil(object.repeatedKey)
            XCTAssertEqual(JSON.object(object)[one], 1)
        }
        XCTAssertNotEqual(JSON.string(one), .string(two))
        XCTAssertNotEqual(JSON.object([one: 1]), .object([two: 1]))
        XCTAssertNotEqual(ExactText(one), ExactText(two))
        XCTAssertEqual(Set([ExactText(one), ExactText(two), ExactText(one)]).count, 2)
    }

    /// Strings from all of Unicode: equal as values exactly if their UTF-8 is equal.
    func testTextsFromAllOfUnicode() {
        var generator = RandomGenerator(seed: 8)
        let scalars: [Unicode.Scalar] = [
            "e", "\u{E9}", "\u{301}", "\u{212B}", "\u{C5}", "A", "\u{30A}", "\u{1100}", "\u{AC00}",
        ]
        func text() -> String {
            var view = String.UnicodeScalarView()
            for _ in 0..<generator.uniform(below: 4) { view.append(scalars[generator.uniform(below: scalars.count)]) }
            return String(view)
        }
        for _ in 0..<20_000 {
            let (a, b) = (text(), text())
            let same = Array(a.utf8) == Array(b.utf8)
            XCTAssertEqual(JSON.string(a) == .string(b), same)
            XCTAssertEqual(ExactText(a) == ExactText(b), same)
            XCTAssertEqual(Set([ExactText(a), ExactText(b)]).count, same ? 1 : 2)
        }
    }
}
