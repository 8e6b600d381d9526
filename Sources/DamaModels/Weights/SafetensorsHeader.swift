import DamaSupport

/// The header of a safetensors file: eight bytes of length, then that many bytes of JSON, followed by the data.
///
/// Parsing checks everything, so that the data can be sliced without further checks: types, shapes and byte counts
/// agree, and the tensors cover the data without overlap or gap, as the format requires.
public struct SafetensorsHeader: Sendable {
    public struct Entry: Sendable {
        public let name: String
        public let type: WeightType
        public let shape: [Int]
        /// The tensor's bytes, counted from the start of the file.
        public let range: Range<Int>
    }

    /// The longest header that the format allows.
    public static let maximumLength = 100_000_000

    /// The tensors in the order of the data.
    public let entries: [Entry]
    public let metadata: [String: String]

    /// - Throws: ``DamaError/Code/model`` naming the tensor, what was found and what was expected.
    public init(parsing file: UnsafeRawBufferPointer) throws(DamaError) {
        guard file.count >= 8 else {
            throw .model("a safetensors file starts with 8 bytes of header length; this one has \(file.count) bytes")
        }
        let length = UInt64(littleEndian: file.loadUnaligned(as: UInt64.self))
        guard length <= Self.maximumLength, length <= file.count - 8 else {
            throw .model(
                "the header says that it has \(length) bytes; the file has \(file.count - 8) after the length,"
                    + " and the format allows \(Self.maximumLength)")
        }
        let dataStart = 8 + Int(length)
        let json: JSON
        do {
            json = try JSON(parsing: UnsafeRawBufferPointer(rebasing: file[8..<dataStart]))
        } catch {
            throw .model("the header is \(error.message)")
        }
        guard let object = json.object else { throw .model("the header must be a JSON object, found \(json.kind)") }
        if let name = object.repeatedKey { throw .model("the header names tensor \"\(name)\" twice") }

        var entries: [Entry] = []
        var metadata: [String: String] = [:]
        for member in object.members {
            if member.key == "__metadata__" {
                metadata = try Self.metadata(member.value)
            } else {
                entries.append(try Self.entry(member.key, member.value, dataStart: dataStart, fileSize: file.count))
            }
        }
        entries.sort { ($0.range.lowerBound, $0.range.upperBound) < ($1.range.lowerBound, $1.range.upperBound) }
        var expected = dataStart
        for entry in entries {
            guard entry.range.lowerBound == expected else {
                let found = entry.range.lowerBound - dataStart
                throw .model(
                    "tensor \"\(entry.name)\" starts at byte \(found) of the data, expected \(expected - dataStart):"
                        + (found < expected - dataStart ? " it overlaps the previous tensor" : " there is a gap"))
            }
            expected = entry.range.upperBound
        }
        guard expected == file.count else {
            throw .model("the tensors end at byte \(expected) of the file, which has \(file.count)")
        }
        self.entries = entries
        self.metadata = metadata
    }

    private static func metadata(_ value: JSON) throws(DamaError) -> [String: String] {
        guard let object = value.object else {
            throw .model("\"__metadata__\" must be an object of strings, found \(value.kind)")
        }
        var metadata: [String: String] = [:]
        for member in object.members {
            guard let text = member.value.string else {
                throw .model("\"__metadata__\" has \(member.value.kind) at \"\(member.key)\", expected a string")
            }
            metadata[member.key] = text
        }
        return metadata
    }

    private static func entry(
        _ name: String, _ value: JSON, dataStart: Int, fileSize: Int
    ) throws(DamaError) -> Entry {
        guard let typeName = value["dtype"]?.string else {
            throw .model("tensor \"\(name)\" has no \"dtype\", expected a string such as \"F32\"")
        }
        let type = WeightType(name: typeName)
        guard let dimensions = value["shape"]?.array else {
            throw .model("tensor \"\(name)\" has no \"shape\", expected an array of sizes")
        }
        var shape: [Int] = []
        // A product with a zero is 0; multiplying the other sizes still finds an overflow.
        var nonZero = 1
        for dimension in dimensions {
            guard let size = dimension.int, size >= 0 else {
                throw .model("tensor \"\(name)\" has \(dimension.text) in its shape, expected a size of 0 or more")
            }
            let (product, overflow) = nonZero.multipliedReportingOverflow(by: max(size, 1))
            guard !overflow else { throw .model("tensor \"\(name)\" has more elements than 64 bits can count") }
            nonZero = product
            shape.append(size)
        }
        let count = shape.contains(0) ? 0 : nonZero

        guard let offsets = value["data_offsets"]?.array, offsets.count == 2,
            let begin = offsets[0].int, let end = offsets[1].int, begin >= 0, begin <= end
        else {
            throw .model(
                "tensor \"\(name)\" has the \"data_offsets\" \(value["data_offsets"]?.text ?? "null"),"
                    + " expected [begin, end] with 0 ≤ begin ≤ end")
        }
        guard end <= fileSize - dataStart else {
            throw .model(
                "tensor \"\(name)\" ends at byte \(end) of the data, but the file has \(fileSize - dataStart) bytes of"
                    + " data; is it truncated?")
        }
        if let bits = type.bits {
            let (total, overflow) = count.multipliedReportingOverflow(by: bits)
            guard !overflow, total % 8 == 0, total / 8 == end - begin else {
                let expected = overflow ? "more than 64 bits can count" : "\(total / 8)"
                throw .model(
                    "tensor \"\(name)\" of type \(typeName) and shape \(shape) has \(end - begin) bytes,"
                        + " expected \(expected)")
            }
        }
        return Entry(name: name, type: type, shape: shape, range: dataStart + begin..<dataStart + end)
    }
}
