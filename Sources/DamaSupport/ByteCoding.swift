/// Builds a small binary record: little-endian numbers one after another.
package struct ByteWriter: Sendable {
    @usableFromInline package internal(set) var bytes: [UInt8] = []

    package init() {}

    @inlinable
    package mutating func append<T: FixedWidthInteger>(_ value: T) {
        withUnsafeBytes(of: value.littleEndian) { bytes.append(contentsOf: $0) }
    }

    /// The bit pattern, so that NaN, −0 and every last bit survive.
    package mutating func append(_ value: Double) { append(value.bitPattern) }

    package mutating func append(_ value: [UInt8]) { bytes += value }

    /// The record with the CRC-32 of all before it at its end.
    package func checksummed() -> [UInt8] {
        var copy = self
        copy.append(CRC32.of(bytes))
        return copy.bytes
    }
}

/// Reads what ``ByteWriter`` wrote; a record that ends too soon is an error, never a trap.
package struct ByteReader: Sendable {
    @usableFromInline let bytes: ArraySlice<UInt8>
    @usableFromInline var offset = 0
    /// What the bytes are, for messages: "controller state".
    @usableFromInline let name: String

    package init(_ bytes: ArraySlice<UInt8>, name: String) {
        self.bytes = bytes
        self.name = name
    }

    /// Checks the CRC-32 at the end of `bytes` and reads what is before it.
    ///
    /// - Throws: ``DamaError/Code/invalidArgument`` where the checksum is missing or does not fit.
    package init(checksummed bytes: [UInt8], name: String) throws(DamaError) {
        guard bytes.count >= 4 else { throw .invalidArgument("\(name) is cut short: \(bytes.count) bytes") }
        var tail = ByteReader(bytes.suffix(4), name: name)
        let stored = try tail.read(UInt32.self)
        let found = CRC32.of(bytes.dropLast(4))
        guard stored == found else {
            throw .invalidArgument("\(name) is damaged: its checksum says \(stored), its bytes give \(found)")
        }
        self.init(bytes.dropLast(4), name: name)
    }

    /// How many bytes are still to be read.
    @inlinable package var remaining: Int { bytes.count - offset }

    @inlinable
    package mutating func read<T: FixedWidthInteger>(_ type: T.Type) throws(DamaError) -> T {
        let count = MemoryLayout<T>.size
        guard remaining >= count else { throw .invalidArgument("\(name) is cut short at byte \(offset)") }
        var value: T = 0
        for index in 0..<count {
            value |= T(truncatingIfNeeded: bytes[bytes.startIndex + offset + index]) << T(truncatingIfNeeded: 8 * index)
        }
        offset += count
        return value
    }

    package mutating func readDouble() throws(DamaError) -> Double { Double(bitPattern: try read(UInt64.self)) }

    package mutating func readBytes(_ count: Int) throws(DamaError) -> [UInt8] {
        guard count >= 0, remaining >= count else { throw .invalidArgument("\(name) is cut short at byte \(offset)") }
        let start = bytes.startIndex + offset
        offset += count
        return Array(bytes[start..<start + count])
    }
}
