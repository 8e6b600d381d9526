import DamaSupport

/// The data of a member of a zip archive as a source of bytes, for readers that ask for the next piece.
package final class ZipMemberBytes: ByteSource {
    private let archive: MappedFile
    private var stream: ZipStream
    private var hasEnded = false

    init(_ member: ZipDirectory.Member, in archive: MappedFile) throws(DamaError) {
        self.archive = archive
        stream = try ZipStream(member, in: archive.bytes, pieceSize: 1 << 18)
    }

    /// - Throws: ``DamaError/Code/model`` if the data is damaged or, at its end, does not have the size and the
    ///   checksum that the archive states. The message names the file.
    package func next() throws(DamaError) -> [UInt8] {
        do throws(DamaError) {
            var piece: [UInt8] = []
            while piece.isEmpty, !hasEnded {
                hasEnded = try !stream.next { bytes in piece = Array(bytes) }
            }
            return piece
        } catch {
            throw ZipFile.named(archive.path, error)
        }
    }
}
