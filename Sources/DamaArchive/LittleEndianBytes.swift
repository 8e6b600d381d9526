import DamaSupport

/// Reads little-endian numbers from bytes of a file; what lies outside is an error, never a trap.
struct LittleEndianBytes {
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

    /// A number of 64 bits that counts bytes in memory.
    func count64(_ start: Int) throws(DamaError) -> Int {
        let value = UInt64(littleEndian: try slice(start, 8).loadUnaligned(as: UInt64.self))
        guard let count = Int(exactly: value) else { throw .model("the zip archive has a member of \(value) bytes") }
        return count
    }
}
