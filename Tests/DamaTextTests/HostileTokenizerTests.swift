import DamaSupport
import DamaTestSupport
import XCTest

@testable import DamaText

/// Invalid files cause an error that names the field, never a trap, an endless loop or an allocation of gigabytes.
final class HostileTokenizerTests: XCTestCase {
    /// A small valid file, with some of its members replaced.
    private func file(
        model: [String: JSON] = [:], _ members: [String: JSON] = [:]
    ) -> JSON {
        var inner: [String: JSON] = [
            "type": "BPE", "unk_token": "?", "vocab": ["a": 0, "b": 1, "ab": 2, "?": 3, "<s>": 4],
            "merges": ["a b"],
        ]
        inner.merge(model) { $1 }
        var outer: [String: JSON] = ["model": .object(JSONObject(inner.map { (key: $0, value: $1) }))]
        outer.merge(members) { $1 }
        return .object(JSONObject(outer.map { (key: $0, value: $1) }))
    }

    private func expect(
        _ json: JSON, _ words: String, _ code: DamaError.Code = .model, line: UInt = #line
    ) {
        XCTAssertThrowsError(try Tokenizer(json: json), line: line) {
            XCTAssertTrue("\($0)".contains(words), "\($0)", line: line)
            XCTAssertEqual(($0 as? DamaError)?.code, code, "\($0)", line: line)
        }
    }

    func testTheSoundFileIsSound() throws {
        let tokenizer = try Tokenizer(json: file())
        XCTAssertEqual(try tokenizer.encode("abax"), [2, 0, 3])
        XCTAssertEqual(tokenizer.vocabularySize, 5)
        XCTAssertEqual(tokenizer.decode([2, 0]), "ab a")
    }

    func testVocabulary() {
        expect(["model": 3], "model.type: \"\" is not supported", .unsupported)
        expect(file(model: ["vocab": .null]), "model.vocab is missing")
        expect(file(model: ["vocab": ["a"]]), "model.vocab: expected an object, found an array")
        expect(file(model: ["vocab": ["a": "0"]]), "the id of \"a\" is a string")
        expect(file(model: ["vocab": ["a": 0.5]]), "expected a whole number")
        expect(file(model: ["vocab": ["a": -1]]), "id -1 of token \"a\" is out of range")
        expect(file(model: ["vocab": ["a": 9_000_000_000_000]]), "out of range")
        expect(file(model: ["vocab": ["a": 4_194_304]]), "out of range")
        expect(file(model: ["vocab": ["a": 1, "b": 1]]), "\"a\" and \"b\" share id 1")
        expect(file(model: ["vocab": ["a": 1, "a": 2]]), "duplicate token \"a\"")
        expect(file(model: ["unk_token": "<unk>"]), "model.unk_token: \"<unk>\" is not in model.vocab")
        // Canonically equivalent, but two tokens.
        XCTAssertNoThrow(
            try Tokenizer(json: file(model: ["vocab": ["\u{E9}": 0, "e\u{301}": 1, "?": 2], "merges": []])))
    }

    func testMerges() throws {
        expect(file(model: ["merges": .null]), "model.merges is missing")
        expect(file(model: ["merges": "a b"]), "model.merges: expected an array")
        expect(file(model: ["merges": ["ab"]]), "model.merges[0]: expected two tokens and a space")
        expect(file(model: ["merges": ["a b c"]]), "model.merges[0]")
        expect(file(model: ["merges": [["a"]]]), "model.merges[0]")
        expect(file(model: ["merges": [["a", 1]]]), "model.merges[0]")
        expect(file(model: ["merges": ["a c"]]), "model.merges[0]: \"c\" is not in model.vocab")
        expect(file(model: ["merges": ["b a"]]), "merge to \"ba\", which is not in model.vocab")
        expect(file(model: ["merges": ["a b"], "continuing_subword_prefix": "##"]), "continuing_subword_prefix")
        // Merges with the empty token could loop forever, but each removes one symbol.
        let circles = try Tokenizer(
            json: file(model: [
                "vocab": ["": 0, "a": 1, "aa": 2, "?": 3], "merges": [["", "a"], ["a", ""], ["a", "a"]],
            ]))
        XCTAssertEqual(try circles.encode("aaa"), [2, 1])
    }

    func testOptions() {
        expect(file(model: ["dropout": 0.1]), "model.dropout", .unsupported)
        expect(
            file(model: ["type": "WordPiece"]), "\"WordPiece\" is not supported; supported are BPE and", .unsupported)
        expect(file(model: ["byte_fallback": "yes"]), "model.byte_fallback: expected true or false")
        expect(file(model: ["end_of_word_suffix": 1]), "model.end_of_word_suffix: expected a string")
    }

