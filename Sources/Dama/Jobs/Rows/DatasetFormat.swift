/// Dataset formats that are recognised by their first bytes but not supported.
struct DatasetFormat {
    /// A description ("a Parquet file"), and how to convert the file.
    var name: String
    var advice: String

    private static let known: [(signature: [UInt8], name: String, advice: String)] = [
        (Array("PAR1".utf8), "a Parquet file", pandas("read_parquet")),
        (Array("ARROW1".utf8), "an Arrow file", pandas("read_feather")),
        (Array("ORC".utf8), "an ORC file", pandas("read_orc")),
        ([0x1F, 0x8B], "compressed by gzip", "gunzip it first"),
        ([0x28, 0xB5, 0x2F, 0xFD], "compressed by zstd", "unzstd it first"),
        ([0xFD, 0x37, 0x7A, 0x58, 0x5A, 0], "compressed by xz", "unxz it first"),
        (Array("BZh".utf8), "compressed by bzip2", "bunzip2 it first"),
        ([0x50, 0x4B, 0x03, 0x04], "a zip archive", "unzip it first"),
        (Array("SQLite format 3".utf8), "an SQLite database", "export its table as JSON Lines first"),
    ]

    private static func pandas(_ reader: String) -> String {
        "python -c \"import pandas; pandas.\(reader)('IN').to_json('OUT.jsonl', orient='records', lines=True)\" converts "
            + "it; write embedded images to files first (docs/score.md)"
    }

    /// The number of bytes needed to recognise a format.
    static let byteCount = 16

    /// Recognises a format by its first bytes; `nil` if the file may be JSON.
    init?(beginning head: [UInt8]) {
        guard let found = Self.known.first(where: { head.starts(with: $0.signature) }) else { return nil }
        (name, advice) = (found.name, found.advice)
    }
}
