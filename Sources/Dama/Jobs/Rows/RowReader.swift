import DamaSupport

/// Reads a dataset's rows one by one: JSON Lines or one JSON array of any size, in constant memory.
package struct RowReader: ~Copyable {
    private let file: OpenFile
    /// The rows' text if the file has another form; its own bytes are then only hashed.
    private var converted: [UInt8]?
    private var cutter: RowCutter
    private var hash = SHA256()
    private var byteCount = 0
    /// Rows that are not returned yet, and the index of the next one.
    private var rows: [RawRow] = []
    private var nextRow = 0
    private var isAtEnd = false

    /// - Throws: ``DamaError/Code/io`` if `path` is not a readable regular file; ``DamaError/Code/unsupported`` for
    ///   another format, with a way to convert it.
    ///
    /// - Parameter convert: Given the path, returns the rows of a file of another form as JSON Lines, and `nil` for a
    ///   file of rows.
    package init(
        path: String, rowLimit: Int = 8 << 20, convert: Converter? = nil
    ) throws(DamaError) {
        let file = try OpenFile(reading: path)
        if let format = DatasetFormat(beginning: try file.read(DatasetFormat.byteCount, at: 0)) {
            throw .unsupported(
                "\(path) is \(format.name); rows are read from JSON Lines or one JSON array: \(format.advice)")
        }
        let converted = try convert?(path)
        self.file = file
        self.converted = converted
        cutter = RowCutter(rowLimit: rowLimit)
    }

    package typealias Converter = @Sendable (String) throws(DamaError) -> [UInt8]?

    /// The next row; `nil` at the end.
    package mutating func next() throws(DamaError) -> RawRow? {
        while nextRow == rows.count {
            guard !isAtEnd else { return nil }
            rows.removeAll(keepingCapacity: true)
            nextRow = 0
            try fill()
        }
        nextRow += 1
        return rows[nextRow - 1]
    }

    /// The file's identity, valid once ``next()`` has returned `nil`.
    package var contents: DatasetContents {
        DatasetContents(sha256: hash.hexDigest, byteCount: byteCount, rowCount: cutter.rowCount)
    }

    private mutating func fill() throws(DamaError) {
        let bytes = try file.read(256 << 10, at: byteCount)
        guard !bytes.isEmpty else {
            isAtEnd = true
            converted?.withUnsafeBytes { cutter.consume($0, into: &rows) }
            cutter.finish(into: &rows)
            return
        }
        hash.update(bytes)
        byteCount += bytes.count
        guard converted == nil else { return }
        bytes.withUnsafeBytes { cutter.consume($0, into: &rows) }
    }
}

/// Identifies a dataset file.
package struct DatasetContents: Equatable, Sendable {
    package var sha256: String
    package var byteCount: Int
    package var rowCount: Int
}
