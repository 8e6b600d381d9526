import DamaSupport
import XCTest

@testable import DamaPattern

final class PatternTests: XCTestCase {
    private func ranges(_ pattern: String, _ scalars: [Unicode.Scalar]) throws -> [Range<Int>] {
        var budget = StepBudget(characters: scalars.count)
        return try Pattern(pattern).matches(in: scalars[...], budget: &budget)
    }

    private func matches(_ pattern: String, _ text: String) throws -> [String] {
        let scalars = Array(text.unicodeScalars)
        return try ranges(pattern, scalars).map { String(String.UnicodeScalarView(scalars[$0])) }
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
        // Oniguruma's find_iter gives (0,0) (1,3) (4,4), none directly after a match.
        XCTAssertEqual(
            try ranges("a*", Array("baab".unicodeScalars)), [0..<0, 1..<3, 4..<4])
    }

    func testClassesAndCase() throws {
        XCTAssertEqual(try matches(#"[^\s\p{L}\p{N}]+"#, "a1 ?!é"), ["?!"])
        XCTAssertEqual(try matches("(?i:'s|'T)", "'S 't 'ſ"), ["'S", "'t", "'ſ"])
        XCTAssertEqual(try matches(#"[\r\na-c\-]+"#, "\r\nxb-d"), ["\r\n", "b-"])
        XCTAssertEqual(try matches(#"\P{L}\p{^L}"#, "a12"), ["12"])
    }

    /// Plain backtracking would take 2^40 steps.
    func testExplosivePatternsStayLinear() throws {
        let text = String(repeating: "a", count: 40) + "c"
        XCTAssertEqual(try matches("(?:a+)+b", text), [])
        XCTAssertEqual(try matches("(?:a|a|aa)+b|c", text), ["c"])
        XCTAssertEqual(try matches("(?:(?:(?:){1000}){1000}){1000}c", text), ["c"])
        XCTAssertEqual(try matches("(?!(?:a|a)(?:a|a)(?:a|a)(?:a|a)b)c", text), ["c"])
    }

    /// Look-ahead inside look-ahead takes over 20 seconds for a few characters if its states are forgotten each time.
    /// Runs that are scanned again from every start take quadratic time.
    func testWhatTakesTooLongIsAnError() throws {
        func nested(_ depth: Int) -> String {
            depth == 0 ? "b" : "(?=(?:a?){20}" + nested(depth - 1) + ")"
        }
        let text = String(repeating: "a", count: 60)
        for (pattern, text) in [
            (nested(4) + "c", text),
            ("[ab]*[a-c]*b*d", String(repeating: "a", count: 8_000)),
        ] {
            XCTAssertThrowsError(try ranges(pattern, Array(text.unicodeScalars))) {
                XCTAssertEqual(($0 as? DamaError)?.code, .model)
                XCTAssertTrue("\($0)".contains("steps on this text"), "\($0)")
            }
        }
    }

    /// All pieces of an input share one budget, so that splitting it does not increase the budget.
    func testPiecesShareTheBudget() throws {
        let text = Array(String(repeating: "a", count: 24).unicodeScalars)
        let pattern = try Pattern("(?=(?:a?){18}(?=(?:a?){18}b)c)d")
        var budget = StepBudget(characters: text.count)
        let all = budget.left
        _ = try pattern.matches(in: text[...], budget: &budget)
        let one = all - budget.left
        XCTAssertGreaterThan(one, 1000)
        XCTAssertThrowsError(
            try { for _ in 0..<all / one + 1 { _ = try pattern.matches(in: text[...], budget: &budget) } }())
    }

    func testWhatIsNotSupportedIsAnError() {
        for (pattern, words) in [
            (#"(?<=a)b"#, "(?<"), (#"\p{Han}"#, "Han"), ("^a", "anchor"), ("[[:alpha:]]", "class inside"),
            (#"(a)\1"#, "escape"), ("(?!a*)b", "look-ahead"), ("a**", "quantifier"), ("(?i:ss)", "case-insensitive"),
            ("a{1001}", "interval"), ("(?:(?:ab){900}){900}", "instructions"), ("[a-z&&b]", "&&"), (#"\bа"#, "escape"),
            // A sequence whose first part has no bound: the sum of the lengths must not overflow.
            ("(?=a+b)c", "look-ahead"), ("(?!ba*+)c", "look-ahead"), ("(?=(?:a{1000}){1000}b+a)c", "look-ahead"),
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
