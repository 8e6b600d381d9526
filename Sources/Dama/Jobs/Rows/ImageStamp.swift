import DamaSupport
import Glibc

/// The state of an image file when a row was computed from it. A resumed job detects by it whether the file has
/// changed.
struct ImageStamp: Equatable, Sendable {
    /// The path as the row gives it.
    var path: String
    /// The digest of the contents; `nil` if the file could not be read and its row was rejected.
    var digest: ContentKey?
    /// Size, times of the last changes, and inode number: if all are equal, the contents are taken to be equal.
    private var version: [Int64] = []

    /// The stamp of a file that does not exist or cannot be read.
    static func unread(_ path: String) -> ImageStamp { ImageStamp(path: path) }

    private init(path: String) { self.path = path }

    init(path: String, digest: ContentKey, _ status: stat) {
        self.path = path
        self.digest = digest
        version = Self.version(status)
    }

    func isOf(_ status: stat) -> Bool { version == Self.version(status) }

    private static func version(_ status: stat) -> [Int64] {
        [
            Int64(status.st_size), Int64(status.st_mtim.tv_sec), Int64(status.st_mtim.tv_nsec),
            Int64(status.st_ctim.tv_sec), Int64(status.st_ctim.tv_nsec), Int64(truncatingIfNeeded: status.st_ino),
        ]
    }

    func append(to writer: inout ByteWriter) {
        let bytes = Array(path.utf8)
        writer.append(UInt32(truncatingIfNeeded: bytes.count))
        writer.append(bytes)
        writer.append(UInt8(digest == nil ? 0 : 1))
        guard let digest else { return }
        digest.append(to: &writer)
        for number in version { writer.append(number) }
    }

    /// Reads what ``append(to:)`` wrote.
    init(_ reader: inout ByteReader) throws(DamaError) {
        path = String(decoding: try reader.readBytes(Int(try reader.read(UInt32.self))), as: UTF8.self)
        guard try reader.read(UInt8.self) == 1 else { return }
        digest = try ContentKey(&reader)
        for _ in 0..<6 { version.append(try reader.read(Int64.self)) }
    }
}
