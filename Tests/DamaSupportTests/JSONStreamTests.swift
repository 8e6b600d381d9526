import DamaSupport
import DamaTestSupport
import Foundation
import XCTest

/// Reading JSON piece by piece, against Python's json (Fixtures/make_json_stream.py) and against the parser of whole
/// texts.
final class JSONStreamTests: XCTestCase {
    /// Reads a text member by member and element by element, as a caller with a closure for everything does.
    private func read(_ bytes: [UInt8], pieces: Int) throws(DamaError) -> JSON {
        var stream = JSONStream(MemoryBytes(bytes, pieceSize: pieces), name: "text")
        let value = try tree(&stream, first: bytes.first { $0 > 0x20 })
        try stream.end()
        return value
    }

    private func tree(_ stream: inout JSONStream, first: UInt8?) throws(DamaError) -> JSON {
        switch first {
        case UInt8(ascii: "{"):
            var members: [JSONObject.Member] = []
            try stream.object { stream, key throws(DamaError) in members.append((key, try stream.value())) }
            return .object(JSONObject(members))
        case UInt8(ascii: "["):
            var elements: [JSON] = []
            try stream.array { stream throws(DamaError) in elements.append(try stream.value()) }
            return .array(elements)
        default: return try stream.value()
        }
    }

    private func skip(_ bytes: [UInt8], pieces: Int) throws(DamaError) {
        var stream = JSONStream(MemoryBytes(bytes, pieceSize: pieces), name: "text")
        try stream.skip()
        try stream.end()
    }

    func testReadsAndRefusesWhatPythonDoes() throws {
        let entries = try XCTUnwrap(Fixtures.json("json_stream.json").array)
        XCTAssertGreaterThan(entries.count, 300)
        for entry in entries {
            let bytes = try XCTUnwrap(Base64.decode(XCTUnwrap(entry["base64"]?.string).utf8))
            let name = String(decoding: bytes, as: UTF8.self)
            for pieces in [1, 2, 7, 1 << 18] {
                guard let expected = entry["value"]?.string else {
                    XCTAssertThrowsError(try read(bytes, pieces: pieces), name)
                    XCTAssertThrowsError(try skip(bytes, pieces: pieces), name)
                    continue
                }
                // Python writes its value anew; numbers as it writes them are compared as numbers.
                let value = try read(bytes, pieces: pieces)
                let whole = try JSON(parsing: bytes, numbers: .asWritten)
                XCTAssertEqual(value, whole, name)
                XCTAssertEqual(try normalized(value), try normalized(JSON(parsing: expected.utf8, numbers: .asWritten)))
                try skip(bytes, pieces: pieces)
            }
        }
    }

    /// Numbers by value, members as Python's dict: the last of a key, at the place of the first.
    private func normalized(_ value: JSON) throws -> JSON {
        switch value {
        case .number(let text):
            if text.hasSuffix("Infinity") || text == "NaN" { return value }
            let number = try XCTUnwrap(Double(text))
            if number.isInfinite { return .number(number < 0 ? "-Infinity" : "Infinity") }
            return Int64(exactly: number).map { .int($0) } ?? .double(number)
        case .double(let number): return Int64(exactly: number).map { .int($0) } ?? value
        case .array(let elements): return .array(try elements.map(normalized))
        case .object(let object):
            var members: [JSONObject.Member] = []
            for member in object.members {
                let new = (key: member.key, value: try normalized(member.value))
                if let place = members.firstIndex(where: { $0.key.hasSameBytes(as: member.key) }) {
                    members[place] = new
                } else {
                    members.append(new)
                }
            }
            return .object(JSONObject(members))
        default: return value
        }
    }

    func testErrorsNameTheByte() {
        let cases: [(String, String)] = [
            ("", "byte 0: expected a value"), ("[1,]", "byte 3: expected a value"), ("{\"a\" 1}", "byte 5"),
            ("01", "byte 1"), ("[\"abc", "byte 1: string without its closing quote"), ("\"\u{1}\"", "byte 1"),
            ("nul", "byte 3: expected null"), ("1 2", "byte 2: expected the end"),
            ("\"\\x\"", "byte 1: unknown escape"),
            ("\"\\u12g4\"", "byte 5"), ("[-]", "byte 2"), ("{\"a\":1", "byte 6: expected ',' or '}'"),
        ]
        for (text, expected) in cases {
            for pieces in [1, 100] {
                assertFails(.model, "text: not valid JSON at \(expected)") {
                    try skip(Array(text.utf8), pieces: pieces)
                }
            }
        }
        for broken: [UInt8] in [[0xFF], [0xC3], [0xC0, 0x80], [0xED, 0xA0, 0x80], [0xF4, 0x90, 0x80, 0x80]] {
            assertFails(.model, "at byte 1: string is not valid UTF-8") {
                try skip([0x5B, 0x22] + broken + [0x22], pieces: 1)
            }
        }
    }

