import DamaSupport

/// Strings with a number each, looked up in place in a mapped file.
///
/// Layout, all numbers little-endian and of 32 bits: the number of entries, the number of buckets (a power of two), the
/// number of bytes of all keys; the buckets, each 0 or the number of an entry plus 1; the entries, each the offset and
/// the length of its key and its value; the keys. Entries are in the order of their keys' bytes. A key stands in the
/// bucket that its hash names, or in the first free one after it.
struct StringTable {
    let count: Int
    private let bytes: UnsafeRawBufferPointer
    private let mask: Int
    private let entries: Int
    private let keys: Int

    static let headerSize = 12
    static let entrySize = 12

    /// - Parameter bytes: The table. All offsets are checked here, so that no lookup leaves them.
    /// - Throws: ``DamaError/Code/model`` if an offset leads out of the table.
    init(_ bytes: UnsafeRawBufferPointer, name: String) throws(DamaError) {
        let damaged = DamaError.model("the table of \(name) is damaged")
        guard bytes.count >= Self.headerSize else { throw damaged }
        let (count, buckets) = (Self.number(bytes, 0), Self.number(bytes, 4))
        let keySize = Self.number(bytes, 8)
        // The numbers have 32 bits, so that no sum overflows.
        guard buckets > count, buckets & (buckets - 1) == 0,
            bytes.count == Self.headerSize + buckets * 4 + count * Self.entrySize + keySize
        else { throw damaged }
        (self.bytes, self.count, mask) = (bytes, count, buckets - 1)
        entries = Self.headerSize + buckets * 4
        keys = entries + count * Self.entrySize
        for bucket in 0..<buckets where Self.number(bytes, Self.headerSize + bucket * 4) > count { throw damaged }
        for entry in 0..<count {
            let place = entries + entry * Self.entrySize
            guard Self.number(bytes, place) + Self.number(bytes, place + 4) <= keySize else { throw damaged }
        }
    }

    @inline(__always)
    private static func number(_ bytes: UnsafeRawBufferPointer, _ offset: Int) -> Int {
        Int(UInt32(littleEndian: bytes.loadUnaligned(fromByteOffset: offset, as: UInt32.self)))
    }

    /// FNV-1a of 64 bits, folded.
    @inline(__always)
    static func hash(_ key: UnsafeRawBufferPointer) -> Int {
        var hash: UInt64 = 0xCBF2_9CE4_8422_2325
        for byte in key { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01B3 }
        return Int(truncatingIfNeeded: (hash ^ hash >> 32) & 0xFFFF_FFFF)
    }

    /// The number of the entry with this key.
    func entry(_ key: UnsafeRawBufferPointer) -> Int? {
        var bucket = Self.hash(key) & mask
        // A table without a free bucket is not made here, but can be in a file.
        for _ in 0...mask {
            let number = Self.number(bytes, Self.headerSize + bucket * 4)
            if number == 0 { return nil }
            let found = self.key(number - 1)
            if found.count == key.count, found.elementsEqual(key) { return number - 1 }
            bucket = (bucket + 1) & mask
        }
        return nil
    }

    func entry(_ key: [UInt8]) -> Int? { key.withUnsafeBytes { entry($0) } }

    func contains(_ key: [UInt8]) -> Bool { entry(key) != nil }

    func value(_ key: [UInt8]) -> Int? { entry(key).map(value) }

    func value(_ entry: Int) -> Int { Self.number(bytes, entries + entry * Self.entrySize + 8) }

    /// The bytes of an entry's key.
    func key(_ entry: Int) -> UnsafeRawBufferPointer {
        let place = entries + entry * Self.entrySize
        let start = keys + Self.number(bytes, place)
        return UnsafeRawBufferPointer(rebasing: bytes[start..<start + Self.number(bytes, place + 4)])
    }
}
