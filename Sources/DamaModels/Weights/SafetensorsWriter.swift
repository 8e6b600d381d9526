import CDamaShims
import DamaSupport

/// Writes safetensors files that every reader of the format accepts.
public enum SafetensorsWriter {
    /// One tensor to write: row-major, little-endian.
    public struct Tensor {
        public let name: String
        public let type: WeightType
        public let shape: [Int]
        public let byteCount: Int
        /// Writes exactly ``byteCount`` bytes.
        let write: (inout FileSink) throws(DamaError) -> Void

        /// A tensor in memory. The caller owns the bytes, which must stay valid until the tensor is written.
        public init(name: String, type: WeightType, shape: [Int], bytes: UnsafeRawBufferPointer) {
            self.init(name: name, type: type, shape: shape, byteCount: bytes.count) { sink throws(DamaError) in
                try sink.append(bytes)
            }
        }

        /// A tensor whose bytes are produced while it is written, so that only a piece of it is in memory.
        package init(
            name: String, type: WeightType, shape: [Int], byteCount: Int,
            write: @escaping (inout FileSink) throws(DamaError) -> Void
        ) {
            self.name = name
            self.type = type
            self.shape = shape
            self.byteCount = byteCount
            self.write = write
        }
    }

    /// Writes `tensors` to a temporary file and renames it to `path`, so that `path` never holds an incomplete file.
    /// The data starts at a multiple of 8 bytes, with large element types first, so every tensor is aligned.
    ///
    /// - Throws: ``DamaError/Code/invalidArgument`` for a duplicate name, or bytes that do not fit type and shape;
    ///   ``DamaError/Code/io`` if writing fails. An existing file then stays unchanged.
    public static func write(
        _ tensors: [Tensor], metadata: [String: String] = ["format": "pt"], to path: String
    ) throws(DamaError) {
        let ordered = tensors.sorted { ($1.type.bits ?? 0, $0.name) < ($0.type.bits ?? 0, $1.name) }
        let header = try header(ordered, metadata: metadata)
        try Files.replace(path) { sink throws(DamaError) in
            try sink.append(header)
            for tensor in ordered {
                let end = sink.count + tensor.byteCount
                try tensor.write(&sink)
                guard sink.count == end else {
                    throw .internal("tensor \"\(tensor.name)\" has \(sink.count - end) bytes too many")
                }
            }
        }
    }

    /// The bytes of `values` as elements of `type`, rounded to nearest, ties to even.
    ///
    /// Infinity and NaN are kept, but a finite number never becomes infinity.
    ///
    /// - Throws: ``DamaError/Code/unsupported`` for a type that is not fp32, fp16 or bf16;
    ///   ``DamaError/Code/invalidArgument`` for a number that exceeds the type's range.
    public static func encode(_ values: UnsafeBufferPointer<Float>, as type: WeightType) throws(DamaError) -> [UInt8] {
        switch type {
        case .float32, .float16, .bfloat16: break
        default: throw .unsupported("weights cannot be written as \(type.name); the type must be F32, F16 or BF16")
        }
        if let index = firstOverflow(of: values, as: type) {
            let most = type == .float16 ? "65504" : "3.3895314e38"
            throw .invalidArgument("element \(index) is \(values[index]), but \(type.name) holds at most \(most)")
        }
        let size = values.count * (type == .float32 ? 4 : 2)
        // Without this the initialiser would write to the memory that all empty arrays share.
        guard size > 0 else { return [] }
        return [UInt8](unsafeUninitializedCapacity: size) { buffer, count in
            switch type {
            case .float16: cdama_float_to_half(buffer.baseAddress, values.baseAddress, values.count)
            case .bfloat16: cdama_float_to_bfloat16(buffer.baseAddress, values.baseAddress, values.count)
            default: UnsafeMutableRawBufferPointer(buffer).copyMemory(from: UnsafeRawBufferPointer(values))
            }
            count = size
        }
    }

    /// The first number that rounds to infinity.
    private static func firstOverflow(of values: UnsafeBufferPointer<Float>, as type: WeightType) -> Int? {
        // The smallest magnitude that rounds to infinity: halfway between the largest number and the next step.
        let limit: UInt32
        switch type {
        case .float16: limit = Float(65520).bitPattern
        case .bfloat16: limit = 0x7F7F_8000
        default: return nil
        }
        let isOver = { (value: Float) in
            (value.bitPattern & 0x7FFF_FFFF) &- limit < Float.infinity.bitPattern - limit
        }
        // Without a branch, so that it becomes vector code; the index is searched only if there is an overflow.
        var found = false
        for value in values { found = isOver(value) || found }
        return found ? values.firstIndex(where: isOver) : nil
    }

    private static func header(_ tensors: [Tensor], metadata: [String: String]) throws(DamaError) -> [UInt8] {
        var members: [JSONObject.Member] = []
        if !metadata.isEmpty {
            let sorted = metadata.sorted { $0.key < $1.key }
            members.append(("__metadata__", .object(JSONObject(sorted.map { ($0.key, .string($0.value)) }))))
        }
        var offset = 0
        for tensor in tensors {
            var bits = tensor.type.bits
            for size in tensor.shape {
                guard size >= 0 else {
                    bits = nil
                    break
                }
                let product = bits?.multipliedReportingOverflow(by: size)
                bits = product.flatMap { $0.overflow ? nil : $0.partialValue }
            }
            guard let bits, bits % 8 == 0, bits / 8 == tensor.byteCount else {
                throw .invalidArgument(
                    "tensor \"\(tensor.name)\" has \(tensor.byteCount) bytes, which do not fit the type"
                        + " \(tensor.type.name) and the shape \(tensor.shape)")
            }
            let end = offset + tensor.byteCount
            let entry: JSON = [
                "dtype": .string(tensor.type.name),
                "shape": .array(tensor.shape.map { .int(Int64($0)) }),
                "data_offsets": [.int(Int64(offset)), .int(Int64(end))],
            ]
            members.append((tensor.name, entry))
            offset = end
        }
        let object = JSONObject(members)
        if let name = object.repeatedKey {
            throw .invalidArgument("the tensor name \"\(name)\" is a duplicate or reserved (__metadata__); rename it")
        }
        var text: [UInt8] = []
        JSON.object(object).write(to: &text)
        text.append(contentsOf: repeatElement(UInt8(ascii: " "), count: (8 - text.count % 8) % 8))
        return withUnsafeBytes(of: UInt64(text.count).littleEndian) { Array($0) } + text
    }
}