    func testNestingIsLimitedAsInWholeTexts() throws {
        for depth in [JSON.maximumDepth - 1, JSON.maximumDepth, JSON.maximumDepth + 1] {
            for inside in ["", "1"] {
                let text = String(repeating: "[", count: depth) + inside + String(repeating: "]", count: depth)
                let isFine = (try? JSON(parsing: text)) != nil
                XCTAssertEqual((try? skip(Array(text.utf8), pieces: 5)) != nil, isFine, "\(depth) \(inside)")
                XCTAssertEqual((try? read(Array(text.utf8), pieces: 5)) != nil, isFine, "\(depth) \(inside)")
            }
        }
        assertFails(.model, "nested deeper than 128 levels") {
            try skip([UInt8](repeating: UInt8(ascii: "["), count: 1_000_000), pieces: 1 << 18)
        }
    }

    func testValuesAreLimited() throws {
        let text = Array("[\"\(String(repeating: "x", count: 5000))\"]".utf8)
        var stream = JSONStream(MemoryBytes(text, pieceSize: 64), name: "text")
        assertFails(.outOfMemory, "text: the value before byte") {
            try stream.array { stream throws(DamaError) in _ = try stream.string(limit: 5001) }
        }
        stream = JSONStream(MemoryBytes(text, pieceSize: 64), name: "text")
        try stream.array { stream throws(DamaError) in XCTAssertEqual(try stream.string(limit: 5002).utf8.count, 5000) }
    }

    func testIntegers() throws {
        func integer(_ text: String) throws(DamaError) -> Int {
            var stream = JSONStream(MemoryBytes(Array(text.utf8), pieceSize: 2), name: "text")
            return try stream.integer()
        }
        for text in ["0", "7", "-7", "123456789012345678", "9223372036854775807", "-9223372036854775808"] {
            XCTAssertEqual(try integer(text), Int(text))
        }
        XCTAssertEqual(try integer("1.5e1"), 15)
        for text in ["9223372036854775808", "1.5", "1e400", "\"1\"", "NaN", "-Infinity", "null"] {
            assertFails(.model, "expected an integer") { _ = try integer(text) }
        }
    }

    func testWhatAClosureDoesNotReadIsSkipped() throws {
        let text = Array("\u{FEFF}{\"a\": [1, {\"b\": [2]}], \"c\": \"x\\n\", \"d\": 3} [4]".utf8)
        for pieces in 1...4 {
            var stream = JSONStream(MemoryBytes(text, pieceSize: pieces), name: "text")
            var found: [String] = []
            try stream.object { stream, key throws(DamaError) in
                found.append(key)
                if key == "c" { found.append(try stream.string()) }
            }
            XCTAssertEqual(found, ["a", "c", "x\n", "d"])
            XCTAssertFalse(try stream.isAtEnd())
            try stream.array { stream throws(DamaError) in XCTAssertEqual(try stream.integer(), 4) }
            XCTAssertTrue(try stream.isAtEnd())
        }
    }

    /// Memory does not grow with the text: 3 MB are read in that of a few pieces.
    func testMemoryIsThatOfAPiece() throws {
        final class Numbers: ByteSource {
            let piece = Array(repeating: Array("[1.25,-30,\"text\"],".utf8), count: 1 << 12).flatMap { $0 }
            var count = 0
            var memory: [Int] = []
            func next() -> [UInt8] {
                memory.append(JSONStreamTests.residentMemory())
                defer { count += 1 }
                return count == 0 ? [UInt8(ascii: "[")] : count < 45 ? piece : count == 45 ? Array("0]".utf8) : []
            }
        }
        let source = Numbers()
        var stream = JSONStream(source, name: "numbers")
        try stream.skip()
        XCTAssertGreaterThan(stream.offset, 3 << 20)
        XCTAssertEqual(source.memory.count, 46)
        // A piece has 74 kB; the allocator may hold some.
        XCTAssertLessThan(source.memory[45] - source.memory[2], 1 << 20)
    }

    /// The memory that this process has, in bytes.
    private static func residentMemory() -> Int {
        guard let text = try? String(contentsOfFile: "/proc/self/statm", encoding: .utf8) else { return 0 }
        return (text.split(separator: " ").dropFirst().first.flatMap { Int($0) } ?? 0) * 4096
    }
}
