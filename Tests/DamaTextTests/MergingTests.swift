import DamaSupport
import XCTest

@testable import DamaText

/// Byte-pair encoding against a plain one on texts: merge the pair of lowest rank, the first of equals, until none is
/// left.
final class MergingTests: XCTestCase {
    /// A vocabulary of characters and of random merges of its tokens.
    private struct Model {
        var vocabulary: [String]
        var merges: [(left: String, right: String)] = []

        init(characters: [String], merges count: Int, from start: inout SplitMix64, isGood: (String, String) -> Bool) {
            vocabulary = ["?"] + characters
            while merges.count < count {
                let left = vocabulary[1 + start.next(vocabulary.count - 1)]
                let right = vocabulary[1 + start.next(vocabulary.count - 1)]
                guard isGood(left, right), !vocabulary.contains(left + right) else { continue }
                vocabulary.append(left + right)
                merges.append((left, right))
            }
        }

        func tokenizer() throws -> Tokenizer {
            let ids = vocabulary.enumerated().map { (key: $1, value: JSON.int(Int64($0))) }
            return try Tokenizer(
                json: [
                    "model": [
                        "type": "BPE", "unk_token": "?", "fuse_unk": true, "vocab": .object(JSONObject(ids)),
                        "merges": .array(merges.map { .array([.string($0.left), .string($0.right)]) }),
                    ]
                ])
        }

        func tokens(_ text: String) -> [String] {
            var parts: [String] = []
            for scalar in text.unicodeScalars {
                let isKnown = vocabulary.contains(String(scalar))
                // Neighbouring unknown characters are one token.
                if isKnown || parts.last != "?" { parts.append(isKnown ? String(scalar) : "?") }
            }
            for (left, right) in merges { merge(left, right, &parts) }
            return parts
        }

        /// A merge makes no pair of lower rank: the pair would have a token that this merge makes, which came later.
        private func merge(_ left: String, _ right: String, _ parts: inout [String]) {
            var place = 0
            while place + 1 < parts.count {
                if parts[place] == left, parts[place + 1] == right {
                    parts.replaceSubrange(place...place + 1, with: [left + right])
                }
                place += 1
            }
        }
    }

    private func check(_ model: Model, _ characters: [String], lengths: [Int], random: inout SplitMix64) throws {
        let tokenizer = try model.tokenizer()
        for length in lengths {
            let text = (0..<length).map { _ in characters[random.next(characters.count)] }.joined()
            XCTAssertEqual(
                try tokenizer.encode(text).map { tokenizer.token(of: $0) ?? "" }, model.tokens(text), text)
        }
    }

    private let characters = ["▁", "▁", "a", "b", "c", "é", "日"]
    /// The longest text has most words more than once, and more different ones than are remembered.
    private let lengths = Array(0...40) + [70, 150, 400, 5000]

    /// No merge crosses the start of a word, so that long texts are merged word by word.
    func testVocabulariesOfWords() throws {
        var random = SplitMix64(state: 3)
        for count in [0, 5, 20, 60] {
            let model = Model(characters: Array(characters[1...]), merges: count, from: &random) {
                !$1.hasPrefix("▁") || $0.hasSuffix("▁")
            }
            try check(model, characters + ["x"], lengths: lengths, random: &random)
        }
    }

    /// Merges across the start of a word: the text is one piece.
    func testVocabulariesWithMergesAcrossWords() throws {
        var random = SplitMix64(state: 4)
        for count in [20, 60] {
            let model = Model(characters: Array(characters[1...]), merges: count, from: &random) { _, _ in true }
            XCTAssertTrue(model.merges.contains { $1.hasPrefix("▁") && !$0.hasSuffix("▁") })
            try check(model, characters + ["x"], lengths: lengths, random: &random)
        }
    }

    /// A character that has no token leaves nothing, so what stands around it merges, as in Hugging Face's tokenizers.
    func testMarksAroundACharacterThatHasNoToken() throws {
        let tokenizer = try Tokenizer(
            json: [
                "model": ["type": "BPE", "vocab": ["a": 0, "▁": 1, "▁▁": 2], "merges": [["▁", "▁"]]]
            ])
        XCTAssertEqual(try tokenizer.encode("▁x▁a▁"), [2, 0, 1])
        XCTAssertEqual(try tokenizer.encode("▁a▁x▁a"), [1, 0, 2, 0])
    }

    func testAVocabularyWithoutTheMark() throws {
        var random = SplitMix64(state: 5)
        let model = Model(characters: ["a", "b", "日"], merges: 12, from: &random) { _, _ in true }
        try check(model, ["a", "b", "日", "▁", "x"], lengths: lengths, random: &random)
    }
}
