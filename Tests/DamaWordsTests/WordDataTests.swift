import DamaSupport
import DamaTestSupport
import XCTest

@testable import DamaWords

/// Against NLTK, trained on sentences of our own (Fixtures/make_words.py). `make test-words` compares with NLTK's data.
final class WordDataTests: XCTestCase {
    private static let files = ["tagger.zip", "punkt_tab.zip", "wordnet"]

    private func data(_ rules: WordRules = .nltk3_9, tagger: String = "tagger.zip") throws -> WordData {
        let folder = try TemporaryDirectory()
        let files = [tagger] + Self.files.dropFirst()
        try WordDataBuilder.write(from: files.map { Fixtures.path($0) }, to: "\(folder.path)/words")
        return try WordData(path: "\(folder.path)/words", rules: rules)
    }

    private func assertEqualsNLTK(_ words: WordData, _ file: String, count: Int, line: UInt = #line) throws {
        let cases = try XCTUnwrap(Fixtures.json(file)["cases"]?.array)
        XCTAssertEqual(cases.count, count, file, line: line)
        for json in cases {
            let text = try XCTUnwrap(json["text"]?.string)
            func strings(_ key: String) throws -> [String] {
                try XCTUnwrap(json[key]?.array).map { try XCTUnwrap($0.string) }
            }
            let tokens = words.tokens(text)
            assertSameBytes(words.sentences(text), try strings("sentences"), text, line: line)
            assertSameBytes(tokens, try strings("tokens"), text, line: line)
            let tags = try XCTUnwrap(json["tags"]?.string)
            assertSameBytes(words.tags(tokens), tags.isEmpty ? [] : tags.components(separatedBy: " "), text, line: line)
            var lemmas = tokens
            for (index, lemma) in try XCTUnwrap(json["lemmas"]?.object).members {
                let index = try XCTUnwrap(Int(index))
                guard lemmas.indices.contains(index) else { continue }
                lemmas[index] = try XCTUnwrap(lemma.string)
            }
            assertSameBytes(tokens.map(words.nounLemma), lemmas, text, line: line)
            let nouns = tokens.indices.filter { words.isNoun(tokens[$0]) }
            XCTAssertEqual(nouns, try XCTUnwrap(json["nouns"]?.array).compactMap(\.int), text, line: line)
        }
    }

    /// `==` of strings takes "é" as one and as two code points for the same.
    private func assertSameBytes(_ found: [String], _ expected: [String], _ text: String, line: UInt) {
        XCTAssertEqual(found.map { Array($0.utf8) }, expected.map { Array($0.utf8) }, text, line: line)
    }

    func testAllEqualsNLTK() throws {
        try assertEqualsNLTK(data(), "expected-3.9.1.json", count: 132)
        try assertEqualsNLTK(data(tagger: "tagger_json.zip"), "expected-3.9.1.json", count: 132)
    }

    /// These files have the texts for which the version makes a difference.
    func testOtherVersionsEqualNLTK() throws {
        try assertEqualsNLTK(data(.nltk3_8), "expected-3.8.1.json", count: 16)
        try assertEqualsNLTK(data(.nltk3_10), "expected-3.10.4.json", count: 50)
    }

    func testTheSourcesAreNamed() throws {
        let identity = try data().identity
        let expected = try XCTUnwrap(Fixtures.json("expected-3.9.1.json")["sha256"]?.object)
        let found = try XCTUnwrap(identity["files"]?.object)
        XCTAssertEqual(expected.count, 7)
        XCTAssertEqual(found.count, 7)
        for (name, sha256) in expected.members { XCTAssertEqual(found[name], sha256, name) }
        XCTAssertEqual(identity["wordnet"], .string("3.0"))
        XCTAssertEqual(identity["rules"], .string("NLTK 3.9.1"))
    }

    /// Python 3.11: `"ΟΔΟΣ ΑΣ. Σ ΣΑ İI".lower()`; of 1,114,112 code points only the capital sigma looks at others.
    func testLowerCaseIsPythons() {
        let text = "ΟΔΟΣ ΑΣ. Σ ΣΑ İI ǅ A\u{301}Σ\u{301} ΑΣ\u{301}Β"
        XCTAssertEqual(
            Array(text.unicodeScalars.pythonLowered().string.utf8),
            Array("οδος ας. σ σα i\u{307}i ǆ a\u{301}ς\u{301} ασ\u{301}β".utf8))
    }

    // MARK: Damage

    private func bytes() throws -> [UInt8] {
        let folder = try TemporaryDirectory()
        try WordDataBuilder.write(from: Self.files.map { Fixtures.path($0) }, to: "\(folder.path)/words")
        return try Files.read("\(folder.path)/words")
    }

    func testADamagedFileIsAnError() throws {
        let folder = try TemporaryDirectory()
        let bytes = try bytes()
        func assertRefused(_ bytes: some Collection<UInt8>, _ code: DamaError.Code, _ text: String) throws {
            let path = try folder.write(bytes, to: "words")
            assertFails(code, "\(path): \(text)") { _ = try WordData(path: path) }
        }
        try assertRefused([], .model, "this is no word-data file")
        try assertRefused(bytes.reversed(), .model, "this is no word-data file")
        try assertRefused(bytes.prefix(100), .model, "the word data is cut short: 100 bytes")
        try assertRefused(bytes.dropLast(), .model, "the word data is damaged: its checksum")
        var changed = bytes
        changed[bytes.count / 2] ^= 1
        try assertRefused(changed, .model, "the word data is damaged: its checksum")
        changed = bytes
        changed[8] = 9
        try assertRefused(changed, .unsupported, "the word data has version 9; this library reads version 1")
    }

    /// A file with wrong contents and a right checksum is refused, or gives some words; nothing traps.
    func testHostileFilesAreReadOrRefused() throws {
        let bytes = try bytes()
        var generator = RandomGenerator(seed: 5)
        var refused = 0
        for round in 0..<300 {
            var changed = ByteWriter()
            var body = Array(bytes.dropLast(4))
            // The header and the starts of tables are a small part of the file, and the most interesting one.
            let limit = round.isMultiple(of: 2) ? 400 : body.count
            for _ in 0..<3 {
                body[Int(generator.next() % UInt64(limit))] = [0, 1, 0x7F, 0xFF][Int(generator.next() % 4)]
            }
            changed.append(body)
            changed.checksummed().withUnsafeBytes { bytes in
                guard let words = try? WordData(bytes) else {
                    refused += 1
                    return
                }
                let tokens = words.tokens(
                    "Dr. Smith's dogs can't see two men. \"Stop!\" he said, e.g. at 5 p.m. in the U.S.")
                XCTAssertEqual(words.tags(tokens).count, tokens.count)
                for token in tokens { _ = words.nounLemma(token) }
            }
        }
        XCTAssertGreaterThan(refused, 50)
        XCTAssertLessThan(refused, 300)
    }
}