    func testUnigram() throws {
        let unigram: (JSON, JSON) -> JSON = { ["model": ["type": "Unigram", "vocab": $0, "unk_id": $1]] }
        let pieces: JSON = [["<unk>", 0], ["a", -1.5], ["ab", -2]]
        XCTAssertEqual(try Tokenizer(json: unigram(pieces, 0)).encode("abaxx"), [2, 1, 0])
        // The type may be missing.
        XCTAssertEqual(try Tokenizer(json: ["model": ["vocab": pieces, "unk_id": 0]]).encode("ab"), [2])
        expect(unigram(["<unk>": 0], 0), "model.vocab: expected an array, found an object")
        expect(unigram([], 0), "model.vocab is empty")
        expect(unigram([["a"]], 0), "model.vocab[0]: expected [\"piece\", score]")
        expect(unigram([["a", "b"]], 0), "model.vocab[0]")
        expect(unigram([["a", 0], ["a", 0]], 0), "duplicate token \"a\"")
        expect(unigram(pieces, 3), "model.unk_id: 3 is out of range; model.vocab has 3 pieces")
        expect(unigram(pieces, -1), "model.unk_id: -1")
        expect(
            unigram([["a", 0], .array([.string(String(repeating: "a", count: 300)), 0])], 0), "piece 1", .unsupported)
        let bare = try Tokenizer(json: unigram(pieces, .null))
        XCTAssertEqual(try bare.encode("aba"), [2, 1])
        assertFails(.model, "no token covers \"x\", and the tokenizer has no unknown token") {
            _ = try bare.encode("ax")
        }
    }

    func testCharacterMaps() {
        let map: (JSON) -> JSON = { ["type": "Precompiled", "precompiled_charsmap": $0] }
        expect(file(["normalizer": map("*")]), "normalizer.precompiled_charsmap is not base64")
        expect(file(["normalizer": map("AAA=")]), "the character map has 2 bytes")
        expect(file(["normalizer": map("/////wAA")]), "the character map's tree has 4294967295 bytes")
        expect(file(["normalizer": map("BAAAAAAAAAD/")]), "replacements are not valid UTF-8")
        XCTAssertNoThrow(try Tokenizer(json: file(["normalizer": map("")])))
        // A tree that leads out of itself.
        XCTAssertEqual(try Tokenizer(json: file(["normalizer": map("BAAAAP////8=")])).encode("ab"), [2])
    }

    func testComponents() {
        expect(file(["normalizer": ["type": "NFKC"]]), "normalizer.type: \"NFKC\"", .unsupported)
        expect(file(["normalizer": ["type": "Sequence"]]), "normalizer.normalizers is missing")
        expect(file(["normalizer": ["type": "Replace", "content": "a"]]), "normalizer.pattern is missing")
        expect(
            file(["normalizer": ["type": "Replace", "content": "a", "pattern": ["Regex": "(a"]]]),
            "normalizer.pattern.Regex: pattern \"(a\"")
        expect(file(["pre_tokenizer": ["type": "Mystery"]]), "pre_tokenizer.type: \"Mystery\"", .unsupported)
        expect(
            file(["pre_tokenizer": ["type": "Split", "pattern": ["String": " "], "behavior": "Kept"]]),
            "pre_tokenizer.behavior: unknown behavior \"Kept\"")
        expect(
            file(["pre_tokenizer": ["type": "Metaspace", "replacement": "__"]]),
            "pre_tokenizer.replacement: expected one character")
        expect(
            file([
                "pre_tokenizer": [
                    "type": "Metaspace", "replacement": "_", "prepend_scheme": "first", "add_prefix_space": false,
                ]
            ]), "add_prefix_space is false")
        expect(file(["decoder": ["type": "Strip", "content": " ", "start": -1, "stop": 0]]), "must not be negative")
        expect(file(["decoder": ["type": "WordPiece"]]), "decoder.type: \"WordPiece\"", .unsupported)
    }

