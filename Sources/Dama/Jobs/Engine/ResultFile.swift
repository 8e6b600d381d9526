import DamaSupport
import Glibc

/// A file of results: written in the job's folder, flushed to the disk, and renamed into its place once it is whole.
struct ResultFile: ~Copyable {
    private let path: String
    private let destination: String
    private let descriptor: Int32
    private var buffer: [UInt8] = []
    private var hash = SHA256()
    private(set) var byteCount = 0

    init(_ name: String, in folder: borrowing JobFolder, for destination: String) throws(DamaError) {
        path = folder.file(name)
        self.destination = destination
        descriptor = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o666)
        guard descriptor >= 0 else { throw .io("cannot create \(path): \(describeErrno())") }
    }

    deinit { close(descriptor) }

    mutating func append(_ bytes: [UInt8]) throws(DamaError) {
        buffer += bytes
        if buffer.count >= 256 << 10 { try flush() }
    }

    /// Puts the file into its place. The digest and the size say later whether it is still what was written.
    consuming func finish() throws(DamaError) -> JSON {
        try flush()
        guard fsync(descriptor) == 0 else { throw .io("cannot write \(path): \(describeErrno())") }
        guard rename(path, destination) == 0 else {
            throw .io("cannot rename \(path) to \(destination): \(describeErrno())")
        }
        return ["bytes": .int(Int64(byteCount)), "sha256": .string(hash.hexDigest)]
    }

    private mutating func flush() throws(DamaError) {
        try writeFully(buffer, to: descriptor, at: byteCount, path)
        hash.update(buffer)
        byteCount += buffer.count
        buffer.removeAll(keepingCapacity: true)
    }

    /// Whether the file at `path` is the one that ``finish()`` described.
    static func isUnchanged(_ path: String, _ description: JSON?) -> Bool {
        guard let description, let file = try? MappedFile(path: path) else { return false }
        guard description["bytes"]?.int == file.bytes.count else { return false }
        var hash = SHA256()
        hash.update(file.bytes)
        return description["sha256"]?.string == hash.hexDigest
    }
}
