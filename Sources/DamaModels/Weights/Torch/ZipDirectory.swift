import DamaSupport

/// The members of a zip archive whose data is stored without compression, as `torch.save` writes it.
///
/// Source: PKWARE's APPNOTE.TXT 6.3, sections 4.3 and 4.5.3 (zip64). The data is not read: a member is the range of its
/// bytes in the file.
struct ZipDirectory {
    /// The bytes of each member in the file, by its name.
    let members: [String: Range<Int>]

    private static let endSignature: UInt32 = 0x0605_4B50
    private static let end64Signature: UInt32 = 0x0606_4B50
    private static let locator64Signature: UInt32 = 0x0706_4B50
    private static let entrySignature: UInt32 = 0x0201_4B50
    private static let memberSignature: UInt32 = 0x0403_4B50

    /// Whether `file` begins like a zip archive with members.
    static func begins(_ file: UnsafeRawBufferPointer) -> Bool {
        file.count >= 4 && file.loadUnaligned(as: UInt32.self).littleEndian == memberSignature
    }

    /// - Throws: ``DamaError/Code/model`` for an archive that is cut or inconsistent; ``DamaError/Code/unsupported`` for
    ///   a member that is compressed or encrypted.
    init(_ file: UnsafeRawBufferPointer) throws(DamaError) {
        let bytes = LittleEndianBytes(file)
        var (count, start) = try Self.directory(bytes)
        // Each entry has 46 bytes at least.
        guard count <= file.count / 46 else {
            throw .model("the zip directory lists \(count) members, more than the file has room for")
        }
        var members = [String: Range<Int>](minimumCapacity: count)
        while count > 0 {
            count -= 1
            let (name, range, next) = try Self.entry(bytes, at: start)
            guard members.updateValue(range, forKey: name) == nil else {
                throw .model("the zip archive has two members \(quoted(name))")
            }
            start = next
        }
        self.members = members
    }

    /// The number of entries, and the offset of the first one.
    private static func directory(_ bytes: LittleEndianBytes) throws(DamaError) -> (count: Int, start: Int) {
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
            return (try bytes.size(place + 32), try bytes.size(place + 48))
        }
        return (Int(try bytes.uint16(end + 10)), Int(try bytes.uint32(end + 16)))
    }

    private static func entry(
        _ bytes: LittleEndianBytes, at start: Int
    ) throws(DamaError) -> (name: String, range: Range<Int>, next: Int) {
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
        guard method == 0 else {
            throw .unsupported(
                "the member \(quoted(name)) of the zip archive is compressed (method \(method)); torch.save stores "
                    + "members as they are")
        }
        // Sizes and offsets of 2³² − 1 stand in the zip64 field instead, in this order: size, stored size, offset.
        let storedSize = try bytes.uint32(start + 20)
        var field = start + 46 + nameLength
        let extraEnd = field + extraLength
        while field + 4 <= extraEnd {
            let (id, length) = (try bytes.uint16(field), Int(try bytes.uint16(field + 2)))
            if id == 1 {
                var position = field + 4
                if size == 0xFFFF_FFFF {
                    size = try bytes.size(position)
                    position += 8
                }
                if storedSize == 0xFFFF_FFFF { position += 8 }
                if place == 0xFFFF_FFFF { place = try bytes.size(position) }
            }
            field += 4 + length
        }
        guard try bytes.uint32(place) == memberSignature else {
            throw .model("the member \(quoted(name)) of the zip archive does not start at byte \(place)")
        }
        let data = place + 30 + Int(try bytes.uint16(place + 26)) + Int(try bytes.uint16(place + 28))
        _ = try bytes.slice(data, size)
        return (name, data..<data + size, extraEnd + commentLength)
    }
}

/// Reads little-endian numbers from bytes of a file; what lies outside is an error, never a trap.
private struct LittleEndianBytes {
    private let file: UnsafeRawBufferPointer

    init(_ file: UnsafeRawBufferPointer) { self.file = file }

    var count: Int { file.count }

    func slice(_ start: Int, _ length: Int) throws(DamaError) -> UnsafeRawBufferPointer {
        guard start >= 0, length >= 0, start <= file.count, length <= file.count - start else {
            throw .model("the zip archive refers to byte \(start) of \(file.count); is the file truncated?")
        }
        return UnsafeRawBufferPointer(rebasing: file[start..<start + length])
    }

    func uint16(_ start: Int) throws(DamaError) -> UInt16 {
        UInt16(littleEndian: try slice(start, 2).loadUnaligned(as: UInt16.self))
    }

    func uint32(_ start: Int) throws(DamaError) -> UInt32 {
        UInt32(littleEndian: try slice(start, 4).loadUnaligned(as: UInt32.self))
    }

    /// A number of 64 bits that must lie within the file.
    func size(_ start: Int) throws(DamaError) -> Int {
        let value = UInt64(littleEndian: try slice(start, 8).loadUnaligned(as: UInt64.self))
        guard value <= UInt64(file.count) else {
            throw .model("the zip archive refers to byte \(value) of \(file.count); is the file truncated?")
        }
        return Int(value)
    }
}
