import DamaSupport
import Glibc

/// A dataset's file, for reading rows again by their place.
final class DatasetBytes: Sendable {
    private let path: String
    private let descriptor: Int32

    init(path: String) throws(DamaError) {
        self.path = path
        descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        guard descriptor >= 0 else { throw .io("cannot open \(path): \(describeErrno())") }
    }

    deinit { close(descriptor) }

    func read(_ offset: Int, _ size: Int) throws(DamaError) -> [UInt8] {
        let bytes = [UInt8](unsafeUninitializedCapacity: size) { buffer, count in
            while count < size, let base = buffer.baseAddress {
                let got = pread(descriptor, base + count, size - count, offset + count)
                if got < 0 && errno == EINTR { continue }
                guard got > 0 else { return }
                count += got
            }
        }
        guard bytes.count == size else { throw .io("\(path) has changed since the job began") }
        return bytes
    }
}
