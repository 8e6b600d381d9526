/// Bytes that come piece by piece, for data that is too large to be held.
package protocol ByteSource: AnyObject {
    /// The next bytes; empty at the end, and from then on.
    func next() throws(DamaError) -> [UInt8]
}

/// The bytes of a file from its start.
package final class FileBytes: ByteSource {
    private let file: OpenFile
    private let pieceSize: Int
    private var offset = 0

    /// - Throws: ``DamaError/Code/io`` if the path is not a readable regular file.
    package init(path: String, pieceSize: Int = 1 << 18) throws(DamaError) {
        file = try OpenFile(reading: path)
        self.pieceSize = max(1, pieceSize)
    }

    package func next() throws(DamaError) -> [UInt8] {
        let piece = try file.read(pieceSize, at: offset)
        offset += piece.count
        return piece
    }
}

/// Bytes in memory.
package final class MemoryBytes: ByteSource {
    private var rest: ArraySlice<UInt8>
    private let pieceSize: Int

    package init(_ bytes: [UInt8], pieceSize: Int = 1 << 18) {
        rest = bytes[...]
        self.pieceSize = max(1, pieceSize)
    }

    package func next() -> [UInt8] {
        defer { rest = rest.dropFirst(pieceSize) }
        return Array(rest.prefix(pieceSize))
    }
}
