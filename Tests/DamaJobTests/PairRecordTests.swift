import Dama
import XCTest

final class PairRecordTests: XCTestCase {
    private func read(_ text: String, _ mappings: [String] = []) throws -> PairRecord {
        try PairRecord(
            RawRow(index: 5, line: 9, bytes: Array(text.utf8)), names: FieldNames(mappings: mappings))
    }

    private func assertRejected(
        _ text: String, _ kind: Rejection.Kind, _ reason: String, file: StaticString = #filePath,
        line: UInt = #line
    ) {
        XCTAssertThrowsError(try read(text), file: file, line: line) { error in
            guard let rejection = error as? Rejection else {
                return XCTFail("\(error)", file: file, line: line)
            }
            XCTAssertEqual(rejection.kind, kind, rejection.reason, file: file, line: line)
            XCTAssertTrue(rejection.reason.contains(reason), rejection.reason, file: file, line: line)
        }
    }

    func testUsualNames() throws {
        let record = try read(
            #"{"idx": 3, "image": "a.jpg", "question": "Q?", "chosen": "yes.", "rejected": "no."}"#)
        XCTAssertEqual(
            record,
            PairRecord(
                id: 3, images: ["a.jpg"], messages: [ChatMessage(.user, "Q?")], chosen: "yes.", rejected: "no."))
        let other = try read(#"{"image": null, "image_path": "b.jpg", "chosen": "x", "rejected": "y"}"#)
        XCTAssertEqual(
            other, PairRecord(id: 5, images: ["b.jpg"], chosen: "x", rejected: "y"),
            "the id is the row's position")
    }

    func testMappedNames() throws {
        let record = try read(
            #"{"key": "k1", "pic": "a", "good": "g", "bad": "b", "chosen": 1}"#,
            ["idx=key", "image_path=pic", "chosen=good", "rejected=bad"])
        XCTAssertEqual(record, PairRecord(id: "k1", images: ["a"], chosen: "g", rejected: "b"))
        XCTAssertThrowsError(try FieldNames(mappings: ["chosen"]))
        XCTAssertThrowsError(try FieldNames(mappings: ["chosen="]))
        XCTAssertThrowsError(try FieldNames(mappings: ["answer=good"])) {
            XCTAssertTrue("\($0)".contains("\"answer\""))
        }
    }

    func testMessages() throws {
        let record = try read(
            """
            {"image": {"path": "a.jpg", "bytes": null}, "conversations": [{"from": "human", "value": "Q?"}],
             "chosen": [{"role": "user", "content": "Q?"}, {"role": "assistant", "content": [{"type": "text", "text": "c"}]}],
             "rejected": {"from": "gpt", "value": "r"}}
            """)
        XCTAssertEqual(
            record,
            PairRecord(
                id: 5, images: ["a.jpg"], messages: [ChatMessage(.user, "Q?")], chosen: "c", rejected: "r"))
    }

    func testGivenSubSentences() throws {
        let record = try read(
            #"{"image": "a", "chosen_sub_sentences": ["a b", "c"], "rejected": "r", "rejected_sub_sentences": ["x"]}"#
        )
        XCTAssertEqual(record.chosen, "a b c")
        XCTAssertEqual(record.chosenSubSentences, ["a b", "c"])
        XCTAssertEqual(record.rejectedSubSentences, ["x"])
    }

    func testWhatIsWrongIsNamed() {
        assertRejected("{\"image\"", .invalidJSON, "byte 8")
        assertRejected("[1]", .invalidJSON, "an array")
        assertRejected(
            #"{"chosen": "a", "rejected": "b"}"#, .missingField, "\"image\" or \"image_path\" or \"images\"")
        assertRejected(#"{"image": "", "chosen": "a", "rejected": "b"}"#, .missingField, "empty")
        assertRejected(#"{"image": 3, "chosen": "a", "rejected": "b"}"#, .wrongType, "a number")
        assertRejected(#"{"image": "i", "rejected": "b"}"#, .missingField, "\"chosen\"")
        assertRejected(#"{"image": "i", "chosen": "a", "rejected": 7}"#, .wrongType, "\"rejected\"")
        assertRejected(#"{"image": "i", "chosen": [], "rejected": "b"}"#, .wrongType, "\"chosen\"")
        assertRejected(
            "{\"image\": \"i\", \"chosen\": \" \\n\\t\u{3000}\", \"rejected\": \"b\"}", .emptyResponse,
            "\"chosen\"")
        assertRejected(
            #"{"image": "i", "chosen": "a", "rejected": "b", "chosen_sub_sentences": []}"#,
            .emptyResponse, "chosen_sub")
        assertRejected(
            #"{"image": "i", "chosen": "a", "rejected": "b", "chosen_sub_sentences": ["a", ""]}"#,
            .emptyResponse, "chosen_sub")
        assertRejected(
            #"{"image": "i", "chosen": "a", "rejected": "b", "chosen_sub_sentences": "a"}"#, .wrongType,
            "list")
        assertRejected(
            #"{"image": "i", "chosen": "a", "rejected": "b", "rejected_sub_sentences": [1]}"#, .wrongType,
            "a number")
        let broken = RawRow(
            index: 0, line: 1, bytes: Array("{\"image\": \"".utf8) + [0xFF] + Array("\"}".utf8))
        XCTAssertThrowsError(try PairRecord(broken, names: FieldNames())) {
            XCTAssertEqual(($0 as? Rejection)?.kind, .notUTF8)
        }
    }
}
