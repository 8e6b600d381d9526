import DamaSupport
import DamaTestSupport
import Foundation
import XCTest

@testable import DamaText

/// Tokens from the files beside tokenizer.json, against transformers (Fixtures/make_added_tokens.py).
final class AddedTokenTests: XCTestCase {
    private var folder: TemporaryDirectory!

    override func setUpWithError() throws { folder = try TemporaryDirectory() }

    private func open(_ tokenizer: JSON, _ files: JSON) throws -> Tokenizer {
        for name in try Files.names(in: folder.path) {
            try FileManager.default.removeItem(atPath: "\(folder.path)/\(name)")
        }
        try folder.write(tokenizer.text.utf8, to: "tokenizer.json")
        for (name, content) in files.object?.members ?? [] { try folder.write(content.text.utf8, to: name) }
        return try Tokenizer(directory: folder.path)
    }

    /// `<image> A red circle` has 5 ids in transformers; with `<image>` split it would have 10.
    func testTokensBesideTokenizerJSONAreKnown() throws {
        let fixture = try Fixtures.json("added_tokens.json")
        let texts = try XCTUnwrap(fixture["texts"]?.array).compactMap(\.string)
        let cases = try XCTUnwrap(fixture["cases"]?.array)
        XCTAssertEqual(cases.count, 50)
        for test in cases {
            let files = try XCTUnwrap(test["files"])
            let tokenizer = try open(try XCTUnwrap(fixture["tokenizer"]), files)
            for (index, text) in texts.enumerated() {
                let ids = try tokenizer.encode(text, addSpecialTokens: false)
                XCTAssertEqual(
                    ids.map(Int.init), test["ids"]?.array?[index].array?.compactMap(\.int), "\(text) \(files.text)")
                XCTAssertEqual(tokenizer.decode(ids), test["decoded"]?.array?[index].string, files.text)
            }
            XCTAssertEqual(tokenizer.specialTokens.eos.map(Int.init), test["eos"]?.int, files.text)
            XCTAssertEqual(tokenizer.specialTokens.pad.map(Int.init), test["pad"]?.int, files.text)
        }
    }

    /// A `pad_token` without an id gets one beyond the embeddings, which a model need not have.
    func testOnlyIDsOfFilesAskForEmbeddings() throws {
        let json = try XCTUnwrap(Fixtures.json("added_tokens.json")["tokenizer"])
        let size = try XCTUnwrap(json["model"]?["vocab"]?.object?.count)
        let named = try open(json, ["tokenizer_config.json": ["pad_token": "[PAD]"]])
        XCTAssertEqual(named.idEnd, size)
        XCTAssertEqual(named.specialTokens.pad, Int32(size))
        let declared = try open(json, ["added_tokens.json": ["[PAD]": .int(Int64(size))]])
        XCTAssertEqual(declared.idEnd, size + 1)
    }

    func testWhatContradictsIsRefused() throws {
        let json = try XCTUnwrap(Fixtures.json("added_tokens.json")["tokenizer"])
        let config = { (value: JSON) -> JSON in ["tokenizer_config.json": value] }
        for (files, text) in [
            (config(["added_tokens_decoder": ["900": ["content": "<image>"]]]), "has id 900 here, but 29 from"),
            (["added_tokens.json": ["<unk>": 5]], "added_tokens.json: <unk>: \"<unk>\" has id 5 here, but 0"),
            (config(["added_tokens_decoder": ["x": ["content": "a"]]]), "decoder.x: expected a token id as the key"),
            (config(["added_tokens_decoder": ["-1": ["content": "a"]]]), "id -1 is out of range"),
            (config(["added_tokens_decoder": ["99999999999": ["content": "a"]]]), "out of range"),
            (
                config(["added_tokens_decoder": ["29": [:]]]),
                "tokenizer_config.json: added_tokens_decoder.29.content is missing"
            ),
            (config(["added_tokens_decoder": []]), "expected an object"), (config([1, 2]), "expected an object"),
            (["added_tokens.json": ["<image>": "29"]], "<image>: expected a whole number"),
            (config(["extra_special_tokens": 5]), "extra_special_tokens: expected an array"),
            (config(["eos_token": 5]), "eos_token"),
        ] as [(JSON, String)] {
            assertFails(.model, text) { _ = try self.open(json, files) }
        }
    }

    /// `<0x4E><0xE1>` must not stream as "N" and U+FFFD: `tokenizers` gives U+FFFD for each byte of a run of invalid
    /// UTF-8 (Fixtures/make_byte_fallback.py).
    func testRunsOfByteTokens() throws {
        for test in try XCTUnwrap(Fixtures.json("byte_fallback.json").array) {
            let tokenizer = try Tokenizer(directory: Fixtures.path(try XCTUnwrap(test["family"]?.string)))
            let ids = try XCTUnwrap(test["ids"]?.array).compactMap(\.int).map(Int32.init)
            for (skips, key) in [(true, "text"), (false, "full")] {
                let expected = try XCTUnwrap(test[key]?.string)
                XCTAssertEqual(tokenizer.decode(ids, skipSpecialTokens: skips), expected, test.text)
                var stream = StreamingDecoder(tokenizer, skipSpecialTokens: skips)
                let pieces = ids.map { stream.push($0) } + [stream.finish()]
                XCTAssertEqual(pieces.joined(), expected, test.text)
            }
        }
    }
}
