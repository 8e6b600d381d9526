import DamaSupport

/// The members of a zip archive. Their data is not read.
///
/// Source: PKWARE's APPNOTE.TXT 6.3, sections 4.3 and 4.5.3 (zip64).
package struct ZipDirectory: Sendable {
    /// In the order of the directory; each name once.
    package let names: [String]
    private let members: [ExactText: Member]

    /// Where and how the data of a member stands in the file.
    package struct Member: Sendable {
        package let name: String
        /// The stored bytes, which lie within the file.
        package let range: Range<Int>
        /// The number of bytes of the data.
        package let size: Int
        /// The CRC-32 of the data.
        let checksum: UInt32
        let method: UInt16

        /// Whether the stored bytes are the data.
        package var isStored: Bool { method == 0 }
        /// How the data is compressed, for messages.
        package var methodName: String { isStored ? "stored" : "compressed (method \(method))" }
    }

    /// The member of that name, compared by bytes.
    package subscript(name: String) -> Member? { members[ExactText(name)] }

    private static let endSignature: UInt32 = 0x0605_4B50
    private static let end64Signature: UInt32 = 0x0606_4B50
    private static let locator64Signature: UInt32 = 0x0706_4B50
    private static let entrySignature: UInt32 = 0x0201_4B50
    private static let memberSignature: UInt32 = 0x0403_4B50

    /// Whether `file` begins like a zip archive with members.
    package static func begins(_ file: UnsafeRawBufferPointer) -> Bool {
        file.count >= 4 && file.loadUnaligned(as: UInt32.self).littleEndian == memberSignature
    }

    /// - Throws: ``DamaError/Code/model`` for an archive that is cut or inconsistent; ``DamaError/Code/unsupported``
    ///   for a member that is encrypted.
    package init(_ file: UnsafeRawBufferPointer) throws(DamaError) {
        let bytes = LittleEndianBytes(file)
        var (count, start, size) = try Self.directory(bytes)
        _ = try bytes.slice(start, size)
        let end = start + size
        // Each entry has 46 bytes at least.
        guard count <= file.count / 46 else {
            throw .model("the zip directory lists \(count) members, more than the file has room for")
        }
        var members = [ExactText: Member](minimumCapacity: count)
        var names: [String] = []
        names.reserveCapacity(count)
        while count > 0 {
            count -= 1
            let (member, next) = try Self.entry(bytes, at: start)
            guard members.updateValue(member, forKey: ExactText(member.name)) == nil else {
                throw .model("the zip archive has two members \(quoted(member.name))")
            }
            names.append(member.name)
            start = next
        }
        guard start == end else {
            throw .model("the zip directory ends at byte \(start), not at \(end) as the archive states")
        }
        (self.members, self.names) = (members, names)
    }

    /// The number of entries, the offset of the first one, and the bytes of all.
    private static func directory(
        _ bytes: LittleEndianBytes
    ) throws(DamaError) -> (count: Int, start: Int, size: Int) {
        // A comment of up to 65,535 bytes may follow the end record of 22 bytes.
        var end = bytes.count - 22
        let last = max(0, end - 65535)
        while end >= last, try bytes.uint32(end) != endSignature { end -= 1 }
        guard end >= last, end >= 0 else {
            throw .model("the zip archive has no directory at its end; is the file truncated?")
        }
        let locator = end - 20
        if locator >= 0, try bytes.uint32(locator) == locator64Signature {
            let place = try bytes.size(locator + 8)
            guard try bytes.uint32(place) == end64Signature else {
                throw .model("the zip archive's directory record is damaged; is the file truncated?")
            }
            return (try bytes.size(place + 32), try bytes.size(place + 48), try bytes.size(place + 40))
        }
        return (
            Int(try bytes.uint16(end + 10)), Int(try bytes.uint32(end + 16)), Int(try bytes.uint32(end + 12))
        )
    }

    private static func entry(
        _ bytes: LittleEndianBytes, at start: Int
    ) throws(DamaError) -> (member: Member, next: Int) {
        guard try bytes.uint32(start) == entrySignature else {
            throw .model("the zip archive's directory is damaged at byte \(start)")
        }
        let flags = try bytes.uint16(start + 8)
        let method = try bytes.uint16(start + 10)
        var size = Int(try bytes.uint32(start + 24))
        let nameLength = Int(try bytes.uint16(start + 28))
        let extraLength = Int(try bytes.uint16(start + 30))
        let commentLength = Int(try bytes.uint16(start + 32))
        var place = Int(try bytes.uint32(start + 42))
        let nameBytes = try bytes.slice(start + 46, nameLength)
        guard let name = String(validating: nameBytes, as: UTF8.self) else {
            throw .model("the zip archive has a member whose name is not UTF-8")
        }
        guard flags & 1 == 0 else { throw .unsupported("the member \(quoted(name)) of the zip archive is encrypted") }
        // Sizes and offsets of 2³² − 1 stand in the zip64 field instead, in this order: size, stored size, offset.
        var storedSize = Int(try bytes.uint32(start + 20))
        var field = start + 46 + nameLength
        let extraEnd = field + extraLength
        while field + 4 <= extraEnd {
            let (id, length) = (try bytes.uint16(field), Int(try bytes.uint16(field + 2)))
            if id == 1 {
                var position = field + 4
                if size == 0xFFFF_FFFF {
                    size = try bytes.count64(position)
                    position += 8
                }
                if storedSize == 0xFFFF_FFFF {
                    storedSize = try bytes.size(position)
                    position += 8
                }
                if place == 0xFFFF_FFFF { place = try bytes.size(position) }
            }
            field += 4 + length
        }
        guard try bytes.uint32(place) == memberSignature else {
            throw .model("the member \(quoted(name)) of the zip archive does not start at byte \(place)")
        }
        let data = place + 30 + Int(try bytes.uint16(place + 26)) + Int(try bytes.uint16(place + 28))
        _ = try bytes.slice(data, storedSize)
        guard method != 0 || size == storedSize else {
            throw .model("the member \(quoted(name)) of the zip archive has two sizes: \(size) and \(storedSize) bytes")
        }
        let checksum = try bytes.uint32(start + 16)
        let member = Member(
            name: name, range: data..<data + storedSize, size: size, checksum: checksum, method: method)
        return (member, extraEnd + commentLength)
    }
}
