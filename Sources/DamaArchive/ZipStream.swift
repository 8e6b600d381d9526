import CDamaShims
import DamaSupport

/// The data of a member of a zip archive, piece by piece.
struct ZipStream {
    private let member: ZipDirectory.Member
    private let stored: UnsafeRawBufferPointer
    /// `nil` if the stored bytes are the data.
    private let inflater: Inflater?
    private var piece: [UInt8]
    private var count = 0
    private var checksum = CRC32()

    /// - Parameter file: The archive's bytes; must outlive the stream.
    init(
        _ member: ZipDirectory.Member, in file: UnsafeRawBufferPointer, pieceSize: Int
    ) throws(DamaError) {
        stored = UnsafeRawBufferPointer(rebasing: file[member.range])
        self.member = member
        guard pieceSize > 0 else { throw .invalidArgument("pieceSize is \(pieceSize); expected 1 or more") }
        guard member.method == 0 || member.method == 8 else { throw ZipFile.unknownMethod(member) }
        try Allocation.check(pieceSize, for: "a piece of the member \(member.name)")
        piece = Array(repeating: 0, count: pieceSize)
        if member.method == 8 {
            guard let made = Inflater(stored) else {
                throw .outOfMemory("cannot decompress the member \(quoted(member.name))")
            }
            inflater = made
        } else {
            inflater = nil
        }
    }

    /// Passes the next piece to `body`; false if there is none left and all bytes were those that the archive states.
    mutating func next(_ body: (UnsafeRawBufferPointer) throws(DamaError) -> Void) throws(DamaError) -> Bool {
        var (found, ended) = (0, false)
        if let inflater {
            guard let result = piece.withUnsafeMutableBytes({ inflater.read(into: $0) }) else { throw damaged }
            (found, ended) = result
        } else {
            found = min(piece.count, stored.count - count)
            let part = UnsafeRawBufferPointer(rebasing: stored[count..<count + found])
            piece.withUnsafeMutableBytes { $0.copyMemory(from: part) }
            ended = count + found == stored.count
        }
        guard found <= member.size - count else { throw damaged }
        count += found
        if found > 0 {
            try passOn(found, body)
        }
        guard ended else { return true }
        guard count == member.size else { throw damaged }
        guard checksum.value == member.checksum else { throw ZipFile.wrongChecksum(member) }
        return false
    }

    private mutating func passOn(
        _ count: Int, _ body: (UnsafeRawBufferPointer) throws(DamaError) -> Void
    ) throws(DamaError) {
        var (checksum, failure): (CRC32, DamaError?) = (self.checksum, nil)
        piece.withUnsafeBytes { bytes in
            let part = UnsafeRawBufferPointer(rebasing: bytes[..<count])
            checksum.update(part)
            do throws(DamaError) { try body(part) } catch { failure = error }
        }
        self.checksum = checksum
        if let failure { throw failure }
    }

    private var damaged: DamaError {
        .model("the member \(quoted(member.name)) of the zip archive is damaged")
    }
}

/// zlib's state between pieces.
private final class Inflater {
    private let handle: OpaquePointer

    /// - Parameter stored: The compressed bytes, which must outlive the object.
    init?(_ stored: UnsafeRawBufferPointer) {
        guard let handle = cdama_inflater_create_raw(stored.baseAddress, stored.count) else { return nil }
        self.handle = handle
    }

    deinit { cdama_inflater_free(handle) }

    /// The number of the next bytes, and whether they are the last; `nil` if the input is damaged or cut.
    func read(into buffer: UnsafeMutableRawBufferPointer) -> (count: Int, ended: Bool)? {
        var state: Int32 = 0
        let count = cdama_inflater_read(handle, buffer.baseAddress, buffer.count, &state)
        return state < 0 || count < buffer.count && state == 0 ? nil : (count, state == 1)
    }
}
