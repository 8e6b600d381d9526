import DamaSupport

/// A map of whole numbers in MessagePack, the only form that spaCy's `key2row` has.
///
/// Source: the MessagePack specification (github.com/msgpack/msgpack/blob/master/spec.md).
struct MessagePackMap {
    private let bytes: [UInt8]
    private var offset = 0

    /// Passes each key and its value to `body`, in the order of the file. A key is taken modulo 2⁶⁴.
    ///
    /// - Throws: ``DamaError/Code/model`` if the bytes are cut, hold anything else, or go on behind the map.
    static func forEach(
        in bytes: [UInt8], _ body: (_ key: UInt64, _ value: Int64) throws(DamaError) -> Void
    ) throws(DamaError) {
        var reader = MessagePackMap(bytes: bytes)
        for _ in 0..<(try reader.count()) {
            let key = try reader.number()
            let value = try reader.number()
            guard let value = Int64(exactly: value) else {
                throw .model("the MessagePack map has the value \(value); expected one of 64 bits with sign")
            }
            try body(UInt64(truncatingIfNeeded: key), value)
        }
        guard reader.offset == bytes.count else {
            throw .model("the MessagePack map ends at byte \(reader.offset) of \(bytes.count)")
        }
    }

    private init(bytes: [UInt8]) { self.bytes = bytes }

    private mutating func count() throws(DamaError) -> UInt64 {
        switch try unsigned(1) {
        case let type where type & 0xF0 == 0x80: type & 0x0F
        case 0xDE: try unsigned(2)
        case 0xDF: try unsigned(4)
        case let type: throw .model("the MessagePack value is of type \(type); expected a map")
        }
    }

    private mutating func number() throws(DamaError) -> Int128 {
        switch try unsigned(1) {
        case let type where type < 0x80: Int128(type)
        case let type where type >= 0xE0: Int128(Int8(truncatingIfNeeded: type))
        case 0xCC: Int128(try unsigned(1))
        case 0xCD: Int128(try unsigned(2))
        case 0xCE: Int128(try unsigned(4))
        case 0xCF: Int128(try unsigned(8))
        case 0xD0: Int128(Int8(truncatingIfNeeded: try unsigned(1)))
        case 0xD1: Int128(Int16(truncatingIfNeeded: try unsigned(2)))
        case 0xD2: Int128(Int32(truncatingIfNeeded: try unsigned(4)))
        case 0xD3: Int128(Int64(truncatingIfNeeded: try unsigned(8)))
        case let type:
            throw .model(
                "the MessagePack map has a value of type \(type) at byte \(offset - 1); expected a whole number")
        }
    }

    private mutating func unsigned(_ size: Int) throws(DamaError) -> UInt64 {
        guard size <= bytes.count - offset else {
            throw .model("the MessagePack map is cut at byte \(bytes.count)")
        }
        var value: UInt64 = 0
        for byte in bytes[offset..<offset + size] { value = value << 8 | UInt64(byte) }
        offset += size
        return value
    }
}
