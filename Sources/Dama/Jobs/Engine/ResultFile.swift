import DamaSupport

/// A file of results, written in the job's folder; ``ResultFolder/place(_:)`` renames it to its final path once it is
/// complete.
struct ResultFile: ~Copyable {
    private let file: OpenFile
    private var buffer: [UInt8] = []
    private var hash = SHA256()
    private var byteCount = 0

    init(_ name: String, in folder: borrowing ResultFolder) throws(DamaError) {
        let path = folder.file(name)
        // An earlier run may have left it.
        Files.remove(path)
        file = try OpenFile(creating: path)
    }

    mutating func append(_ bytes: [UInt8]) throws(DamaError) {
        buffer += bytes
        if buffer.count >= 256 << 10 { try flush() }
    }

    /// Completes the file and synchronises it to disk. The returned size and digest identify its contents later.
    consuming func seal() throws(DamaError) -> JSON {
        try flush()
        try file.synchronize()
        return ["bytes": .int(Int64(byteCount)), "sha256": .string(hash.hexDigest)]
    }

    private mutating func flush() throws(DamaError) {
        try file.write(buffer, at: byteCount)
        hash.update(buffer)
        byteCount += buffer.count
        buffer.removeAll(keepingCapacity: true)
    }

    /// - Parameter summary: the path of the summary that holds `description`.
    /// - Throws: ``DamaError/Code/invalidArgument`` unless the file at `path` is the one that ``seal()`` described.
    static func requireUnchanged(
        _ path: String, _ description: JSON?, summary: String
    ) throws(DamaError) {
        guard try isUnchanged(path, description) else {
            throw .invalidArgument(
                "\(path) has changed since it was computed: it is not the file that \(summary) describes; compute it "
                    + "again")
        }
    }

    /// Whether the file at `path` exists and is the one that ``seal()`` described.
    ///
    /// - Throws: ``DamaError/Code/io`` if it cannot be read.
    static func isUnchanged(_ path: String, _ description: JSON?) throws(DamaError) -> Bool {
        guard let description, Files.isThere(path) else { return false }
        let found = try Files.digest(path)
        return description["bytes"]?.int == found.byteCount && description["sha256"]?.string == found.sha256
    }
}
