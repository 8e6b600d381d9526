/// The checksum of zlib, PNG and gzip (polynomial 0xEDB88320), over bytes that may come in parts.
///
/// ```swift
/// CRC32.of("123456789".utf8) == 0xCBF4_3926
/// ```
public struct CRC32: Sendable {
    private var register: UInt32 = 0xFFFF_FFFF

    public init() {}

    /// The checksum of all bytes so far.
    public var value: UInt32 { ~register }

    public static func of(_ bytes: some Collection<UInt8>) -> UInt32 {
        var checksum = CRC32()
        let done: Void? = bytes.withContiguousStorageIfAvailable { checksum.update(UnsafeRawBufferPointer($0)) }
        if done == nil { Array(bytes).withUnsafeBytes { checksum.update($0) } }
        return checksum.value
    }

    /// Takes in the next bytes, eight at a time ("slicing by 8", Kounavis and Berry, 2005).
    public mutating func update(_ bytes: UnsafeRawBufferPointer) {
        var crc = register
        Self.tables.withUnsafeBufferPointer { table in
            var offset = 0
            while offset + 8 <= bytes.count {
                let low = UInt32(littleEndian: bytes.loadUnaligned(fromByteOffset: offset, as: UInt32.self)) ^ crc
                let high = UInt32(littleEndian: bytes.loadUnaligned(fromByteOffset: offset + 4, as: UInt32.self))
                crc =
                    table[1792 + Int(low & 255)] ^ table[1536 + Int(low >> 8 & 255)]
                    ^ table[1280 + Int(low >> 16 & 255)] ^ table[1024 + Int(low >> 24)]
                    ^ table[768 + Int(high & 255)] ^ table[512 + Int(high >> 8 & 255)]
                    ^ table[256 + Int(high >> 16 & 255)] ^ table[Int(high >> 24)]
                offset += 8
            }
            while offset < bytes.count {
                crc = table[Int((crc ^ UInt32(bytes[offset])) & 255)] ^ crc >> 8
                offset += 1
            }
        }
        register = crc
    }

    /// Eight tables of 256: table k advances a byte by k more zero bytes than table 0.
    private static let tables: [UInt32] = {
        var tables = [UInt32](repeating: 0, count: 8 * 256)
        for byte in 0..<256 {
            var crc = UInt32(byte)
            for _ in 0..<8 { crc = crc & 1 == 0 ? crc >> 1 : crc >> 1 ^ 0xEDB8_8320 }
            tables[byte] = crc
        }
        for index in 256..<tables.count {
            let previous = tables[index - 256]
            tables[index] = tables[Int(previous & 255)] ^ previous >> 8
        }
        return tables
    }()
}
