import Dama
import XCTest

final class SplitCheckTests: XCTestCase {
    private let response = "The image shows a man riding a brown horse on a beach, and two dogs run behind him."

    private func failure(
        _ subSentences: [String], tokens: @escaping (String) -> Int = { $0.split(separator: " ").count }
    ) throws -> SplitCheck.Failure? {
        try SplitCheck(tokenLimit: 10).failure(of: subSentences, for: response, tokenCount: tokens)
    }

    func testSoundAnswerPasses() throws {
        XCTAssertNil(
            try failure([
                "The image shows a man riding a brown horse.", "The man is on a beach.", "Two dogs run behind the man.",
            ]))
    }

    func testEachFailureIsFound() throws {
        XCTAssertEqual(try failure([]), .empty)
        XCTAssertEqual(try failure(["..."]), .empty)
        XCTAssertEqual(try failure(Array(repeating: "A man.", count: 30)), .tooMany)
        XCTAssertEqual(try failure([response]), .tooLong)
        XCTAssertEqual(try failure(["A woman drives her shiny car downtown."]), .invented)
        XCTAssertEqual(try failure(["Two dogs run."]), .incomplete)
        XCTAssertEqual(
            try failure(["The image shows a man riding. A brown horse on a beach. Dogs run."], tokens: { _ in 1 }),
            .undivided)
    }

    func testLinesLoseTheirNumbersAndDashes() {
        XCTAssertEqual(
            SplitPrompt.lines(of: "1. A dog.\n2) A cat.\n\n - A 2.5 m wall.\r\n• 3 birds.\n3.5 metres.\n   "),
            ["A dog.", "A cat.", "A 2.5 m wall.", "3 birds.", "3.5 metres."])
    }

    /// The examples in the prompt must pass the check.
    func testExamplesPassTheCheck() throws {
        for example in SplitPrompt.examples {
            XCTAssertNil(
                try SplitCheck(tokenLimit: 77).failure(of: example.lines, for: example.text) { $0.utf8.count / 3 },
                example.text)
            XCTAssertEqual(SplitPrompt.lines(of: example.lines.joined(separator: "\n")), example.lines)
        }
    }
}
