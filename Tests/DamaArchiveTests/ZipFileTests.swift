import DamaArchive
import DamaSupport
import DamaTestSupport
import XCTest

/// Archives of Python's zipfile (Fixtures/make_archives.py), and archives that must be refused.
final class ZipFileTests: XCTestCase {
    private let lines = (0..<2000).map { "line \($0)\n" }.joined()

    func testMembersEqualTheirSource() throws {
        let file = try ZipFile(path: Fixtures.path("mixed.zip"))
        XCTAssertEqual(
            file.names, ["folder/", "folder/empty.txt", "folder/lines.txt", "folder/grüße.txt", "stored.bin"])
        XCTAssertEqual(try file.contents(of: "folder/"), [])
        XCTAssertEqual(try file.contents(of: "folder/empty.txt"), [])
        XCTAssertEqual(try file.contents(of: "folder/lines.txt"), Array(lines.utf8))
        XCTAssertEqual(try file.contents(of: "folder/grüße.txt"), Array("Grüße, 世界\n".utf8))
        XCTAssertEqual(try file.contents(of: "stored.bin"), Array(0...255))
        // Sizes behind the data.
        let streamed = try ZipFile(path: Fixtures.path("streamed.zip"))
        XCTAssertEqual(try streamed.contents(of: "lines.txt"), Array(lines.utf8))
    }

    func testPiecesAreTheContents() throws {
        let file = try ZipFile(path: Fixtures.path("mixed.zip"))
        for name in file.names {
            let contents = try file.contents(of: name)
            XCTAssertEqual(file.size(of: name), contents.count)
            for size in [1, 7, 18889, 18890, 1 << 20] {
                var pieces: [[UInt8]] = []
                try file.forEachPiece(of: name, pieceSize: size) { pieces.append(Array($0)) }
                XCTAssertEqual(pieces.flatMap { $0 }, contents)
                XCTAssertTrue(pieces.dropLast().allSatisfy { $0.count == size })
                XCTAssertEqual(pieces.count, (contents.count + size - 1) / size)
            }
        }
        XCTAssertNil(file.size(of: "other"))
        assertFails(.model, #"mixed.zip: the zip archive has no member "other""#) {
            try file.forEachPiece(of: "other") { _ in }
        }
        assertFails(.invalidArgument, "pieceSize is 0") {
            try file.forEachPiece(of: "stored.bin", pieceSize: 0) { _ in }
        }
        assertFails(.unsupported, "has the method 12; expected 0 or 8 (deflate)") {
            try ZipFile(path: Fixtures.path("bzip2.zip")).forEachPiece(of: "lines.txt") { _ in }
        }
        assertFails(.cancelled, "stopped") {
            try file.forEachPiece(of: "stored.bin") { _ throws(DamaError) in throw .cancelled }
        }
    }

    func testWhatCannotBeReadIsNamed() throws {
        let file = try ZipFile(path: Fixtures.path("mixed.zip"))
        assertFails(.model, #"mixed.zip: the zip archive has no member "other""#) { _ = try file.contents(of: "other") }
        // Names are bytes: this one has the umlaut in two code points.
        assertFails(.model, "has no member") { _ = try file.contents(of: "folder/gru\u{308}ße.txt") }
        assertFails(.outOfMemory, "has 18890 bytes; the limit is 18889") {
            _ = try file.contents(of: "folder/lines.txt", limit: 18889)
        }
        assertFails(.unsupported, "has the method 12; expected 0 or 8 (deflate)") {
            _ = try ZipFile(path: Fixtures.path("bzip2.zip")).contents(of: "lines.txt")
        }
        assertFails(.model, "make_archives.py: the file is not a zip archive") {
            _ = try ZipFile(path: Fixtures.path("make_archives.py"))
        }
    }

    /// Every file that is cut, or that has one other byte, gives the same data or an error.
    func testDamagedFilesAreErrors() throws {
        let bytes = try Files.read(Fixtures.path("mixed.zip"))
        func data(_ bytes: some Sequence<UInt8>) throws -> [[UInt8]] {
            try Array(bytes).withUnsafeBytes { bytes throws in
                let directory = try ZipDirectory(bytes)
                return try directory.names.map { name in
                    try ZipFile.data(of: XCTUnwrap(directory[name]), in: bytes, limit: 1 << 20)
                }
            }
        }
        let expected = try data(bytes)
        for end in stride(from: 0, to: bytes.count, by: 13) {
            XCTAssertThrowsError(try data(bytes[..<end]), "cut at \(end)")
        }
        var refused = 0
        for position in bytes.indices {
            for value: UInt8 in [0, 0x7F, 0xFF] where bytes[position] != value {
                var changed = bytes
                changed[position] = value
                // A changed name, date or attribute leaves the data.
                if let found = try? data(changed) {
                    XCTAssertEqual(found, expected, "byte \(position) is \(value)")
                } else {
                    refused += 1
                }
            }
        }
        XCTAssertGreaterThan(refused, bytes.count)
    }
}
