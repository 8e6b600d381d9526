/// Writes the wire format of protocol buffers.
///
/// ONNX models and TensorBoard's events need only a few kinds of message, and none is read. A protobuf runtime would
/// double the size of libdama.so.
package struct ProtobufWriter {
    package private(set) var bytes: [UInt8] = []

    package init() {}

    private enum Wire: UInt64 {
        case varint = 0
        case fixed64 = 1
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

    package mutating func write(_ field: Int, _ value: Int) {
        key(field, .varint)
        varint(UInt64(bitPattern: Int64(value)))
    }

    package mutating func write(_ field: Int, _ value: Float) {
        key(field, .fixed32)
        withUnsafeBytes(of: value.bitPattern.littleEndian) { bytes.append(contentsOf: $0) }
    }

    package mutating func write(_ field: Int, _ value: Double) {
        key(field, .fixed64)
        withUnsafeBytes(of: value.bitPattern.littleEndian) { bytes.append(contentsOf: $0) }
    }

    package mutating func write(_ field: Int, _ value: [UInt8]) {
        key(field, .delimited)
        varint(UInt64(truncatingIfNeeded: value.count))
        bytes += value
    }

    package mutating func write(_ field: Int, _ value: String) { write(field, Array(value.utf8)) }

    /// A nested message.
    package mutating func write(_ field: Int, _ body: (inout ProtobufWriter) -> Void) {
        var message = ProtobufWriter()
        body(&message)
        write(field, message.bytes)
    }
}
