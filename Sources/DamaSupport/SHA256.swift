import CDamaShims

/// SHA-256 (FIPS 180-4), fed piece by piece. About 2 GB/s on processors with SHA instructions.
///
///     var hash = SHA256()
///     hash.update("abc".utf8)
///     hash.hexDigest   // "ba7816bf…"
///
/// A value: a copy goes on by itself, and reading a digest leaves the hash as it was.
package struct SHA256: Sendable {
    private var context = cdama_sha256()

    package init() { cdama_sha256_init(&context, 0) }

    /// For tests: keeps to the implementation without special instructions.
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

    /// Takes in an integer as eight bytes, little-endian: for lengths before parts, so that parts cannot run together.
    package mutating func update(_ value: UInt64) {
        withUnsafeBytes(of: value.littleEndian) { cdama_sha256_update(&context, $0.baseAddress, $0.count) }
    }

    /// The 32 bytes of the digest of everything taken in so far.
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
