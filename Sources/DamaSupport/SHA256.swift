import CDamaShims

/// SHA-256 (FIPS 180-4), incremental. About 2 GB/s on processors with SHA instructions.
///
///     var hash = SHA256()
///     hash.update("abc".utf8)
///     hash.hexDigest   // "ba7816bf…"
///
/// A value type: copies are independent, and reading a digest does not change the hash.
package struct SHA256: Sendable {
    private var context = cdama_sha256()

    package init() { cdama_sha256_init(&context, 0) }

    /// For tests: uses the implementation without special instructions.
    init(portable: Bool) { cdama_sha256_init(&context, portable ? 1 : 0) }

    package mutating func update(_ bytes: UnsafeRawBufferPointer) {
        cdama_sha256_update(&context, bytes.baseAddress, bytes.count)
    }

    package mutating func update(_ bytes: some Collection<UInt8>) {
        let done: Void? = bytes.withContiguousStorageIfAvailable {
            cdama_sha256_update(&context, $0.baseAddress, $0.count)
        }
        if done == nil {
            Array(bytes).withUnsafeBytes { cdama_sha256_update(&context, $0.baseAddress, $0.count) }
        }
    }

    /// Adds an integer as eight bytes, little-endian. A length before each part keeps the parts apart.
    package mutating func update(_ value: UInt64) {
        withUnsafeBytes(of: value.littleEndian) { cdama_sha256_update(&context, $0.baseAddress, $0.count) }
    }

    /// The 32 bytes of the digest of all bytes so far.
    package var digest: [UInt8] {
        var copy = context
        return [UInt8](unsafeUninitializedCapacity: 32) { buffer, count in
            cdama_sha256_final(&copy, buffer.baseAddress)
            count = 32
        }
    }

    /// The digest as 64 lower-case hexadecimal digits.
    package var hexDigest: String { Hexadecimal.text(of: digest) }

    /// The digest of `bytes` in hexadecimal.
    package static func hex(of bytes: some Collection<UInt8>) -> String {
        var hash = SHA256()
        hash.update(bytes)
        return hash.hexDigest
    }
}
