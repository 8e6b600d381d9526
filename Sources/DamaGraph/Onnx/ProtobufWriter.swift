/// Writes protocol buffers' wire format.
///
/// ONNX models need five kinds of message from it and nothing back, about fifty lines. A protobuf runtime would double
/// the size of libdama.so for that.
struct ProtobufWriter {
    private(set) var bytes: [UInt8] = []

    private enum Wire: UInt64 {
        case varint = 0
        case delimited = 2
        case fixed32 = 5
    }

    private mutating func varint(_ value: UInt64) {
        var rest = value
        while rest >= 0x80 {
            bytes.append(UInt8(truncatingIfNeeded: rest) | 0x80)
            rest >>= 7
        }
        bytes.append(UInt8(truncatingIfNeeded: rest))
    }

    private mutating func key(_ field: Int, _ wire: Wire) {
        varint(UInt64(truncatingIfNeeded: field) << 3 | wire.rawValue)
    }

    mutating func write(_ field: Int, _ value: Int) {
        key(field, .varint)
        varint(UInt64(bitPattern: Int64(value)))
    }

    mutating func write(_ field: Int, _ value: Float) {
        key(field, .fixed32)
        bytes += littleEndianBytes(value.bitPattern)
    }

    mutating func write(_ field: Int, _ value: [UInt8]) {
        key(field, .delimited)
        varint(UInt64(truncatingIfNeeded: value.count))
        bytes += value
    }

    mutating func write(_ field: Int, _ value: String) { write(field, Array(value.utf8)) }

    /// A message in this one.
    mutating func write(_ field: Int, _ body: (inout ProtobufWriter) -> Void) {
        var message = ProtobufWriter()
        body(&message)
        write(field, message.bytes)
    }
}
