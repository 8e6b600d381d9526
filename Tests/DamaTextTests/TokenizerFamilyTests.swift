import DamaSupport
import DamaTestSupport
import XCTest

@testable import DamaText

/// Each family of tokenizers against Hugging Face's `tokenizers` (Fixtures/make_tokenizers.py and, for the unigram models
/// and SigLIP 2's, make_sentencepiece.py).
///
/// A debug build takes long for 10,000 strings, so this test uses the first 400; the Python tests use all of them.
final class TokenizerFamilyTests: XCTestCase {
    private static let families = [
        "clip", "clip-old", "llama2", "llama2-metaspace", "llama3", "smollm", "gpt2", "flags", "t5", "unigram-bytes",
        "unigram-words", "siglip2",
    ]

    func testWrittenOutStrings() throws {
        let texts = Corpus.strings(count: 40, seed: 7)
        for family in Self.families {
            let tokenizer = try Tokenizer(directory: Fixtures.path(family))
            let rows = try XCTUnwrap(Fixtures.json("\(family)/expected.json").array)
            XCTAssertGreaterThanOrEqual(rows.count, 20)
            for (number, row) in rows.enumerated() {
                let ids = try tokenizer.encode(bytes: texts[number])
                let place = "\(family), string \(number)"
                XCTAssertEqual(ids.map(Int.init), row["ids"]?.array?.compactMap(\.int), place)
                XCTAssertEqual(
                    try tokenizer.encode(bytes: texts[number], addSpecialTokens: false).map(Int.init),
                    row["bare"]?.array?.compactMap(\.int), place)
                XCTAssertEqual(scalars(tokenizer.decode(ids)), scalars(row["text"]?.string), place)
                XCTAssertEqual(
                    scalars(tokenizer.decode(ids, skipSpecialTokens: false)), scalars(row["full"]?.string), place)
            }
        }
    }

    func testHashesOfManyStrings() throws {
        let texts = Corpus.strings(count: 400, seed: 7)
        for family in Self.families {
            let tokenizer = try Tokenizer(directory: Fixtures.path(family))
            let hashes = try Files.read(Fixtures.path("\(family)/hashes.bin"))
            XCTAssertGreaterThanOrEqual(hashes.count, 4_000)
            let wrong = try texts.indices.filter { index in
                let expected = UInt32(hashes[2 * index]) | UInt32(hashes[2 * index + 1]) << 8
                return try digest(tokenizer, texts[index]) != expected
            }
            XCTAssertEqual(wrong, [], family)
        }
    }

    /// 32 bits of FNV-1a folded to 16, as in make_tokenizers.py.
    private func digest(_ tokenizer: Tokenizer, _ text: [UInt8]) throws -> UInt32 {
        let ids = try tokenizer.encode(bytes: text)
        var bytes: [UInt8] = []
        for id in try ids + tokenizer.encode(bytes: text, addSpecialTokens: false) {
            for shift in [0, 8, 16, 24] { bytes.append(UInt8(truncatingIfNeeded: id >> shift)) }
        }
        bytes += tokenizer.decode(ids).utf8
        bytes.append(0)
        bytes += tokenizer.decode(ids, skipSpecialTokens: false).utf8
        let hash = bytes.reduce(UInt32(0x811C_9DC5)) { ($0 ^ UInt32($1)) &* 0x0100_0193 }
        return hash >> 16 ^ hash & 0xFFFF
    }

    func testStreamingGivesTheSameText() throws {
        for family in Self.families {
            let tokenizer = try Tokenizer(directory: Fixtures.path(family))
            for text in Corpus.strings(count: 60, seed: 8) {
                let ids = try tokenizer.encode(bytes: text)
                for skips in [true, false] {
                    var stream = StreamingDecoder(tokenizer, skipSpecialTokens: skips)
                    var streamed = ids.map { stream.push($0) }.joined()
                    streamed += stream.finish()
                    XCTAssertEqual(scalars(streamed), scalars(tokenizer.decode(ids, skipSpecialTokens: skips)), family)
                }
            }
        }
    }

    /// No piece of a stream may end inside a character.
    func testStreamingHoldsBackPartialCharacters() throws {
        let tokenizer = try Tokenizer(directory: Fixtures.path("llama3"))
        var stream = StreamingDecoder(tokenizer)
        let ids = try tokenizer.encode("a🦜b", addSpecialTokens: false)
        XCTAssertGreaterThan(ids.count, 3, "the bird must be several tokens for this test to say anything")
        XCTAssertEqual(ids.map { stream.push($0) }.filter { !$0.isEmpty }, ["a", "🦜", "b"])
        XCTAssertEqual(stream.finish(), "")
        let partial = ids.dropLast(2).map { stream.push($0) }.joined() + stream.finish()
        XCTAssertEqual(partial, "a\u{FFFD}")
    }

    func testClipFromVocabularyAndMerges() throws {
        let json = try Fixtures.json("clip/tokenizer.json")
        let folder = NSTemporaryDirectory() + "dama-clip-\(ProcessInfo.processInfo.processIdentifier)"
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let vocabulary = try XCTUnwrap(json["model"]?["vocab"])
        let merges = try XCTUnwrap(json["model"]?["merges"]?.array)
        let lines = merges.map { "\($0.array![0].string!) \($0.array![1].string!)\r\n" }
        try Files.writeAtomically(Array(vocabulary.text.utf8), to: folder + "/vocab.json")
        try Files.writeAtomically(Array(("#version: 0.2\n" + lines.joined()).utf8), to: folder + "/merges.txt")

        let whole = try Tokenizer(directory: Fixtures.path("clip"))
        let parts = try Tokenizer(directory: folder)
        for text in Corpus.strings(count: 300, seed: 9) {
            XCTAssertEqual(try parts.encode(bytes: text), try whole.encode(bytes: text))
        }
        XCTAssertEqual(parts.specialTokens.eos, parts.id(of: "<|endoftext|>"))
        XCTAssertEqual(parts.specialTokens.pad, parts.specialTokens.eos)
        XCTAssertEqual(parts.specialTokens.bos, try parts.encode("").first)
        XCTAssertEqual(parts.vocabularySize, 1_100)
        XCTAssertEqual(parts.idEnd, 1_100)
    }

    func testManyThreadsShareOneTokenizer() throws {
        let tokenizer = try Tokenizer(directory: Fixtures.path("clip"))
        let texts = Corpus.strings(count: 200, seed: 10)
        let expected = try texts.map { try tokenizer.encode(bytes: $0) }
        let fresh = try Tokenizer(directory: Fixtures.path("clip"))
        DispatchQueue.concurrentPerform(iterations: 4) { _ in
            for (text, ids) in zip(texts, expected) { XCTAssertEqual(try? fresh.encode(bytes: text), ids) }
        }
    }

    /// Swift's `==` treats canonically equivalent strings as equal; these tests must not.
    private func scalars(_ text: String?) -> [UInt32]? { text?.unicodeScalars.map(\.value) }
}
