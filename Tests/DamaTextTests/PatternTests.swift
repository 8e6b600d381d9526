import DamaSupport
import XCTest

@testable import DamaText

final class PatternTests: XCTestCase {
    private func matches(_ pattern: String, _ text: String) throws -> [String] {
        let scalars = Array(text.unicodeScalars)
        return try Pattern(pattern).matches(in: scalars[...]).map {
            String(String.UnicodeScalarView(scalars[$0]))
        }
    }

    func testLeftmostFirstAlternativeWins() throws {
        XCTAssertEqual(try matches("a|ab", "abab"), ["a", "a"])
        XCTAssertEqual(try matches("(?:ab|a)(?:c|bcd)", "abcd"), ["abc"])
    }

    func testQuantifiersAreGreedyAndGiveBack() throws {
        XCTAssertEqual(try matches(#"\s+(?!\S)|\s+"#, "   a "), ["  ", " ", " "])
        XCTAssertEqual(try matches(#"\p{N}{1,3}"#, "12345"), ["123", "45"])
        XCTAssertEqual(try matches("a{2}", "aaaaa"), ["aa", "aa"])
        XCTAssertEqual(try matches("a+?b?", "aab"), ["a", "ab"])
        XCTAssertEqual(try matches("a++ab|b", "aaab"), ["b"])
        XCTAssertEqual(try matches("(?:ab)*c", "ababc"), ["ababc"])
    }

    func testEmptyMatchesStandBetweenOthers() throws {
        // Oniguruma's find_iter on the same: (0,0) (1,3) (4,4), none right behind a match.
        let ranges = try Pattern("a*").matches(in: Array("baab".unicodeScalars)[...])
        XCTAssertEqual(ranges, [0..<0, 1..<3, 4..<4])
    }

    func testClassesAndCase() throws {
        XCTAssertEqual(try matches(#"[^\s\p{L}\p{N}]+"#, "a1 ?!é"), ["?!"])
        XCTAssertEqual(try matches("(?i:'s|'T)", "'S 't 'ſ"), ["'S", "'t", "'ſ"])
        XCTAssertEqual(try matches(#"[\r\na-c\-]+"#, "\r\nxb-d"), ["\r\n", "b-"])
        XCTAssertEqual(try matches(#"\P{L}\p{^L}"#, "a12"), ["12"])
    }

    /// Backtracking alone would take 2^40 steps.
    func testExplosivePatternsStayLinear() throws {
        let text = String(repeating: "a", count: 40) + "c"
        XCTAssertEqual(try matches("(?:a+)+b", text), [])
        XCTAssertEqual(try matches("(?:a|a|aa)+b|c", text), ["c"])
        XCTAssertEqual(try matches("(?:(?:(?:){1000}){1000}){1000}c", text), ["c"])
        XCTAssertEqual(try matches("(?!(?:a|a)(?:a|a)(?:a|a)(?:a|a)b)c", text), ["c"])
    }

    func testWhatIsNotSupportedIsAnError() {
        for (pattern, words) in [
            (#"(?<=a)b"#, "(?<"), (#"\p{Han}"#, "Han"), ("^a", "anchor"), ("[[:alpha:]]", "class inside"),
            (#"(a)\1"#, "escape"), ("(?!a*)b", "look-ahead"), ("a**", "quantifier"), ("(?i:ss)", "regardless of case"),
            ("a{1001}", "interval"), ("(?:(?:ab){900}){900}", "instructions"), ("[a-z&&b]", "&&"), (#"\bа"#, "escape"),
        ] {
            XCTAssertThrowsError(try Pattern(pattern), pattern) {
                XCTAssertEqual(($0 as? DamaError)?.code, .unsupported, pattern)
                XCTAssertTrue("\($0)".contains(words), "\($0)")
            }
        }
        for pattern in ["(a", "a)", "[a", "*a", "[b-a]", "\\", #"\p{L"#] {
            XCTAssertThrowsError(try Pattern(pattern), pattern) {
                XCTAssertEqual(($0 as? DamaError)?.code, .model, pattern)
            }
        }
    }
}
