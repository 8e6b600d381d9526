import DamaSupport
import XCTest

final class ByteCodingTests: XCTestCase {
    /// Check values from the CRC-32 catalogue, and one longer text with zlib's value.
    func testChecksum() {
        XCTAssertEqual(CRC32.of("123456789".utf8), 0xCBF4_3926)
        XCTAssertEqual(CRC32.of([]), 0)
        // RFC 3720, appendix B.4, and the catalogue's check value.
        XCTAssertEqual(CRC32.of("123456789".utf8, .castagnoli), 0xE306_9283)
        XCTAssertEqual(CRC32.of([UInt8](repeating: 0, count: 32), .castagnoli), 0x8A91_36AA)
        XCTAssertEqual(CRC32.of([UInt8](repeating: 0xFF, count: 32), .castagnoli), 0x62A8_AB43)
        XCTAssertEqual(CRC32.of("The quick brown fox jumps over the lazy dog".utf8), 0x414F_A339)
    }

    func testChecksumInParts() {
        let bytes = (0..<1000).map { UInt8(truncatingIfNeeded: $0 * 31) }
        var checksum = CRC32()
        bytes[..<7].withUnsafeBytes { checksum.update($0) }
        bytes[7..<613].withUnsafeBytes { checksum.update($0) }
        bytes[613...].withUnsafeBytes { checksum.update($0) }
        XCTAssertEqual(checksum.value, CRC32.of(bytes))
    }

    func testRoundTrip() throws {
        var writer = ByteWriter()
        writer.append(UInt32(0xDEAD_BEEF))
        writer.append(Int64(-5))
        writer.append(-0.0)
        writer.append(Double(bitPattern: 0x7FF8_0000_0000_0042))
        writer.append([1, 2, 3] as [UInt8])
        let bytes = writer.checksummed()
        XCTAssertEqual(Array(bytes[..<4]), [0xEF, 0xBE, 0xAD, 0xDE])

        var reader = try ByteReader(checksummed: bytes, name: "record")
        XCTAssertEqual(try reader.read(UInt32.self), 0xDEAD_BEEF)
        XCTAssertEqual(try reader.read(Int64.self), -5)
        XCTAssertEqual(try reader.readDouble().bitPattern, (-0.0).bitPattern)
        XCTAssertEqual(try reader.readDouble().bitPattern, 0x7FF8_0000_0000_0042)
        XCTAssertEqual(try reader.readBytes(3), [1, 2, 3])
        XCTAssertEqual(reader.remaining, 0)
        XCTAssertThrowsError(try reader.read(UInt8.self)) { XCTAssertTrue("\($0)".contains("record is cut short")) }
        XCTAssertThrowsError(try reader.readBytes(-1))
    }

    func testDamageIsFound() throws {
        var writer = ByteWriter()
        writer.append(UInt64(1))
        let bytes = writer.checksummed()
        for index in bytes.indices {
            var damaged = bytes
            damaged[index] ^= 1
            XCTAssertThrowsError(try ByteReader(checksummed: damaged, name: "record"))
        }
        XCTAssertThrowsError(try ByteReader(checksummed: [1, 2, 3], name: "record"))
        XCTAssertThrowsError(try ByteReader(checksummed: Array(bytes.dropLast()), name: "record"))
    }
}
