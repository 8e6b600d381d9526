import DamaSupport
import XCTest

@testable import DamaText

final class BuiltInSplitterTests: XCTestCase {
    /// Counts words, which suffices to see where the text is split.
    private func words(_ maximum: Int) -> TokenLimit {
        TokenLimit(maximum: maximum) { $0.split(separator: " ").count }
    }

    private func split(_ text: String, _ limit: TokenLimit? = nil) throws -> [String] {
        try BuiltInSplitter().split(text, limit: limit)
    }

    private func expect(_ sentences: [String], file: StaticString = #filePath, line: UInt = #line) throws {
        XCTAssertEqual(try split(sentences.joined(separator: " ")), sentences, file: file, line: line)
    }

    // MARK: - Sentences

    func testPlainSentences() throws {
        try expect(["There is a red circle.", "Is it large?", "Yes!", "Really?!", "No..."])
        XCTAssertEqual(try split(""), [])
        XCTAssertEqual(try split(" \n\t "), [])
        XCTAssertEqual(try split("no full stop"), ["no full stop"])
        XCTAssertEqual(try split("  Two   spaces.\tAnd  a tab. "), ["Two spaces.", "And a tab."])
    }

    func testAbbreviationsAndInitials() throws {
        try expect(["Mr. Smith meets Dr. J. R. Jones at St. Mary's.", "They talk."])
        try expect(["Fruit, e.g. apples, i.e. food, lies there, cf. Fig. 3 and No. 5.", "It is ripe."])
        try expect(["There are cats, dogs, etc. in the yard.", "It rains."])
        try expect(["There are cats, dogs, etc.", "The yard is wet."])
        try expect(["The U.S. Army came at 5 p.m. sharp.", "It left at 6 a.m.", "The end."])
        try expect(["He said no.", "She said yes."])
        try expect(["This is plan B.", "The other is plan C.", "It is Roe v. Wade of c. 1970."])
        try expect(["He lives in Main St. near Mt. Hood.", "The hill is 90 ft.", "It is St. Mary's by Jones et al."])
    }

    func testNumbersNamesAndAddresses() throws {
        try expect(["Pi is 3.14 and e is 2.718.", "It cost $5.00.", "Version 1.2.3 is out."])
        try expect(["See https://example.com/a.b?c=d!e for more.", "Or www.test.org.", "Mail me@mail.example now."])
        try expect(["Open main.swift and Node.js files.", "Done."])
        try expect(["It was built in 1990.", "20 people live there."])
    }

    func testSmallLettersGoOn() throws {
        try expect(["Wait... what is that?", "Yahoo! is a company.", "He waits...", "Then he goes."])
    }

    func testQuotesAndBrackets() throws {
        try expect(["\"Look! A dog.\" she said.", "Then she left."])
        try expect(["The sign says \"Stop.\"", "It is red."])
        try expect(["“Where is it? I see nothing,” he says.", "Nobody answers."])
        try expect(["The dog (it is brown. It is small.) sleeps.", "So does the cat."])
        try expect(["The dog sleeps. (It is brown.)"].flatMap { _ in ["The dog sleeps.", "(It is brown.)"] })
        // An unclosed quote or bracket encloses nothing.
        try expect(["The sign says “Stop.", "It is red.", "The (big dog.", "It barks."])
        try expect(["A 12\" ruler.", "A 6\" ruler."])
    }

    func testLists() throws {
        XCTAssertEqual(
            try split("The image shows:\n1. A red circle\n2. A blue square.\n- a star\n• a dot\n* a line"),
            [
                "The image shows:", "1. A red circle", "2. A blue square.", "- a star", "• a dot", "* a line",
            ])
        XCTAssertEqual(try split("1. A circle 2. A square 3. A star"), ["1. A circle", "2. A square", "3. A star"])
        XCTAssertEqual(try split("1) One. More.\n2) Two."), ["1) One.", "More.", "2) Two."])
        XCTAssertEqual(
            try split("# Title\nSome text\nthat goes on.\n\nA new paragraph"),
            ["# Title", "Some text that goes on.", "A new paragraph"])
        XCTAssertEqual(try split("One.\r\nTwo\r\nmore.\r\n\r\nThree"), ["One.", "Two more.", "Three"])
    }

    func testOtherScripts() throws {
        XCTAssertEqual(try split("图中有一个红色的圆。它很大！是吗？"), ["图中有一个红色的圆。", "它很大！", "是吗？"])
        XCTAssertEqual(try split("「見て。犬だ。」と言った。終わり。"), ["「見て。犬だ。」と言った。", "終わり。"])
        XCTAssertEqual(try split("यह लाल है। वह नीला है।"), ["यह लाल है।", "वह नीला है।"])
        XCTAssertEqual(try split("هل هذا كلب؟ نعم."), ["هل هذا كلب؟", "نعم."])
        XCTAssertEqual(try split("Это круг. Он красный."), ["Это круг.", "Он красный."])
    }

