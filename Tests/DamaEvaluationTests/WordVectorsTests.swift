import DamaArchive
import DamaSupport
import DamaTestSupport
import XCTest

@testable import DamaEvaluation

/// Vectors in a wheel that spaCy wrote, and the formats in it: NumPy's, MessagePack's and Murmur's
/// (Fixtures/make_amber.py).
final class WordVectorsTests: XCTestCase {
    private let wheel = Fixtures.path("amber/en_own_vectors-1.2.3-py3-none-any.whl")
    private let expected = try? Fixtures.json("amber/vectors.json")

    private func words() throws -> [String] {
        try AmberWords.vocabulary(try Fixtures.json("amber/relation.json"), name: "relation.json")
    }

    func testSimilarWordsAreThoseOfSpaCy() throws {
        let table = try SimilarWords(of: try words(), wheel: wheel)
        let pairs = table.pairs.map { JSON.array([.string($0.0), .string($0.1)]) }
        XCTAssertEqual(JSON.array(pairs), expected?["pairs"])
        XCTAssertEqual(table.withoutVector.map { JSON.string($0) }, expected?["without_vector"]?.array)
        let nearest = try XCTUnwrap(table.nearest)
        let official = try XCTUnwrap(expected?["nearest"]?.array)
        XCTAssertEqual([.string(nearest.words.0), .string(nearest.words.1)], Array(official.prefix(2)))
        // Six products of 32 bits, in another order.
        XCTAssertEqual(nearest.similarity, try XCTUnwrap(official[2].double), accuracy: 5e-7)
        XCTAssertEqual(try SimilarWords(table.json).json, table.json)
    }

    func testRowsThatLieInSeveralPiecesAreRead() throws {
        let words = try words()
        let whole = try WordVectors(of: words, fromWheel: wheel)
        // The header has 128 bytes, a row 24.
        for size in [128, 129, 151, 152, 153] {
            let parts = try WordVectors(of: words, fromWheel: wheel, pieceSize: size)
            for word in words { XCTAssertEqual(parts.vector(of: word), whole.vector(of: word), word) }
        }
        assertFails(.model, "the file is cut, or its header is longer") {
            _ = try WordVectors(of: words, fromWheel: wheel, pieceSize: 127)
        }
    }

    func testWordsAreSplitAtHyphensBetweenLetters() {
        for (word, tokens) in [
            ("air-conditioning", ["air", "-", "conditioning"]), ("e-book", ["e", "-", "book"]), ("dog", ["dog"]),
            ("a-b-c", ["a", "-", "b", "-", "c"]), ("-", ["-"]), ("", [""]), ("x-", ["x-"]), ("a--b", ["a--b"]),
        ] { XCTAssertEqual(WordVectors.tokens(word), tokens) }
    }

    func testHashesAreThoseOfSpaCy() throws {
        for (text, hash) in try XCTUnwrap(expected?["hashes"]?.object).members {
            XCTAssertEqual(String(MurmurHash.hash64A(Array(text.utf8), seed: 1)), hash.string, text)
        }
    }

    // MARK: MessagePack

    private func numbers(_ bytes: [UInt8]) throws -> [[String]] {
        var found: [[String]] = []
        try MessagePackMap.forEach(in: bytes) { found.append([String($0), String($1)]) }
        return found
    }

    func testNumbersOfEverySizeAreRead() throws {
        let text = Array(try XCTUnwrap(expected?["msgpack"]?.string).utf8)
        let bytes = stride(from: 0, to: text.count, by: 2).compactMap {
            UInt8(String(decoding: text[$0..<$0 + 2], as: UTF8.self), radix: 16)
        }
        XCTAssertEqual(
            try numbers(bytes), expected?["numbers"]?.array?.compactMap { $0.array?.compactMap(\.string) })
        for count in bytes.indices {
            assertFails(.model, "is cut at byte \(count)") { _ = try numbers(Array(bytes[..<count])) }
        }
        assertFails(.model, "ends at byte \(bytes.count) of \(bytes.count + 1)") { _ = try numbers(bytes + [0]) }
    }

    func testMapsOfOtherThingsAreRefused() throws {
        XCTAssertEqual(try numbers([0xDE, 0, 1, 1, 2]), [["1", "2"]])
        XCTAssertEqual(try numbers([0xDF, 0, 0, 0, 1, 1, 2]), [["1", "2"]])
        assertFails(.model, "is of type 147; expected a map") { _ = try numbers([0x93, 1, 2, 3]) }
        assertFails(.model, "has a value of type 161 at byte 1; expected a whole number") {
            _ = try numbers([0x81, 0xA1, 0x61, 1])
        }
        assertFails(.model, "has the value 18446744073709551615; expected one of 64 bits") {
            _ = try numbers([0x81, 1, 0xCF] + Array(repeating: 0xFF, count: 8))
        }
        // A count that the bytes do not have is found at their end.
        assertFails(.model, "is cut at byte 5") { _ = try numbers([0xDF, 0xFF, 0xFF, 0xFF, 0xFF]) }
    }

