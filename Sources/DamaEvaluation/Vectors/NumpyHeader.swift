import DamaSupport

/// The header of a matrix in NumPy's npy format: 32-bit floats, little-endian, row by row.
///
/// Source: numpy.lib.format, versions 1.0 to 3.0.
struct NumpyHeader: Equatable {
    /// The number of bytes before the numbers.
    let size: Int
    let rows: Int
    let columns: Int

    /// The bytes of a row.
    var rowSize: Int { 4 * columns }

    private static let magic: [UInt8] = [0x93] + Array("NUMPY".utf8)
    /// Headers are read from the first piece of a file; NumPy's have 128 bytes.
    static let limit = 4096

    /// - Parameters:
    ///   - start: The first bytes of the file, ``limit`` of them or all.
    ///   - fileSize: The number of bytes of the file, which must be those of the matrix.
    /// - Throws: ``DamaError/Code/model`` for a file that is no npy file, cut, or of another size than its header says;
    ///   ``DamaError/Code/unsupported`` for other types, orders and dimensions.
    init(_ start: some Collection<UInt8>, fileSize: Int) throws(DamaError) {
        let start = Array(start.prefix(Self.limit))
        guard start.count >= 12, start.starts(with: Self.magic) else {
            throw .model("the file is not one of NumPy's npy format")
        }
        let (version, isShort) = (start[6], start[6] == 1)
        guard (1...3).contains(version) else {
            throw .unsupported("the npy format has version \(version); expected 1, 2 or 3")
        }
        let lengthBytes = start[8..<(isShort ? 10 : 12)]
        let length = lengthBytes.reversed().reduce(0) { $0 << 8 | Int($1) }
        let size = lengthBytes.endIndex + length
        guard size <= start.count else {
            throw .model("the npy header has \(length) bytes; the file is cut, or its header is longer than any")
        }
        let fields = try Self.fields(start[lengthBytes.endIndex..<size])
        guard fields.type == "<f4" else {
            throw .unsupported("the npy file holds the type \(quoted(fields.type)); expected \"<f4\"")
        }
        guard !fields.isFortranOrder else {
            throw .unsupported("the npy file is stored column by column; expected row by row")
        }
        guard fields.shape.count == 2 else {
            throw .unsupported("the npy file has \(fields.shape.count) dimensions; expected 2")
        }
        let (rows, columns) = (fields.shape[0], fields.shape[1])
        let (rowSize, overflow) = columns.multipliedReportingOverflow(by: 4)
        let (bytes, overflow2) = rows.multipliedReportingOverflow(by: rowSize)
        guard !overflow, !overflow2, fileSize >= size, bytes == fileSize - size else {
            throw .model("the npy file states \(rows) × \(columns) numbers, and has \(fileSize) bytes")
        }
        (self.size, self.rows, self.columns) = (size, rows, columns)
    }

    private struct Fields {
        var type: String
        var isFortranOrder: Bool
        var shape: [Int]
    }

    /// Reads `{'descr': '<f4', 'fortran_order': False, 'shape': (20000, 300), }`.
    private static func fields(_ text: ArraySlice<UInt8>) throws(DamaError) -> Fields {
        let header = String(decoding: text, as: UTF8.self)
        func fail(_ name: String) -> DamaError { .model("the npy header has no \(name): \(quoted(header))") }
        /// What stands behind `'name':`.
        func value(_ name: String) throws(DamaError) -> ArraySlice<UInt8> {
            let key = Array("'\(name)':".utf8)
            guard
                let place = text.indices.first(where: { text[$0...].starts(with: key) })
            else { throw fail(name) }
            return text[(place + key.count)...].drop { $0 == UInt8(ascii: " ") }
        }
        let type = try value("descr")
        let order = try value("fortran_order")
        let shape = try value("shape")
        guard type.first == UInt8(ascii: "'"), let typeEnd = type.dropFirst().firstIndex(of: UInt8(ascii: "'")) else {
            throw fail("descr")
        }
        guard order.starts(with: "True".utf8) || order.starts(with: "False".utf8) else { throw fail("fortran_order") }
        guard shape.first == UInt8(ascii: "("), let shapeEnd = shape.firstIndex(of: UInt8(ascii: ")")) else {
            throw fail("shape")
        }
        var numbers: [Int] = []
        for part in shape[(shape.startIndex + 1)..<shapeEnd].split(separator: UInt8(ascii: ",")) {
            let digits = part.filter { $0 != UInt8(ascii: " ") }
            if digits.isEmpty { continue }
            guard digits.allSatisfy({ (0x30...0x39).contains($0) }),
                let number = Int(String(decoding: digits, as: UTF8.self))
            else { throw fail("shape") }
            numbers.append(number)
        }
        return Fields(
            type: String(decoding: type[(type.startIndex + 1)..<typeEnd], as: UTF8.self),
            isFortranOrder: order.starts(with: "True".utf8), shape: numbers)
    }
}
