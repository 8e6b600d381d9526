import DamaArchive
import DamaSupport
import DamaTestSupport
import XCTest

final class ZipMemberBytesTests: XCTestCase {
    private func all(_ source: some ByteSource) throws -> [UInt8] {
        var bytes: [UInt8] = []
        while case let piece = try source.next(), !piece.isEmpty { bytes += piece }
        XCTAssertEqual(try source.next(), [], "after the end")
        return bytes
    }

    func testPiecesAreTheContents() throws {
        for name in ["mixed.zip", "streamed.zip"] {
            let file = try ZipFile(path: Fixtures.path(name))
            for member in file.names {
                XCTAssertEqual(try all(file.bytes(of: member)), try file.contents(of: member), member)
            }
        }
        assertFails(.unsupported, "bzip2.zip: the member \"lines.txt\" of the zip archive has the method 12") {
            _ = try ZipFile(path: Fixtures.path("bzip2.zip")).bytes(of: "lines.txt")
        }
        assertFails(.model, #"has no member "other""#) {
            _ = try ZipFile(path: Fixtures.path("mixed.zip")).bytes(of: "other")
        }
    }

    /// Whatever byte is changed, the pieces are the data or an error.
    func testDamagedDataIsAnError() throws {
        let bytes = try Files.read(Fixtures.path("streamed.zip"))
        let expected = try ZipFile(path: Fixtures.path("streamed.zip")).contents(of: "lines.txt")
        let folder = try TemporaryDirectory(isInMemory: true)
        var refused = 0
        for position in stride(from: 0, to: bytes.count, by: 3) {
            var changed = bytes
            changed[position] ^= 0x55
            let path = try folder.write(changed, to: "changed.zip")
            guard let stream = try? ZipFile(path: path).bytes(of: "lines.txt"), let data = try? all(stream) else {
                refused += 1
                continue
            }
            XCTAssertEqual(data, expected, "byte \(position)")
        }
        XCTAssertGreaterThan(refused, bytes.count / 4)
    }
}
