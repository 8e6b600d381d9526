import DamaPreference
import DamaSupport

/// Options of a job that scores a dataset for hardness.
public struct ScoreOptions: Sendable {
    /// Input, output and what every job over rows has.
    public var rows: RowJobOptions
    /// The folder that image paths are relative to and cannot leave; `nil` for the folder of the dataset.
    public var imageRoot: String?
    /// What the dataset's fields are called.
    public var fields = FieldNames()
    public var deltaSource = DeltaSource.probabilities
    /// δ̄ of Eq. (7); `nil` for the mean of δ over the rows scored.
    public var meanDelta: Double?
    /// Memory for embeddings of sentences and images that may come again; 0 for none.
    public var cacheBytes = 64 << 20
    /// The most bytes of one image file.
    public var imageByteLimit = 64 << 20
    /// Whether symbolic links below the image root may lead out of it.
    public var followsLinks = false
    /// Images and sentences given to the model at a time.
    public var imagesPerStep = 8
    public var sentencesPerStep = 256

    public typealias DeltaSource = Hardness.DeltaSource

    public init(data: String, output: String) {
        rows = RowJobOptions(data: data, output: output)
    }

    func check() throws(DamaError) {
        try rows.check()
        if let meanDelta, !meanDelta.isFinite {
            throw .invalidArgument("the mean delta has to be a finite number, found \(meanDelta)")
        }
        guard cacheBytes >= 0, cacheBytes <= 1 << 40 else {
            throw .invalidArgument("memory for the cache: expected 0 to 2^40 bytes, found \(cacheBytes)")
        }
        guard imagesPerStep >= 1, sentencesPerStep >= 1 else {
            throw .invalidArgument(
                "images and sentences at a time have to be at least 1, found \(imagesPerStep) and \(sentencesPerStep)")
        }
    }

    var imageFolder: String { imageRoot ?? Files.folder(of: rows.data) }

    /// Everything that the scores depend on: a job goes on only where all of it is the same.
    func settings(
        contents: DatasetContents, fingerprint: String, splitter: String, imageRoot: String
    ) -> JSON {
        [
            "job": "score",
            "format": 1,
            "input": .string(contents.sha256),
            "input_bytes": .int(Int64(contents.byteCount)),
            "model": .string(fingerprint),
            "splitter": .string(splitter),
            "image_root": .string(imageRoot),
            "follow_links": .bool(followsLinks),
            "delta": .string(deltaSource.rawValue),
            "fields": fields.json,
            "block_rows": .int(Int64(rows.blockRows)),
            "row_limit": .int(Int64(rows.rowLimit)),
            "image_limit": .int(Int64(imageByteLimit)),
            "cache_bytes": .int(Int64(cacheBytes)),
            "images_per_step": .int(Int64(imagesPerStep)),
            "sentences_per_step": .int(Int64(sentencesPerStep)),
        ]
    }
}
