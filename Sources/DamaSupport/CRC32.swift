/// A CRC-32 over bytes that may arrive in parts.
///
/// ```swift
/// CRC32.of("123456789".utf8) == 0xCBF4_3926
/// ```
package struct CRC32: Sendable {
    package enum Polynomial: Sendable {
        /// 0xEDB88320: zlib, PNG and gzip.
        case zlib
        /// 0x82F63B78, CRC-32C: iSCSI and TensorFlow's records.
        case castagnoli
    }

    private var register: UInt32 = 0xFFFF_FFFF
    private let tables: [UInt32]

    package init(_ polynomial: Polynomial = .zlib) {
        switch polynomial {
        case .zlib: tables = Self.zlibTables
        case .castagnoli: tables = Self.castagnoliTables
        }
    }

    /// The checksum of all bytes so far.
    package var value: UInt32 { ~register }

    package static func of(_ bytes: some Collection<UInt8>, _ polynomial: Polynomial = .zlib) -> UInt32 {
        var checksum = CRC32(polynomial)
        let done: Void? = bytes.withContiguousStorageIfAvailable { checksum.update(UnsafeRawBufferPointer($0)) }
        if done == nil { Array(bytes).withUnsafeBytes { checksum.update($0) } }
        return checksum.value
    }

    /// Adds the next bytes, eight at a time ("slicing by 8", Kounavis and Berry, 2005).
    package mutating func update(_ bytes: UnsafeRawBufferPointer) {
        var crc = register
        tables.withUnsafeBufferPointer { table in
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

    private static let zlibTables = tables(0xEDB8_8320)
    private static let castagnoliTables = tables(0x82F6_3B78)

    /// Eight tables of 256: table k advances a byte by k more zero bytes than table 0.
    private static func tables(_ polynomial: UInt32) -> [UInt32] {
        var tables = [UInt32](repeating: 0, count: 8 * 256)
        for byte in 0..<256 {
            var crc = UInt32(byte)
            for _ in 0..<8 { crc = crc & 1 == 0 ? crc >> 1 : crc >> 1 ^ polynomial }
            tables[byte] = crc
        }
        for index in 256..<tables.count {
            let previous = tables[index - 256]
            tables[index] = tables[Int(previous & 255)] ^ previous >> 8
        }
        return tables
    }
}
