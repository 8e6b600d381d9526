import DamaSupport
import Glibc

/// Reading of image files that others write: into memory, since a mapped file that is cut short while it is decoded ends
/// the process, and only regular ones, since a pipe would wait for ever.
package enum ImageFile {
    /// The most bytes of a file that is named by the caller.
    static let limit = 1 << 30

    package static func read(_ path: String) throws(DamaError) -> [UInt8] {
        try Files.read(path, limit: limit)
    }

    /// At most `size` bytes: fewer where the file has become shorter. `nil`, with `errno` set, where reading fails.
    package static func contents(of descriptor: Int32, size: Int) -> [UInt8]? {
        var failed = false
        let bytes = [UInt8](unsafeUninitializedCapacity: max(0, size)) { buffer, count in
            count = 0
            while count < size, let base = buffer.baseAddress {
                let got = Glibc.read(descriptor, base + count, size - count)
                if got < 0 && errno == EINTR { continue }
                failed = got < 0
                guard got > 0 else { return }
                count += got
            }
        }
        return failed ? nil : bytes
    }
}
