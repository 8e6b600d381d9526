import DamaSupport

/// Options of a job that computes a reference model's log-probabilities of a dataset.
public struct ReferenceOptions: Sendable {
    /// Input, output and what every job over rows has.
    public var rows: RowJobOptions
    /// The folder that image paths are relative to and cannot leave; `nil` for the folder of the dataset.
    public var imageRoot: String?
    /// What the dataset's fields are called.
    public var fields = FieldNames()
    /// The most bytes of one image file.
    public var imageByteLimit = 64 << 20
    /// Whether symbolic links below the image root may lead out of it.
    public var followsLinks = false
    public var format = Format.full

    /// What a line of output holds.
    public enum Format: String, CaseIterable, Sendable {
        /// id, key, and for both responses sum, mean, the tokens' log-probabilities and whether the end was cut off.
        case full
        /// idx, key, and `logps`: the JSON text of six fields that the RLAIF-V and DAMA trainers read.
        case logps
    }

    public init(data: String, output: String) {
        rows = RowJobOptions(data: data, output: output)
        rows.blockRows = 8
    }

    var imageFolder: String { imageRoot ?? Files.folder(of: rows.data) }

    func settings(contents: DatasetContents, identity: JSON, imageRoot: String) -> JSON {
        [
            "job": "reference",
            "format": 1,
            "input": .string(contents.sha256),
            "input_bytes": .int(Int64(contents.byteCount)),
            "model": identity,
            "image_root": .string(imageRoot),
            "follow_links": .bool(followsLinks),
            "line": .string(format.rawValue),
            "fields": fields.json,
            "block_rows": .int(Int64(rows.blockRows)),
            "row_limit": .int(Int64(rows.rowLimit)),
            "image_limit": .int(Int64(imageByteLimit)),
        ]
    }
}
