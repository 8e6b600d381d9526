import DamaSupport
import Glibc

/// Reading of image files that others write: into memory, since a mapped file that is cut short while it is decoded ends
/// the process, and only regular ones, since a pipe would wait for ever.
package enum ImageFile {
    /// The most bytes of a file that is named by the caller.
    static let limit = 1 << 30

    package static func read(_ path: String) throws(DamaError) -> [UInt8] {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY)
        guard descriptor >= 0 else { throw .io("cannot open \(path): \(describeErrno())") }
        defer { close(descriptor) }
        var status = stat()
        guard fstat(descriptor, &status) == 0 else { throw .io("cannot read \(path): \(describeErrno())") }
        guard status.st_mode & S_IFMT == S_IFREG else { throw .io("\(path) is not a regular file") }
        guard status.st_size <= limit else {
            throw .outOfMemory("\(path) has \(status.st_size) bytes; the limit for an image file is \(limit)")
        }
        guard let bytes = contents(of: descriptor, size: Int(status.st_size)) else {
            throw .io("cannot read \(path): \(describeErrno())")
        }
        return bytes
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
