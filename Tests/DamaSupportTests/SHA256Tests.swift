import DamaTestSupport
import XCTest

@testable import DamaSupport

final class SHA256Tests: XCTestCase {
    /// Every length with every implementation, whole and in uneven pieces, against Python's hashlib.
    func testEqualsHashlib() throws {
        let cases = try XCTUnwrap(Fixtures.json("sha256.json").array)
        XCTAssertGreaterThan(cases.count, 200)
        for item in cases {
            let length = try XCTUnwrap(item["length"]?.int)
            let digest = try XCTUnwrap(item["digest"]?.string)
            let bytes = (0..<length).map { UInt8($0 * 7 % 251) }
            XCTAssertEqual(SHA256.hex(of: bytes), digest, "\(length) bytes")

            var portable = SHA256(portable: true)
            portable.update(bytes)
            XCTAssertEqual(portable.hexDigest, digest, "\(length) bytes, portable")

            var pieces = SHA256()
            var start = 0
            var size = 1
            while start < length {
                let end = min(start + size, length)
                pieces.update(bytes[start..<end])
                (start, size) = (end, size % 131 + 17)
            }
            XCTAssertEqual(pieces.hexDigest, digest, "\(length) bytes in pieces")
        }
    }

    func testReadingTheDigestLeavesTheHashAsItWas() {
        var hash = SHA256()
        hash.update("ab".utf8)
        _ = hash.digest
        hash.update("c".utf8)
        // The example of FIPS 180-4.
        XCTAssertEqual(hash.hexDigest, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")
    }
}
