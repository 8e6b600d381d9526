import CDamaShims
import DamaSupport

/// The data of a member of a zip archive, piece by piece. The archive is read, not mapped: memory is that of two
/// pieces.
package final class ZipMemberBytes: ByteSource {
    private let member: ZipDirectory.Member
    private let file: OpenFile
    /// `nil` for a member that is stored.
    private let inflater: OpaquePointer?
    private var checksum = CRC32()
    /// Stored bytes that were read, those of them that were used, and bytes of data that were returned.
    private var (stored, position): ([UInt8], Int) = ([], 0)
    private var (offset, count) = (0, 0)
    private var hasEnded = false

    private static let pieceSize = 1 << 18

    init(_ member: ZipDirectory.Member, path: String) throws(DamaError) {
        self.member = member
        file = try OpenFile(reading: path)
        offset = member.range.lowerBound
        switch member.method {
        case 0: inflater = nil
        case 8:
            inflater = cdama_inflate_stream_create()
            guard inflater != nil else { throw .outOfMemory("no memory to read \(path)") }
        default: throw ZipFile.unsupported(member)
        }
    }

    deinit { cdama_inflate_stream_free(inflater) }

    /// - Throws: ``DamaError/Code/model`` if the data is damaged or, at its end, does not have the size and the
    ///   checksum that the archive states. The message names the file.
    package func next() throws(DamaError) -> [UInt8] {
        if hasEnded { return [] }
        do throws(DamaError) {
            let piece = inflater == nil ? try storedPiece() : try inflatedPiece()
            guard piece.isEmpty else {
                count += piece.count
                guard count <= member.size else { throw damaged("has more bytes than the archive states") }
                piece.withUnsafeBytes { checksum.update($0) }
                return piece
            }
            hasEnded = true
            guard count == member.size, checksum.value == member.checksum else {
                throw damaged("does not have the size and the checksum that the archive states")
            }
            return []
        } catch {
            throw ZipFile.named(file.path, error)
        }
    }

    private func storedPiece() throws(DamaError) -> [UInt8] {
        let piece = try file.read(min(Self.pieceSize, member.range.upperBound - offset), at: offset)
        offset += piece.count
        return piece
    }

    private func inflatedPiece() throws(DamaError) -> [UInt8] {
        while !hasEnded {
            if position == stored.count {
                stored = try storedPiece()
                position = 0
            }
            var (used, ended): (Int, Int32) = (0, 0)
            let piece = [UInt8](unsafeUninitializedCapacity: Self.pieceSize) { target, written in
                stored.withUnsafeBytes { source in
                    let rest = UnsafeRawBufferPointer(rebasing: source[position...])
                    written = cdama_inflate_stream_next(
                        inflater, rest.baseAddress, rest.count, &used, target.baseAddress, Self.pieceSize, &ended)
                }
            }
            position += used
            // Neither bytes read nor bytes written: the data is cut.
            guard ended >= 0, ended == 1 || used > 0 || !piece.isEmpty else { throw damaged("is damaged") }
            if ended == 1, piece.isEmpty { return [] }
            if !piece.isEmpty { return piece }
        }
        return []
    }

    private func damaged(_ what: String) -> DamaError {
        .model("the member \(quoted(member.name)) of the zip archive \(what)")
    }
}
