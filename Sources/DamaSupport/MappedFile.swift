import Glibc

/// A file mapped into memory, read-only. The mapping lives as long as the object.
///
/// Weights are used in place: nothing is copied, and the pages of a model that is mapped twice are shared. If another
/// process truncates the file while it is mapped, this process ends (SIGBUS), as with every mapped file.
public final class MappedFile: @unchecked Sendable {
    public let path: String
    public let bytes: UnsafeRawBufferPointer
    public let identity: Identity

    /// Equal for two mappings of the same contents, whatever their paths.
    public struct Identity: Hashable, Sendable {
        private let numbers: [Int]

        init(_ status: stat) {
            numbers = [
                Int(truncatingIfNeeded: status.st_dev), Int(truncatingIfNeeded: status.st_ino), Int(status.st_size),
                status.st_mtim.tv_sec, status.st_mtim.tv_nsec,
            ]
        }
    }

    /// - Throws: ``DamaError/Code/io`` if the path is not a readable regular file.
    public init(path: String) throws(DamaError) {
        self.path = path
        let file = try OpenFile(reading: path)
        var status = stat()
        guard fstat(file.descriptor, &status) == 0 else { throw .io("cannot read \(path): \(describeErrno())") }
        identity = Identity(status)
        let size = Int(status.st_size)
        guard size > 0 else {
            bytes = UnsafeRawBufferPointer(start: nil, count: 0)
            return
        }
        guard let address = mmap(nil, size, PROT_READ, MAP_PRIVATE, file.descriptor, 0), address != MAP_FAILED else {
            throw .io("cannot map \(path) (\(size) bytes): \(describeErrno())")
        }
        bytes = UnsafeRawBufferPointer(start: address, count: size)
    }

    /// Whether the file at the path is still the mapped one, unchanged.
    public var isCurrent: Bool {
        var status = stat()
        return stat(path, &status) == 0 && Identity(status) == identity
    }

    deinit {
        if let address = bytes.baseAddress { munmap(UnsafeMutableRawPointer(mutating: address), bytes.count) }
    }
}

/// The text of the calling thread's `errno`.
package func describeErrno() -> String {
    var buffer = [CChar](repeating: 0, count: 256)
    let code = errno
    guard strerror_r(code, &buffer, buffer.count) == 0 else { return "error \(code)" }
    return buffer.withUnsafeBufferPointer { String(cString: $0.baseAddress!) }
}
