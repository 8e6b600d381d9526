import DamaTestSupport
import Foundation
import XCTest

@testable import Dama

/// The forms of images and numbers in rows, as written by `datasets`, pandas, TRL and Python's json.
final class RowImageTests: XCTestCase {
    private func read(_ fields: String, _ mappings: [String] = []) throws -> PairRecord {
        let row = "{\(fields),\"chosen\":\"c\",\"rejected\":\"r\"}"
        return try PairRecord(
            RawRow(index: 7, line: 1, bytes: Array(row.utf8)), names: FieldNames(mappings: mappings))
    }

    private func assertRejected(_ fields: String, _ kind: Rejection.Kind, _ reason: String, line: UInt = #line) {
        XCTAssertThrowsError(try read(fields), fields, line: line) { error in
            let rejection = error as? Rejection
            XCTAssertEqual(rejection?.kind, kind, "\(error)", line: line)
            XCTAssertTrue(rejection?.reason.contains(reason) == true, "\(error)", line: line)
        }
    }

    /// The first bytes of a JPEG and 200 more, encoded by Foundation.
    private let file = [0xFF, 0xD8, 0xFF, 0xE0] + (0..<200).map { UInt8(truncatingIfNeeded: 37 * $0 + 5) }
    private var base64: String { Data(file).base64EncodedString() }

