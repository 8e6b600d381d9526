/// Builds a small binary record: little-endian numbers one after another.
public struct ByteWriter: Sendable {
    public private(set) var bytes: [UInt8] = []

    public init() {}

    public mutating func append<T: FixedWidthInteger>(_ value: T) {
        withUnsafeBytes(of: value.littleEndian) { bytes.append(contentsOf: $0) }
    }

    /// The bit pattern, so that NaN, −0 and every last bit survive.
    public mutating func append(_ value: Double) { append(value.bitPattern) }

    public mutating func append(_ value: [UInt8]) { bytes += value }

    /// The record with the CRC-32 of all before it at its end.
    public func checksummed() -> [UInt8] {
        var copy = self
        copy.append(CRC32.of(bytes))
        return copy.bytes
    }
}

/// Reads what ``ByteWriter`` wrote; a record that ends too soon is an error, never a trap.
public struct ByteReader: Sendable {
    private let bytes: ArraySlice<UInt8>
    private var offset = 0
    /// What the bytes are, for messages: "controller state".
    private let name: String

    public init(_ bytes: ArraySlice<UInt8>, name: String) {
        self.bytes = bytes
        self.name = name
    }

    /// Checks the CRC-32 at the end of `bytes` and reads what is before it.
    ///
    /// - Throws: ``DamaError/Code/invalidArgument`` where the checksum is missing or does not fit.
    public init(checksummed bytes: [UInt8], name: String) throws(DamaError) {
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
    public var remaining: Int { bytes.count - offset }

    public mutating func read<T: FixedWidthInteger>(_ type: T.Type) throws(DamaError) -> T {
        let count = MemoryLayout<T>.size
        guard remaining >= count else { throw .invalidArgument("\(name) is cut short at byte \(offset)") }
        var value: T = 0
        for index in 0..<count {
            value |= T(truncatingIfNeeded: bytes[bytes.startIndex + offset + index]) << T(truncatingIfNeeded: 8 * index)
        }
        offset += count
        return value
    }

    public mutating func readDouble() throws(DamaError) -> Double { Double(bitPattern: try read(UInt64.self)) }

    public mutating func readBytes(_ count: Int) throws(DamaError) -> [UInt8] {
        guard count >= 0, remaining >= count else { throw .invalidArgument("\(name) is cut short at byte \(offset)") }
        let start = bytes.startIndex + offset
        offset += count
        return Array(bytes[start..<start + count])
    }
}
