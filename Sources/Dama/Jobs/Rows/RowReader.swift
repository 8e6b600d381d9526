import DamaSupport
import Glibc

/// Reads a dataset's rows one after another: JSON Lines or one JSON array, whatever its size, in constant memory.
public struct RowReader: ~Copyable {
    private let path: String
    private let descriptor: Int32
    private var cutter: RowCutter
    private var hash = SHA256()
    private var byteCount = 0
    private let buffer: UnsafeMutableRawBufferPointer
    /// Rows cut and not yet handed out, and the first of them.
    private var rows: [RawRow] = []
    private var nextRow = 0
    private var isAtEnd = false

    /// - Throws: ``DamaError/Code/io`` where `path` is no readable regular file; ``DamaError/Code/unsupported`` for one
    ///   of another format, with a way to convert it.
    public init(path: String, rowLimit: Int = 8 << 20) throws(DamaError) {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        guard descriptor >= 0 else { throw .io("cannot open \(path): \(describeErrno())") }
        var status = stat()
        guard fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFREG else {
            close(descriptor)
            throw .io("\(path) is not a regular file; a dataset is read more than once")
        }
        if let format = DatasetFormat(of: descriptor) {
            close(descriptor)
            throw .unsupported(
                "\(path) is \(format.name); rows are read from JSON Lines or one JSON array: \(format.advice)")
        }
        self.path = path
        self.descriptor = descriptor
        cutter = RowCutter(rowLimit: rowLimit)
        buffer = .allocate(byteCount: 256 << 10, alignment: 16)
    }

    deinit {
        close(descriptor)
        buffer.deallocate()
    }

    /// The next row; `nil` at the end.
    public mutating func next() throws(DamaError) -> RawRow? {
        while nextRow == rows.count {
            guard !isAtEnd else { return nil }
            rows.removeAll(keepingCapacity: true)
            nextRow = 0
            try fill()
        }
        nextRow += 1
        return rows[nextRow - 1]
    }

    /// What the file is, once ``next()`` has returned `nil`.
    public var contents: DatasetContents {
        DatasetContents(sha256: hash.hexDigest, byteCount: byteCount, rowCount: cutter.rowCount)
    }

    private mutating func fill() throws(DamaError) {
        var count = read(descriptor, buffer.baseAddress, buffer.count)
        while count < 0 && errno == EINTR { count = read(descriptor, buffer.baseAddress, buffer.count) }
        guard count >= 0 else { throw .io("cannot read \(path): \(describeErrno())") }
        guard count > 0 else {
            isAtEnd = true
            cutter.finish(into: &rows)
            return
        }
        let bytes = UnsafeRawBufferPointer(rebasing: buffer[..<count])
        hash.update(bytes)
        byteCount += count
        cutter.consume(bytes, into: &rows)
    }
}

/// Tells one dataset file from another.
public struct DatasetContents: Equatable, Sendable {
    public var sha256: String
    public var byteCount: Int
    public var rowCount: Int
}