    // Before the fix, lists of one image were refused, although TRL, LLaMA-Factory and ms-swift write every row so.
    func testListsOfOneImage() throws {
        for fields in [
            #""images":["x.jpg"]"#, #""image":["x.jpg"]"#, #""images":"x.jpg""#, #""images":[{"path":"x.jpg"}]"#,
            #""images":[{"bytes":null,"path":"x.jpg"}]"#, #""images":["x.jpg",null]"#,
            #""image":null,"images":["x.jpg"]"#,
        ] {
            XCTAssertEqual(try read(fields).images, ["x.jpg"], fields)
        }
        XCTAssertEqual(try read(#""images":["x.jpg",{"path":"y.jpg"}]"#).images, ["x.jpg", "y.jpg"])
        let many = Array(repeating: "\"x.jpg\"", count: 256).joined(separator: ",")
        assertRejected(#""images":[\#(many)]"#, .severalImages, "holds 256 images; a row has at most 255")
        assertRejected(#""images":[]"#, .missingField, "empty list")
        assertRejected(#""images":[["x.jpg"]]"#, .wrongType, "a nested list")
    }

    // Before the fix, an `image` object without a path hid a valid `image_path`.
    func testWhatHoldsNoImageHidesNone() throws {
        for value in [#"{}"#, #"{"bytes":null,"path":null}"#, #"{"path":""}"#, "\"\"", "[]", "3", "true"] {
            XCTAssertEqual(try read(#""image":\#(value),"image_path":"x.jpg""#).images, ["x.jpg"], value)
        }
        assertRejected(#""image":{"bytes":null,"path":null}"#, .missingField, "neither bytes nor a path")
        assertRejected(#""image":{},"image_path":3"#, .missingField, "\"image\"")
    }

    func testBytesInTheRow() throws {
        XCTAssertGreaterThan(base64.utf8.count, 64)
        let lines = Data(file).base64EncodedString(options: [.lineLength64Characters, .endLineWithLineFeed])
        for fields in [
            #""image":{"bytes":"\#(base64)","path":"x.jpg"}"#, #""image":{"bytes":"\#(base64)"}"#,
            #""image":"\#(base64)""#,
            #""image":"data:image/jpeg;base64,\#(base64)""#, #""images":["data:image/jpeg;base64,\#(base64)"]"#,
            #""images":[{"bytes":"\#(base64)","path":null}]"#, #""image":{"base64":"\#(base64)"}"#,
            #""image":{"bytes":"\#(base64.replacingOccurrences(of: "/", with: "\\/"))"}"#,
            #""image":{"bytes":"\#(lines.replacingOccurrences(of: "\n", with: "\\n"))"}"#,
            #""image":{"bytes":"data:image/jpeg;base64,\#(base64)"}"#,
            #""image":{"type":"image_url","image_url":{"url":"data:image/jpeg;base64,\#(base64)"}}"#,
        ] {
            XCTAssertEqual(try read(fields).images, [.bytes(file)], fields)
        }
        // A path that looks like base64 is a path, unless it decodes to an image.
        for path in ["/9j/1.jpg", "/9j/x", "abcd", String(repeating: "abcd", count: 30)] {
            XCTAssertEqual(try read(#""image":"\#(path)""#).images, [.path(path)])
        }
        assertRejected(#""image":{"bytes":"\\xff\\xd8"}"#, .wrongType, "not base64")
        assertRejected(#""image":{"bytes":[255,216]}"#, .wrongType, "base64 text")
        assertRejected(#""image":"data:image/jpeg,abc""#, .wrongType, "data URI")
        assertRejected(#""image":"https://host/a.jpg""#, .imageMissing, "a URL")
    }

    /// Every length and every byte against Foundation's encoder; damage is detected as by Foundation's decoder.
    func testBase64() {
        var generator = RandomGenerator(seed: 9)
        for count in 0..<200 {
            let bytes = (0..<count).map { _ in UInt8(truncatingIfNeeded: generator.next()) }
            let text = Data(bytes).base64EncodedString()
            XCTAssertEqual(Base64.decode(text.utf8), bytes)
            XCTAssertEqual(Base64.decode(text.replacingOccurrences(of: "=", with: "").utf8), bytes)
        }
        for text in ["A", "A=", "AA=", "AAA==", "AAAA=", "A===", "AA=A", "AAA*", "ÄAAA", "AAAAA"] {
            XCTAssertNil(Base64.decode(text.utf8), text)
        }
    }

    // RLAIF-V on the Hugging Face Hub stores question and responses as JSON in one text field.
    func testFieldsInAText() throws {
        let inner: JSON = ["question": "Q \u{E9}", "chosen": "C", "rejected": "R", "idx": 4]
        let row: JSON = ["image": "x.jpg", "idx": 3, "text": .string(inner.text)]
        let record = try PairRecord(RawRow(index: 0, line: 1, bytes: Array(row.text.utf8)), names: FieldNames())
        XCTAssertEqual(
            record,
            PairRecord(
                id: 3, images: ["x.jpg"], messages: [ChatMessage(.user, "Q \u{E9}")], chosen: "C", rejected: "R"))
        XCTAssertEqual(try read(#""image":"x.jpg","text":"no object""#).chosen, "c")
        XCTAssertEqual(
            try read(#""image":"x.jpg","text":"{\"chosen\":\"other\"}""#).chosen, "c", "the row's own counts")
    }

    // Before the fix, a NaN in an unused field rejected the row.
    func testNumbersThatNobodyReads() throws {
        for number in ["NaN", "Infinity", "-Infinity", "1e400", "-1e400", "123456789012345678901234567890"] {
            XCTAssertEqual(
                try read(#""image":"x.jpg","score":\#(number),"more":[\#(number)]"#).images, ["x.jpg"], number)
        }
        for number in ["NaN", "Infinity", "-Infinity"] {
            assertRejected(#""image":"x.jpg","idx":\#(number)"#, .wrongType, number)
        }
        for broken in ["Nan", "nan", "Inf", "+1", "-Inf", "--1", "NaN1"] {
            assertRejected(#""image":"x.jpg","score":\#(broken)"#, .invalidJSON, "not valid JSON")
        }
    }

    // Before the fix, the ids 18446744073709551615 and …614 both became 1.8446744073709552e+19.
    func testIdsAreKeptAsTheyAreWritten() throws {
        for id in [
            "18446744073709551615", "18446744073709551614", "-9223372036854775809", "9223372036854775807", "1.0", "1",
            "1e3",
            "1.50", "0.1", "0.10000000000000000001", "-0", "1E400", "\"e\u{301}\"", "\"\u{E9}\"", "\"1\"",
        ] {
            let text = try read(#""image":"x.jpg","idx":\#(id)"#).id.text
            XCTAssertTrue(text.utf8.elementsEqual(id.utf8), "\(id) became \(text)")
        }
    }

    // Before the fix, ids that Swift's String treats as equal joined a pair with another pair's score.
    func testScoresAreFoundByTheBytesOfTheirIds() throws {
        let folder = try TemporaryDirectory()
        let ids = ["\"e\u{301}\"", "\"\u{E9}\"", "18446744073709551615", "18446744073709551614", "1.0", "1", "1e0"]
        let lines = ids.enumerated().map { #"{"id":\#($1),"delta":\#($0),"alpha_data":\#($0 + 1)}"# }
        let path = try folder.write(Array(lines.joined(separator: "\n").utf8), to: "scores.jsonl")
        let table = try ScoreTable(path: path)
        for (index, id) in ids.enumerated() {
            let record = try read(#""image":"x.jpg","idx":\#(id)"#)
            XCTAssertEqual(table[record.id]?.alphaData, Double(index + 1), id)
        }
        // A given δ̄: α_D = σ(δ) / σ(δ̄) by Eq. (7).
        let again = try ScoreTable(path: path, meanDelta: 0.25)
        for (index, id) in ids.enumerated() {
            let expected = (1 + exp(-0.25)) / (1 + exp(-Double(index)))
            let record = try read(#""image":"x.jpg","idx":\#(id)"#)
            XCTAssertEqual(try XCTUnwrap(again[record.id]).alphaData, expected, accuracy: 1e-15, id)
        }
        try folder.write(Array((lines + [lines[2]]).joined(separator: "\n").utf8), to: "scores.jsonl")
        assertFails(.model, "two lines with the id 18446744073709551615") { _ = try ScoreTable(path: path) }
    }

    // Before the fix, the message "not valid JSON at byte 0" did not say that a file is Parquet, or compressed.
    func testOtherFormatsOfDatasetsAreNamed() throws {
        let folder = try TemporaryDirectory()
        for (bytes, name) in [
            (Array("PAR1".utf8) + [0x15, 4], "is a Parquet file"), ([0x1F, 0x8B, 8, 0], "compressed by gzip"),
            ([0x28, 0xB5, 0x2F, 0xFD], "compressed by zstd"), ([0x50, 0x4B, 3, 4], "is a zip archive"),
            (Array("BZh9".utf8), "bzip2"), (Array("ARROW1\0\0".utf8), "is an Arrow file"),
        ] {
            let path = try folder.write(bytes, to: "data")
            assertFails(.unsupported, name) { _ = try RowReader(path: path) }
        }
        let path = try folder.write(Array("PAR1".utf8), to: "data")
        assertFails(.unsupported, "pandas.read_parquet('IN').to_json('OUT.jsonl'") { _ = try RowReader(path: path) }
        for text in ["{\"a\":1}", "[]", "P", ""] {
            _ = try RowReader(path: try folder.write(Array(text.utf8), to: "data"))
        }
    }
}
