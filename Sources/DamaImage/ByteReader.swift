/// Reads the bytes of a file in order, like a file handle: beyond the end there is nothing.
struct ByteReader {
    private let bytes: UnsafeRawBufferPointer
    /// May lie beyond the end.
    var position: Int

    init(_ bytes: UnsafeRawBufferPointer, at position: Int = 0) {
        self.bytes = bytes
        self.position = position
    }

    /// `nil` at the end.
    mutating func byte() -> UInt8? {
        guard position < bytes.count else { return nil }
        defer { position += 1 }
        return bytes[position]
    }

    /// The next `count` bytes, or as many as are left.
    mutating func read(_ count: Int) -> [UInt8] {
        guard position < bytes.count, count > 0 else { return [] }
        let end = position + min(count, bytes.count - position)
        defer { position = end }
        return Array(bytes[position..<end])
    }

    /// The next `count` bytes; `nil` if fewer are left.
    mutating func readAll(_ count: Int) -> [UInt8]? {
        let part = read(count)
        return part.count == count ? part : nil
    }
}

extension [UInt8] {
    /// The little-endian number in the two bytes at `offset`, which must exist.
    func uint16(at offset: Int) -> Int { Int(self[offset]) | Int(self[offset + 1]) << 8 }
    /// The little-endian number in the four bytes at `offset`, which must exist.
    func uint32(at offset: Int) -> Int { uint16(at: offset) | uint16(at: offset + 2) << 16 }
}
