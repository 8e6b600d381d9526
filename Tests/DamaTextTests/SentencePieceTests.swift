import DamaSupport
import DamaTestSupport
import Foundation
import XCTest

@testable import DamaText

/// SentencePiece models without a tokenizer.json, against SentencePiece 0.2.3 and transformers 5.23
/// (Fixtures/make_sentencepiece.py).
final class SentencePieceTests: XCTestCase {
    private var folder: TemporaryDirectory!

    override func setUpWithError() throws { folder = try TemporaryDirectory() }

    private func open(_ model: String, as name: String, _ files: JSON = [:]) throws -> Tokenizer {
        for name in try Files.names(in: folder.path) {
            try FileManager.default.removeItem(atPath: "\(folder.path)/\(name)")
        }
        try folder.write(Files.read(Fixtures.path("sentencepiece/\(model).model")), to: name)
        for (name, content) in files.object?.members ?? [] { try folder.write(content.text.utf8, to: name) }
        return try Tokenizer(directory: folder.path)
    }

    private func cases(_ oracle: String) throws -> [JSON] {
        let rows = try XCTUnwrap(Fixtures.json("sentencepiece/expected.json").array)
        return rows.filter { $0["oracle"]?.string == oracle }
    }

    private func ids(_ row: JSON, _ key: String) -> [[Int]] {
        (row[key]?.array ?? []).map { $0.array?.compactMap(\.int) ?? [] }
    }

    /// The text itself, without added tokens: the ids of SentencePiece.
    func testTextIsDividedAsBySentencePiece() throws {
        for row in try cases("sentencepiece") {
            let model = try XCTUnwrap(row["model"]?.string)
            // The unigram model's settings are those of T5: only the end token is added.
            let tokenizer = try open(model, as: "tokenizer.model")
            let texts = try XCTUnwrap(row["texts"]?.array).compactMap(\.string)
            XCTAssertGreaterThan(texts.count, 30)
            for (text, expected) in zip(texts, ids(row, "ids")) {
                let found = try tokenizer.encode(text, addSpecialTokens: false).map(Int.init)
                XCTAssertEqual(found, expected, "\(model): \(text.debugDescription)")
            }
            try check(row, tokenizer, seed: 21, addSpecialTokens: false)
        }
    }

    func testLlama() throws { try compare("LlamaTokenizer", count: 6) }
    func testT5() throws { try compare("T5Tokenizer", count: 2) }
    func testSiglip() throws { try compare("SiglipTokenizer", count: 3) }

    private func compare(_ oracle: String, count: Int) throws {
        let rows = try cases(oracle)
        XCTAssertEqual(rows.count, count)
        for row in rows {
            let files = try XCTUnwrap(row["files"])
            let tokenizer = try open(
                try XCTUnwrap(row["model"]?.string), as: try XCTUnwrap(row["file"]?.string), files)
            let texts = try XCTUnwrap(row["texts"]?.array).compactMap(\.string)
            for (index, text) in texts.enumerated() {
                let place = "\(text.debugDescription) \(files.text)"
                XCTAssertEqual(try tokenizer.encode(text).map(Int.init), ids(row, "ids")[index], place)
                let bare = try tokenizer.encode(text, addSpecialTokens: false)
                XCTAssertEqual(bare.map(Int.init), ids(row, "bare")[index], place)
                // SigLIP's text is never decoded in use, and SentencePiece writes " ⁇ " for unknown characters.
                guard oracle != "SiglipTokenizer" else { continue }
                XCTAssertEqual(tokenizer.decode(bare), row["decoded"]?.array?[index].string, place)
            }
            XCTAssertEqual(tokenizer.specialTokens.eos.map(Int.init), row["eos"]?.int, files.text)
            if oracle != "LlamaTokenizer" {
                XCTAssertEqual(tokenizer.specialTokens.pad.map(Int.init), row["pad"]?.int, files.text)
            }
            try check(row, tokenizer, seed: 22, addSpecialTokens: true)
        }
    }

    /// 16 bits of the ids of many strings; `null` where the oracle does not fit.
    private func check(_ row: JSON, _ tokenizer: Tokenizer, seed: Int, addSpecialTokens: Bool) throws {
        guard let hashes = row["hashes"]?.array else { return }
        XCTAssertEqual(hashes.count, 2_000)
        for (text, hash) in zip(Corpus.strings(count: 500, seed: seed), hashes) where hash != .null {
            var bytes: [UInt8] = []
            for id in try tokenizer.encode(bytes: text, addSpecialTokens: addSpecialTokens) {
                for shift in [0, 8, 16, 24] { bytes.append(UInt8(truncatingIfNeeded: id >> shift)) }
            }
            bytes.append(0)
            let value = bytes.reduce(UInt32(0x811C_9DC5)) { ($0 ^ UInt32($1)) &* 0x0100_0193 }
            let string = String(decoding: text, as: UTF8.self)
            XCTAssertEqual(Int(value >> 16 ^ value & 0xFFFF), hash.int, string.debugDescription)
        }
    }

    // MARK: Files