    func testMarksAloneAreNoSubSentence() throws {
        XCTAssertEqual(try split("A dog.\n\n***\n\nA cat."), ["A dog. ***", "A cat."])
        XCTAssertEqual(try split("---\n\nA cat. 🐈"), ["--- A cat.", "🐈"])
    }

    // MARK: - Limits

    func testClausesThenCommasThenWords() throws {
        let text = "The dog runs; the cat sleeps, and the bird sings a song. Short one."
        XCTAssertEqual(
            try split(text, words(20)), ["The dog runs; the cat sleeps, and the bird sings a song.", "Short one."])
        XCTAssertEqual(
            try split(text, words(9)), ["The dog runs;", "the cat sleeps, and the bird sings a song.", "Short one."])
        XCTAssertEqual(
            try split(text, words(6)),
            ["The dog runs;", "the cat sleeps,", "and the bird sings a song.", "Short one."])
        XCTAssertEqual(
            try split("a dog that barks and a cat which meows", words(5)),
            ["a dog that barks", "and a cat which meows"])
    }

    func testPartsAreAboutEquallyLong() throws {
        let parts = try split((1...10).map(String.init).joined(separator: " "), words(9))
        XCTAssertEqual(parts, ["1 2 3 4 5", "6 7 8 9 10"])
    }

    func testOneWordOverTheLimitIsPartedBetweenCharacters() throws {
        let letters = TokenLimit(maximum: 4) { $0.unicodeScalars.count }
        XCTAssertEqual(try split("abcdefghij", letters), ["abcd", "efgh", "ij"])
        // A family emoji of seven scalars is one character, and is split only because it exceeds the limit by itself.
        XCTAssertEqual(try split("a 👩‍👩‍👧‍👦", letters).joined().unicodeScalars.count, 8)
        XCTAssertThrowsError(try split("a b", TokenLimit(maximum: 2) { _ in 3 })) {
            XCTAssertEqual(($0 as? DamaError)?.code, .invalidArgument)
        }
    }

    /// On generated text: all characters but white space are kept in order, no part is over the limit or empty, and if
    /// no word is over the limit, the words are those of the text.
    func testNothingIsLostAndNothingIsTooLong() throws {
        let tokens = TokenLimit(maximum: 12) { 2 + $0.utf8.count / 3 }
        for (number, bytes) in Corpus.strings(count: 1_500, seed: 41).enumerated() {
            let text = String(decoding: bytes, as: UTF8.self)
            for limit in [nil, tokens] {
                let parts = try split(text, limit)
                let joined = parts.flatMap(\.unicodeScalars).filter { !$0.properties.isWhitespace }
                XCTAssertEqual(joined, text.unicodeScalars.filter { !$0.properties.isWhitespace }, "string \(number)")
                for part in parts {
                    XCTAssertFalse(part.isEmpty, "string \(number)")
                    if let limit { XCTAssertLessThanOrEqual(try limit.count(part), limit.maximum, "string \(number)") }
                }
            }
        }
        let vocabulary = [
            "The", "dog", "Dr.", "runs,", "3.5", "and", "e.g.", "(red.", "blue)", "\"Stop.\"", "end.", "why?", "1.",
            "-", "\n", "\n\n", "so;", "it's", "No.", "…", "U.S.", "https://a.b/c?d",
        ]
        var random = SplitMix64(state: 5)
        for _ in 0..<1_500 {
            let drawn = (0..<random.next(60)).map { _ in vocabulary[random.next(vocabulary.count)] }
            let text = drawn.joined(separator: " ")
            let expected = text.split { $0.isWhitespace }
            for limit in [nil, words(3), words(10)] {
                XCTAssertEqual(try split(text, limit).flatMap { $0.split(separator: " ") }, expected, text)
            }
        }
    }

    func testCallbackIsTrimmedAndKeptToTheLimit() throws {
        let splitter = CallbackSplitter { _ in [" One two  three ", "", " ", "four, five six"] }
        XCTAssertEqual(try splitter.split("ignored", limit: nil), ["One two three", "four, five six"])
        XCTAssertEqual(try splitter.split("ignored", limit: words(2)), ["One two", "three", "four,", "five six"])
        let failing = CallbackSplitter { _ in throw DamaError.cancelled }
        XCTAssertThrowsError(try failing.split("a", limit: nil)) { XCTAssertEqual($0 as? DamaError, .cancelled) }
    }
}
