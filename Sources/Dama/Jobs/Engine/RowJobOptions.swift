import DamaSupport

/// Options of every job over the rows of a dataset.
public struct RowJobOptions: Sendable {
    /// The dataset: JSON Lines or one JSON array.
    public var data: String
    /// The output file, as JSON Lines. The names of other files are derived from it: see ``JobPaths``.
    public var output: String
    /// The folder that image paths are relative to and cannot leave; `nil` for the folder of the dataset.
    public var imageRoot: String?
    /// Whether symbolic links below the image root may lead out of it.
    public var followsLinks = false
    /// The names of the dataset's fields.
    public var fields = FieldNames()
    /// The number of rows computed together. The last bits of the results may depend on it.
    public var blockRows = 32
    /// The most bytes of one row.
    public var rowLimit = 8 << 20
    /// The most bytes of one image file.
    public var imageByteLimit = 64 << 20
    /// Threads for reading, decoding and splitting; 0 for as many as there are processors, at most 8 unless the model of a
    /// scoring job runs on another device.
    public var workers = 0
    /// The job stops when more rows than this are rejected; `nil` for no limit.
    public var maximumRejected: Int?
    /// Discards the unfinished state of an earlier run, and replaces its output.
    public var restart = false

    /// Reads files of another form than rows.
    var converter: RowReader.Converter?

    public init(data: String, output: String) {
        self.data = data
        self.output = output
    }

    var imageFolder: String { imageRoot ?? Files.folder(of: data) }

    /// - Throws: ``DamaError/Code/invalidArgument`` naming the first value outside its range.
    func check() throws(DamaError) { try Self.table.check(self) }
}

/// Options of a job over rows. The options that every such job has are in ``rows`` and can be accessed directly:
/// `options.imageRoot` is `options.rows.imageRoot`.
@dynamicMemberLookup
public protocol RowJobSettings: Sendable {
    var rows: RowJobOptions { get set }
}

extension RowJobSettings {
    public subscript<Value>(dynamicMember field: WritableKeyPath<RowJobOptions, Value>) -> Value {
        get { rows[keyPath: field] }
        set { rows[keyPath: field] = newValue }
    }
}

extension ImageRoot {
    /// The folder of a dataset's images.
    convenience init(_ options: RowJobOptions) throws(DamaError) {
        try self.init(
            path: options.imageFolder, byteLimit: options.imageByteLimit, followsLinks: options.followsLinks)
    }
}

extension RowReader {
    /// Reads a job's dataset.
    init(_ options: RowJobOptions) throws(DamaError) {
        try self.init(path: options.data, rowLimit: options.rowLimit, convert: options.converter)
    }
}
