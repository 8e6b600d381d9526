import CDamaShims
import DamaSupport

/// A zip archive, mapped into memory. Members are read one by one, stored or compressed with deflate.
///
/// ```swift
/// let archive = try ZipFile(path: "punkt_tab.zip")
/// let table = try archive.contents(of: "punkt_tab/english/abbrev_types.txt")
/// ```
public struct ZipFile: Sendable {
    public let path: String
    private let file: MappedFile
    private let directory: ZipDirectory

    /// - Throws: ``DamaError/Code/io`` if the file cannot be read; ``DamaError/Code/model`` if it is no zip archive or
    ///   a damaged one; ``DamaError/Code/unsupported`` if a member is encrypted. The message names the file.
    public init(path: String) throws(DamaError) {
        self.path = path
        file = try MappedFile(path: path)
        do throws(DamaError) {
            guard ZipDirectory.begins(file.bytes) else { throw .model("the file is not a zip archive") }
            directory = try ZipDirectory(file.bytes)
        } catch {
            throw Self.named(path, error)
        }
    }

    /// The names of all members in the order of the archive, folders included.
    public var names: [String] { directory.names }

    /// The data of a member.
    ///
    /// - Parameter limit: Larger members are not read.
    /// - Throws: ``DamaError/Code/model`` if there is no such member, or if its data does not have the size and the
    ///   checksum that the archive states; ``DamaError/Code/unsupported`` for other methods than stored and deflate;
    ///   ``DamaError/Code/outOfMemory`` above the limit. The message names the file.
    public func contents(of name: String, limit: Int = 1 << 31) throws(DamaError) -> [UInt8] {
        do throws(DamaError) {
            guard let member = directory[name] else {
                throw .model("the zip archive has no member \(quoted(name))")
            }
            return try Self.data(of: member, in: file.bytes, limit: limit)
        } catch {
            throw Self.named(path, error)
        }
    }

    /// The number of bytes of a member's data, as the archive states it; `nil` if there is no such member.
    public func size(of name: String) -> Int? { directory[name]?.size }

    /// Passes the data of a member to `body` in pieces of `pieceSize` bytes, the last one of fewer. The data need not
    /// fit into memory. A member without data has no piece.
    ///
    /// - Throws: What ``contents(of:limit:)`` throws, after pieces that were right so far.
    public func forEachPiece(
        of name: String, pieceSize: Int = 1 << 20, _ body: (UnsafeRawBufferPointer) throws(DamaError) -> Void
    ) throws(DamaError) {
        do throws(DamaError) {
            guard let member = directory[name] else { throw .model("the zip archive has no member \(quoted(name))") }
            var stream = try ZipStream(member, in: file.bytes, pieceSize: pieceSize)
            while try stream.next(body) {}
        } catch {
            throw Self.named(path, error)
        }
    }

    /// The data of a member as a source of bytes, which checks size and checksum at its end.
    ///
    /// - Throws: What ``contents(of:limit:)`` throws for the archive's directory.
    package func bytes(of name: String) throws(DamaError) -> ZipMemberBytes {
        do throws(DamaError) {
            guard let member = directory[name] else { throw .model("the zip archive has no member \(quoted(name))") }
            return try ZipMemberBytes(member, in: file)
        } catch {
            throw Self.named(path, error)
        }
    }

    static func named(_ path: String, _ error: DamaError) -> DamaError {
        DamaError(error.code, "\(path): \(error.message)")
    }

    /// The data of a member of the archive whose bytes are `file`.
    package static func data(
        of member: ZipDirectory.Member, in file: UnsafeRawBufferPointer, limit: Int
    ) throws(DamaError) -> [UInt8] {
        let name = quoted(member.name)
        guard member.size <= limit else {
            throw .outOfMemory("the member \(name) of the zip archive has \(member.size) bytes; the limit is \(limit)")
        }
        let stored = UnsafeRawBufferPointer(rebasing: file[member.range])
        let data: [UInt8]
        switch member.method {
        case 0: data = Array(stored)
        case 8: data = try inflated(stored, member)
        default: throw unknownMethod(member)
        }
        guard CRC32.of(data) == member.checksum else { throw wrongChecksum(member) }
        return data
    }

    static func unknownMethod(_ member: ZipDirectory.Member) -> DamaError {
        .unsupported(
            "the member \(quoted(member.name)) of the zip archive has the method \(member.method); expected 0 or 8 "
                + "(deflate)")
    }

    static func wrongChecksum(_ member: ZipDirectory.Member) -> DamaError {
        .model(
            "the member \(quoted(member.name)) of the zip archive does not have the checksum that the archive states")
    }

    private static func inflated(
        _ stored: UnsafeRawBufferPointer, _ member: ZipDirectory.Member
    ) throws(DamaError) -> [UInt8] {
        // Deflate makes at most 1032 bytes of one. A larger size is a false one, not worth the memory.
        guard member.size / 1032 <= stored.count else {
            throw .model("the member \(quoted(member.name)) of the zip archive cannot have \(member.size) bytes")
        }
        try Allocation.check(member.size + 1, for: "the member \(member.name)")
        var ended: Int32 = 0
        // One byte more than the data needs: it shows a longer stream, and lets inflate see the end.
        let data = [UInt8](unsafeUninitializedCapacity: member.size + 1) { buffer, count in
            count = cdama_inflate_raw(
                stored.baseAddress, stored.count, buffer.baseAddress, member.size + 1, &ended)
        }
        guard ended == 1, data.count == member.size else {
            throw .model("the member \(quoted(member.name)) of the zip archive is damaged")
        }
        return data
    }
}
