import DamaSupport
import DamaTestSupport
import Dispatch
import Glibc
import XCTest

@testable import DamaImage

final class ImageFileTests: XCTestCase {
    // A pipe given as an image used to block for ever.
    func testOnlyRegularFilesAreOpenedAndNothingIsWaitedFor() throws {
        let folder = try TemporaryDirectory()
        let pipe = folder.path + "/pipe"
        XCTAssertEqual(mkfifo(pipe, 0o600), 0)
        for path in [pipe, folder.path, "/dev/zero"] {
            assertFails(.io, "\(path) is not a regular file") { _ = try ImageDecoder.decode(path: path) }
        }
    }

    // Truncating a file during decoding used to end the process, because the decoder mapped it.
    func testAFileThatIsCutWhileItIsReadIsAnErrorOrAPicture() throws {
        let folder = try TemporaryDirectory()
        let bytes = try Files.read(Fixtures.path("decode") + "/png_filtered.png")
        let path = folder.path + "/image.png"
        let padded = bytes + [UInt8](repeating: 0, count: 1 << 20)
        try Files.writeAtomically(padded, to: path)
        let group = DispatchGroup()
        DispatchQueue.global().async(group: group) {
            for _ in 0..<300 {
                truncate(path, 100)
                usleep(200)
                try? Files.writeAtomically(padded, to: path)
            }
        }
        var pictures = 0
        while group.wait(timeout: .now()) == .timedOut {
            if (try? ImageDecoder.decode(path: path)) != nil { pictures += 1 }
        }
        XCTAssertGreaterThan(pictures, 0)
    }

    // A file of 300 kB with 10^8 rows of one pixel used to take 12 s. Now its header is enough to reject it.
    func testSidesAreLimited() throws {
        var header = Array("IHDR".utf8)
        for side: UInt32 in [1, 100_000_000] { withUnsafeBytes(of: side.bigEndian) { header += Array($0) } }
        header += [8, 2, 0, 0, 0]
        func number(_ value: UInt32) -> [UInt8] { withUnsafeBytes(of: value.bigEndian) { Array($0) } }
        let png =
            [0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A, 0, 0, 0, 13] + header + number(CRC32.of(header))
            + [0, 0, 0, 0] + Array("IDAT".utf8) + number(CRC32.of("IDAT".utf8))
        assertFails(.outOfMemory, "1 × 100000000 pixels is larger than the limit of 1048576 a side") {
            _ = try ImageDecoder.decode(png)
        }
    }
}
