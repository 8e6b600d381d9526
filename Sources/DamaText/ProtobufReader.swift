import DamaSupport

/// Reads the fields of one protobuf message, in the order of the file.
///
/// Every length is checked against the bytes that are there, so that a damaged file gives an error.
struct ProtobufReader {
    enum Value {
        case varint(UInt64)
        case fixed32(UInt32)
        case fixed64
        case bytes(ArraySlice<UInt8>)
    }

    private var rest: ArraySlice<UInt8>
    /// What the message is, for errors.
    private let name: String

    init(_ bytes: ArraySlice<UInt8>, _ name: String) {
        rest = bytes
        self.name = name
    }

    /// The next field's number and value; `nil` at the end.
    ///
    /// - Throws: ``DamaError/Code/model`` if the message is cut or is not protobuf.
    mutating func next() throws(DamaError) -> (number: Int, value: Value)? {
        guard !rest.isEmpty else { return nil }
        let key = try varint()
        let number = Int(truncatingIfNeeded: key >> 3)
        guard key >> 3 > 0, key >> 3 < 1 << 29 else { throw broken("field number \(key >> 3)") }
        switch key & 7 {
        case 0: return (number, .varint(try varint()))
        case 1:
            _ = try take(8)
            return (number, .fixed64)
        case 2: return (number, .bytes(try take(varint())))
        case 5: return (number, .fixed32(try take(4).reversed().reduce(0) { $0 << 8 | UInt32($1) }))
        default: throw broken("wire type \(key & 7) of field \(number)")
        }
    }

    private mutating func varint() throws(DamaError) -> UInt64 {
        var value: UInt64 = 0
        for shift in stride(from: 0, to: 70, by: 7) {
            guard let byte = rest.popFirst() else { throw broken("it ends within a number") }
            value |= UInt64(byte & 0x7F) << UInt64(shift)
            if byte < 0x80 { return value }
        }
        throw broken("a number has more than 10 bytes")
    }

    private mutating func take(_ count: UInt64) throws(DamaError) -> ArraySlice<UInt8> {
        guard count <= UInt64(rest.count) else {
            throw broken("a field has \(count) bytes, but only \(rest.count) are left")
        }
        defer { rest = rest.dropFirst(Int(count)) }
        return rest.prefix(Int(count))
    }

    func broken(_ reason: String) -> DamaError { .model("\(name): not a SentencePiece model, or damaged: \(reason)") }
}

extension ProtobufReader {
    /// - Throws: ``DamaError/Code/model`` if `value` has another kind.
    func int(_ value: Value, _ field: String) throws(DamaError) -> Int {
        guard case .varint(let bits) = value else { throw broken("\(field) is not a number") }
        return Int(Int64(bitPattern: bits))
    }

    func bool(_ value: Value, _ field: String) throws(DamaError) -> Bool { try int(value, field) != 0 }

    func bytes(_ value: Value, _ field: String) throws(DamaError) -> ArraySlice<UInt8> {
        guard case .bytes(let bytes) = value else { throw broken("\(field) is not a string") }
        return bytes
    }

    func string(_ value: Value, _ field: String) throws(DamaError) -> String {
        guard let text = String(validating: try bytes(value, field), as: UTF8.self) else {
            throw broken("\(field) is not valid UTF-8")
        }
        return text
    }
}