    func testSpecialTokens() {
        let token: (JSON, JSON) -> JSON = { ["added_tokens": [["id": $0, "content": $1, "special": true]]] }
        for (members, words) in [
            (token(7, 8), "added_tokens[0].content: expected a string"),
            (token(-7, "<x>"), "added_tokens[0].id: -7 is out of range"),
            (token(1e300, "<x>"), "added_tokens[0].id: expected a whole number"),
            (token(2, "<x>"), "added_tokens[0]: id 2 of \"<x>\" belongs to \"ab\""),
            (token(7, "a"), "\"a\" has id 7 here and 0 in model.vocab"),
        ] {
            expect(file(["added_tokens": members["added_tokens"]!]), words)
        }
        expect(
            file(["added_tokens": [["id": 7, "content": "<x>"], ["id": 7, "content": "<y>"]]]), "share id 7")
        expect(
            file(["post_processor": ["type": "BertProcessing", "sep": ["<s>", 4], "cls": ["<s>", "4"]]]),
            "post_processor.cls[1]: expected a whole number")
        expect(
            file(["post_processor": ["type": "RobertaProcessing", "cls": ["<s>", 4], "sep": ["<s>", 99]]]),
            "post_processor.sep[1]: id 99 is not in the vocabulary")
        let template: (JSON) -> JSON = {
            ["type": "TemplateProcessing", "single": $0, "special_tokens": ["<s>": ["ids": [4]]]]
        }
        let text: JSON = ["Sequence": ["id": "A"]]
        expect(file(["post_processor": template([])]), "post_processor.single: the sequence \"A\" is missing")
        expect(file(["post_processor": template([text, text])]), "once", .unsupported)
        expect(
            file(["post_processor": template([["SpecialToken": ["id": "</s>"]], text])]),
            "\"</s>\" is missing from post_processor.special_tokens")
    }

    /// Thirty steps that each double a text would make it 2^30 times longer.
    func testStepsThatExplodeAreRefused() {
        let double: JSON = ["type": "Replace", "pattern": ["String": "a"], "content": "aa"]
        let many = JSON.array(Array(repeating: double, count: 30))
        expect(file(["normalizer": ["type": "Sequence", "normalizers": many]]), "times longer", .unsupported)
        expect(file(["decoder": ["type": "Sequence", "decoders": many]]), "times longer", .unsupported)
        let bytes: JSON = ["type": "ByteLevel", "use_regex": false]
        expect(
            file(["pre_tokenizer": ["type": "Sequence", "pretokenizers": .array(Array(repeating: bytes, count: 30))]]),
            "times longer", .unsupported)
        let long = JSON.string(String(repeating: "x", count: 300))
        expect(file(["normalizer": ["type": "Prepend", "prepend": long]]), "times longer", .unsupported)
        expect(
            file(["normalizer": ["type": "Replace", "pattern": ["String": "a"], "content": long]]),
            "times longer", .unsupported)
    }

    /// A pattern that takes exponential time with backtracking, over a longer text.
    func testExplosivePatternOverALongText() throws {
        let json = file([
            "pre_tokenizer": [
                "type": "Split", "pattern": ["Regex": "(?:a|a|aa)+b|(?:a?){50}c"], "behavior": "Isolated",
            ]
        ])
        let text = String(repeating: "a", count: 3_000)
        XCTAssertEqual(try Tokenizer(json: json).encode(text).count, 3_000)
    }

    func testADecoderReplacesNoPattern() {
        let pattern: JSON = ["type": "Replace", "pattern": ["Regex": "a+"], "content": "b"]
        expect(file(["decoder": pattern]), "decoder.pattern: a decoder's Replace supports only", .unsupported)
    }

    func testMissingFilesAndBrokenConfiguration() throws {
        XCTAssertThrowsError(try Tokenizer(directory: "/nowhere")) { XCTAssertEqual(($0 as? DamaError)?.code, .io) }
        XCTAssertThrowsError(try Tokenizer(vocabulary: "/nowhere/v", merges: "/nowhere/m")) {
            XCTAssertEqual(($0 as? DamaError)?.code, .io)
        }
        let folder = NSTemporaryDirectory() + "dama-hostile-\(ProcessInfo.processInfo.processIdentifier)"
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: folder) }
        func write(_ name: String, _ text: String) throws {
            try Files.writeAtomically(Array(text.utf8), to: "\(folder)/\(name)")
        }
        try write("vocab.json", #"{"a": 0, "a</w>": 1}"#)
        try write("merges.txt", "#version: 0.2\na a</w>\n")
        for (vocabulary, merges, words) in [
            (#"{"a": 0, "a</w>": 1}"#, "", "lacks \"<|startoftext|>\""),
            (#"{"<|startoftext|>": 0, "<|endoftext|>": 1}"#, "a b\n", "\"a\" is not in"),
            (#"{"<|startoftext|>": 0, "<|endoftext|>": 1}"#, "#version\nab\n", "merges.txt, line 2"),
            (#"[]"#, "", "expected an object"),
            (#"{"a": 0"#, "", "not valid JSON"),
        ] {
            try write("vocab.json", vocabulary)
            try write("merges.txt", merges)
            XCTAssertThrowsError(try Tokenizer(directory: folder)) {
                XCTAssertTrue("\($0)".contains(words), "\($0)")
            }
        }
    }
}
