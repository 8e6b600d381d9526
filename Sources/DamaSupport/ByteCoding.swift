/// Builds a small binary record: little-endian numbers one after another.
package struct ByteWriter: Sendable {
    @usableFromInline package internal(set) var bytes: [UInt8] = []

    package init() {}

    @inlinable
    package mutating func append<T: FixedWidthInteger>(_ value: T) {
        withUnsafeBytes(of: value.littleEndian) { bytes.append(contentsOf: $0) }
    }

    /// Writes the bit pattern, so that NaN, −0 and every last bit survive.
    package mutating func append(_ value: Double) { append(value.bitPattern) }

    /// Writes the bit patterns.
    package mutating func append(_ values: [Float]) {
        values.map { $0.bitPattern.littleEndian }.withUnsafeBytes { bytes += $0 }
    }

    package mutating func append(_ value: [UInt8]) { bytes += value }

    /// The record, followed by the CRC-32 of its bytes.
    package func checksummed() -> [UInt8] {
        var copy = self
        copy.append(CRC32.of(bytes))
        return copy.bytes
    }
}

/// Reads a record of ``ByteWriter``. A record that ends too early is an error, never a trap.
package struct ByteReader: Sendable {
    @usableFromInline let bytes: ArraySlice<UInt8>
    @usableFromInline var offset = 0
    /// The name of the record in messages, such as "controller state".
    @usableFromInline let name: String

    package init(_ bytes: ArraySlice<UInt8>, name: String) {
        self.bytes = bytes
        self.name = name
    }

    /// Checks the CRC-32 at the end of `bytes` and reads the bytes before it.
    ///
    /// - Throws: ``DamaError/Code/invalidArgument`` if the checksum is missing or does not match.
    package init(checksummed bytes: [UInt8], name: String) throws(DamaError) {
        guard bytes.count >= 4 else { throw .invalidArgument("\(name) is cut short: \(bytes.count) bytes") }
        var tail = ByteReader(bytes.suffix(4), name: name)
        let stored = try tail.read(UInt32.self)
        let found = CRC32.of(bytes.dropLast(4))
        guard stored == found else {
            throw .invalidArgument("\(name) is damaged: its checksum is \(stored), that of its bytes is \(found)")
        }
        self.init(bytes.dropLast(4), name: name)
    }

    /// The number of bytes that are not read yet.
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

    package mutating func readFloats(_ count: Int) throws(DamaError) -> [Float] {
        var values: [Float] = []
        values.reserveCapacity(max(0, min(count, remaining / 4)))
        for _ in 0..<max(0, count) { values.append(Float(bitPattern: try read(UInt32.self))) }
        return values
    }

    package mutating func readBytes(_ count: Int) throws(DamaError) -> [UInt8] {
        guard count >= 0, remaining >= count else { throw .invalidArgument("\(name) is cut short at byte \(offset)") }
        let start = bytes.startIndex + offset
        offset += count
        return Array(bytes[start..<start + count])
    }
}
