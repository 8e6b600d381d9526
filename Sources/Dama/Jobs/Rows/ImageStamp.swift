import DamaSupport
import Glibc

/// What an image file was when a row was computed from it, so that a job that is taken up again finds out where it has
/// changed since.
struct ImageStamp: Equatable, Sendable {
    /// As the row has it.
    var path: String
    /// Of the contents; `nil` where the file could not be read, and the row was left out for it.
    var digest: ContentKey?
    /// Size, times of the last changes, and the file's number: where all are the same, so are the contents.
    private var version: [Int64] = []

    /// A file that is not there, or that cannot be read.
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