    // MARK: NumPy

    private func header(_ bytes: [UInt8], size: Int? = nil) throws -> NumpyHeader {
        try NumpyHeader(bytes, fileSize: size ?? bytes.count)
    }

    private func npy(_ name: String) throws -> [UInt8] { try Files.read(Fixtures.path("amber/\(name).npy")) }

    func testHeadersOfNumPy() throws {
        let found = try header(try npy("c"))
        XCTAssertEqual([found.size, found.rows, found.columns, found.rowSize], [128, 2, 3, 12])
        assertFails(.unsupported, "is stored column by column") { _ = try header(try npy("fortran")) }
        assertFails(.unsupported, #"holds the type "<f8"; expected "<f4""#) { _ = try header(try npy("double")) }
        assertFails(.unsupported, #"holds the type ">f4""#) { _ = try header(try npy("big")) }
        assertFails(.unsupported, "has 1 dimensions; expected 2") { _ = try header(try npy("line")) }
    }

    func testHeadersThatAreWrongAreNamed() throws {
        let good = try npy("c")
        assertFails(.model, "states 2 × 3 numbers, and has 151 bytes") { _ = try header(good.dropLast()) }
        assertFails(.model, "is not one of NumPy's npy format") { _ = try header(Array("PK".utf8)) }
        assertFails(.model, "the file is cut, or its header is longer") { _ = try header(Array(good[..<100])) }
        for (text, code, message) in [
            (
                "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 9999999999999999999), }", DamaError.Code.model,
                "has no shape"
            ),
            ("{'descr': '<f4', 'fortran_order': False, 'shape': (2, 9223372036854775807), }", .model, "states 2 ×"),
            ("{'descr': '<f4', 'fortran_order': False, 'shape': (2305843009213693952, 2), }", .model, "states"),
            ("{'descr': '<f4', 'fortran_order': False, 'shape': (-2, 3), }", .model, "has no shape"),
            ("{'descr': '<f4', 'fortran_order': Maybe, 'shape': (2, 3), }", .model, "has no fortran_order"),
            ("{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (2, 3), }", .model, "has no descr"),
            ("{'fortran_order': False, 'shape': (2, 3), }", .model, "has no descr"),
            ("{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3", .model, "has no shape"),
        ] {
            let bytes = Array(good[..<8]) + [UInt8(text.utf8.count), 0] + Array(text.utf8)
            assertFails(code, message) { _ = try header(bytes, size: bytes.count + 24) }
        }
        var other = good
        other[6] = 9
        assertFails(.unsupported, "has version 9") { _ = try header(other) }
    }

    // MARK: Wheels

    /// Every wheel that is cut, or that has one other byte, gives the same table or an error.
    func testDamagedWheelsNeverTrap() throws {
        let directory = try TemporaryDirectory(isInMemory: true)
        let words = try words()
        let table = try SimilarWords(of: words, wheel: wheel).json["pairs"]
        let bytes = try Files.read(wheel)
        var refused = 0
        for position in stride(from: 0, to: bytes.count, by: 3) {
            var damaged = bytes
            damaged[position] ^= UInt8(1) << UInt8(position % 8)
            for contents in [damaged, Array(bytes[..<position])] {
                let path = try directory.write(contents, to: "damaged.whl")
                if let found = try? SimilarWords(of: words, wheel: path) {
                    XCTAssertEqual(found.json["pairs"], table, "byte \(position)")
                } else {
                    refused += 1
                }
            }
        }
        // All that are cut, and most of the others.
        XCTAssertGreaterThan(refused, bytes.count / 3 * 3 / 2)
    }

    func testOtherWheelsAreNamed() throws {
        assertFails(.model, "the wheel has no word vectors") {
            _ = try WordVectors(of: ["a"], fromWheel: Fixtures.path("../../DamaArchiveTests/Fixtures/mixed.zip"))
        }
        assertFails(.model, "is not a zip archive") {
            _ = try WordVectors(of: ["a"], fromWheel: Fixtures.path("amber/c.npy"))
        }
        for (name, code, message) in [
            ("floret.whl", DamaError.Code.unsupported, #"the vectors have the mode "floret"; expected "default""#),
            ("lower.whl", .unsupported, "belong to the attribute 67; expected ORTH"),
            ("row.whl", .model, "a word has the vector 9; there are 2"),
            ("infinite.whl", .model, #"the vector of "dog" is not finite"#),
        ] {
            assertFails(code, "\(name): ") { _ = try WordVectors(of: ["dog"], fromWheel: wheelPath(name)) }
            assertFails(code, message) { _ = try WordVectors(of: ["dog"], fromWheel: wheelPath(name)) }
        }
    }

    private func wheelPath(_ name: String) -> String { Fixtures.path("amber/\(name)") }
}