    func testTokenizerJSONComesFirst() throws {
        _ = try open("bpe", as: "tokenizer.model")
        try folder.write(Files.read(Fixtures.path("llama2/tokenizer.json")), to: "tokenizer.json")
        let expected = try Tokenizer(directory: Fixtures.path("llama2"))
        let text = "the red circle"
        XCTAssertEqual(try Tokenizer(directory: folder.path).encode(text), try expected.encode(text))
        XCTAssertEqual(try Tokenizer.files(in: folder.path), ["tokenizer.json"])
    }

    func testAClassWithOtherIDsIsRefused() throws {
        let config: JSON = ["tokenizer_config.json": ["tokenizer_class": "XLMRobertaTokenizer"]]
        assertFails(
            .unsupported, "tokenizer_class: \"XLMRobertaTokenizer\" is not supported with a SentencePiece model"
        ) {
            _ = try self.open("unigram", as: "tokenizer.model", config)
        }
    }

    /// A text of 600 KB in debug mode; a release build takes a fraction of a second.
    func testLongTextsTakeLinearTime() throws {
        for (model, name) in [("unigram", "spiece.model"), ("bpe", "tokenizer.model")] {
            let tokenizer = try open(model, as: name)
            let text = String(repeating: "a photo of the red circle left of two small blue squares ", count: 1_700)
            let start = Date()
            let count = try tokenizer.encode(text + text).count
            let whole = Date().timeIntervalSince(start)
            XCTAssertGreaterThan(count, 20_000)
            XCTAssertLessThan(whole, 60, model)
        }
    }

    // MARK: Damaged models

    private func model(_ bytes: [UInt8]) throws -> SentencePieceModel { try SentencePieceModel(bytes) }

    func testDamagedFilesAreRefused() throws {
        let piece: [UInt8] = [0x0A, 0x05, 0x0A, 0x01, 0x61, 0x18, 0x02]  // "a", unknown
        XCTAssertNoThrow(try model(piece))
        for (bytes, words) in [
            ([], "it has no pieces"),
            ([0x0A], "it ends within a number"),
            ([0x0A, 0x7F], "a field has 127 bytes, but only 0 are left"),
            ([0x0A] + [UInt8](repeating: 0xFF, count: 9) + [0x01], "a field has 18446744073709551615 bytes"),
            ([UInt8](repeating: 0xFF, count: 11), "a number has more than 10 bytes"),
            ([0x07], "field number 0"),
            ([0x0B], "wire type 3 of field 1"),
            ([0x08, 0x01], "pieces is not a string"),
            ([0x0A, 0x00], "pieces[0]: not a SentencePiece model, or damaged: the piece is empty"),
            ([0x0A, 0x03, 0x0A, 0x01, 0xFF], "piece is not valid UTF-8"),
            ([0x0A, 0x03, 0x0A, 0x01, 0x61], "the model has no unknown piece"),
            (piece + piece, "duplicate token \"a\""),
            (piece + [0x0A, 0x05, 0x0A, 0x01, 0x62, 0x18, 0x02], "more than one unknown piece"),
            ([0x0A, 0x05, 0x0A, 0x01, 0x61, 0x18, 0x09], "type 9 is unknown"),
            ([0x0A, 0x08, 0x0A, 0x01, 0x61, 0x15, 0, 0, 0xC0, 0x7F], "the score is nan"),
            (piece + [0x12, 0x02, 0x18, 0x07], "model_type 7 is unknown"),
            (piece + [0x1A, 0x03, 0x12, 0x01, 0x00], "the character map has 1 bytes"),
            (piece + [0x1A, 0x08, 0x12, 0x06, 0xFF, 0xFF, 0xFF, 0xFF, 0, 0], "the character map's tree has"),
        ] as [([UInt8], String)] {
            assertFails(.model, words) { _ = try self.model(bytes) }
        }
        assertFails(.unsupported, "model_type WORD") { _ = try self.model(piece + [0x12, 0x02, 0x18, 0x03]) }
        assertFails(.unsupported, "denormalizer_spec") { _ = try self.model(piece + [0x2A, 0x03, 0x12, 0x01, 0x00]) }
        let json = try Files.read(Fixtures.path("t5/tokenizer.json"))
        XCTAssertThrowsError(try model(json))
    }

    /// Every prefix of a file, and every byte changed, gives a model or an error.
    func testNoDamageTraps() throws {
        for name in ["bpe", "unigram"] {
            let bytes = try Files.read(Fixtures.path("sentencepiece/\(name).model"))
            for count in stride(from: 0, to: bytes.count, by: 97) { _ = try? model(Array(bytes[..<count])) }
            var random = SplitMix64(state: 5)
            for _ in 0..<150 {
                var broken = bytes
                for _ in 0..<8 { broken[random.next(broken.count)] = UInt8(random.next(256)) }
                guard let model = try? model(broken),
                    let tokenizer = try? Tokenizer(model, SentencePieceSettings(nil), roles: TokenizerConfiguration())
                else { continue }
                _ = tokenizer.decode(try tokenizer.encode("A red circle é\u{301} ﬁ 字 <s>"))
            }
        }
    }
}
