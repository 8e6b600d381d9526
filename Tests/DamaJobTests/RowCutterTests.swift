import Dama
import XCTest

final class RowCutterTests: XCTestCase {
    /// Splits `text` into rows, given in pieces of `step` bytes.
    private func cut(_ bytes: [UInt8], step: Int = .max, limit: Int = 1000) -> [RawRow] {
        var cutter = RowCutter(rowLimit: limit)
        var rows: [RawRow] = []
        var start = 0
        while start < bytes.count {
            let end = step < bytes.count - start ? start + step : bytes.count
            bytes[start..<end].withUnsafeBytes { cutter.consume($0, into: &rows) }
            start = end
        }
        cutter.finish(into: &rows)
        XCTAssertEqual(cutter.rowCount, rows.count)
        return rows
    }

    private func texts(_ text: String) -> [String] {
        cut(Array(text.utf8)).map { String(decoding: $0.bytes, as: UTF8.self) }
    }

    func testLinesAreRows() {
        XCTAssertEqual(texts("{\"a\":1}\n{\"b\":2}\n"), ["{\"a\":1}", "{\"b\":2}"])
        XCTAssertEqual(texts("{\"a\":1}\r\n\n  \n{\"b\":2}"), ["{\"a\":1}\r", "{\"b\":2}"])
        XCTAssertEqual(texts(""), [])
        XCTAssertEqual(texts(" \n\n"), [])
        XCTAssertEqual(texts("\u{FEFF}{}\n"), ["{}"])
        XCTAssertEqual(texts("x\n{}"), ["x", "{}"], "an invalid line affects only itself")
    }

    func testElementsAreRows() {
        XCTAssertEqual(texts("[]"), [])
        XCTAssertEqual(
            texts("\u{FEFF} [ {\"a\": [1, 2, {\"x\": \"],}\"}]} ,\n {\"b\": \"\\\"]\"}]\n"),
            [
                "{\"a\": [1, 2, {\"x\": \"],}\"}]} ", "{\"b\": \"\\\"]\"}",
            ])
        XCTAssertEqual(texts("[1,,2]"), ["1", "", "2"])
        XCTAssertEqual(
            texts("[{}}, {\"b\":1}]"), ["{}}", "{\"b\":1}"], "a bracket too many breaks its element alone"
        )
    }

    func testLineNumbersAreThoseOfTheFile() {
        XCTAssertEqual(cut(Array("\n{}\n\nx\n".utf8)).map(\.line), [2, 4])
        XCTAssertEqual(cut(Array("[\n{\"a\":\n1},\n\n{}]".utf8)).map(\.line), [2, 5])
        XCTAssertEqual(cut(Array("[\n{\"a\":\n1},\n\n{}]".utf8)).map(\.index), [0, 1])
    }

    func testWhatEndsTooSoonOrTooLateIsReported() {
        for (text, count) in [
            ("[", 1), ("[{}", 1), ("[{},", 2), ("[{\"a\": \"", 1), ("[{}] x", 2), ("[]]", 1),
        ] {
            let rows = cut(Array(text.utf8))
            XCTAssertEqual(rows.count, count, text)
            XCTAssertEqual(rows.last?.rejection?.kind, .invalidJSON, text)
        }
    }

    func testTheRowLimitHoldsAndTheNextRowIsRead() {
        for opening in ["", "["] {
            let separator = opening.isEmpty ? "\n" : ","
            let text =
                opening + "\"" + String(repeating: "x", count: 100) + "\"\(separator){}"
                + (opening.isEmpty ? "" : "]")
            let rows = cut(Array(text.utf8), step: 7, limit: 20)
            XCTAssertEqual(rows.map(\.rejection?.kind), [.rowTooLarge, nil])
            XCTAssertEqual(rows.last?.bytes, Array("{}".utf8))
        }
        XCTAssertNil(cut(Array("12345".utf8), limit: 5)[0].rejection)
        XCTAssertEqual(cut(Array("123456".utf8), limit: 5)[0].rejection?.kind, .rowTooLarge)
    }

    func testRowsDoNotDependOnHowTheBytesArrive() {
        var generator = RandomGenerator(seed: 11)
        let alphabet = Array("[]{},\"\\ \n\r\tax1\u{FEFF}é".utf8)
        for _ in 0..<3000 {
            let bytes = (0..<generator.uniform(below: 40)).map { _ in
                alphabet[generator.uniform(below: alphabet.count)]
            }
            let whole = cut(bytes, limit: 12)
            for step in [1, 2, 3, 5] {
                XCTAssertEqual(
                    cut(bytes, step: step, limit: 12), whole,
                    "\(String(decoding: bytes, as: UTF8.self)) in \(step)s")
            }
        }
    }

    func testElementsEqualTheParsersElements() throws {
        var generator = RandomGenerator(seed: 12)
        func value(_ depth: Int) -> JSON {
            switch generator.uniform(below: depth > 3 ? 3 : 5) {
            case 0: .int(Int64(generator.uniform(below: 1000)))
            case 1: .string(["a", "],[", "\"\\", "}{", "é\n"][generator.uniform(below: 5)])
            case 2: .null
            case 3: .array((0..<generator.uniform(below: 4)).map { _ in value(depth + 1) })
            default:
                .object(
                    JSONObject(
                        (0..<generator.uniform(below: 4)).map { (key: "k,\($0)", value: value(depth + 1)) }))
            }
        }
        for _ in 0..<500 {
            let elements = (0..<generator.uniform(below: 6)).map { _ in value(0) }
            let rows = cut(
                Array(JSON.array(elements).text.utf8), step: 1 + generator.uniform(below: 9), limit: 100_000
            )
            XCTAssertEqual(try rows.map { try JSON(parsing: $0.bytes) }, elements)
        }
    }
}
