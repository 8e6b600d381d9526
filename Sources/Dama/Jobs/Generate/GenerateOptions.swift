import DamaModels
import DamaSupport

/// Options of a job that answers the questions of a dataset.
public struct GenerateOptions: Sendable {
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
    /// How tokens are chosen, and when a response ends.
    public var generation = GenerationOptions()
    /// Texts that end a response; they are not part of it.
    public var stop: [String] = []
    /// Responses to each question.
    public var samples = 1

    public init(data: String, output: String) {
        rows = RowJobOptions(data: data, output: output)
        rows.blockRows = 8
    }

    var imageFolder: String { imageRoot ?? Files.folder(of: rows.data) }

    func check() throws(DamaError) {
        try generation.sampling.validate()
        guard generation.maximumTokens > 0 else {
            throw .invalidArgument("max_tokens is \(generation.maximumTokens); it must be positive")
        }
        guard (1...4096).contains(samples) else {
            throw .invalidArgument("samples of each question: expected 1 to 4096, found \(samples)")
        }
        guard samples == 1 || generation.sampling.temperature > 0 else {
            throw .invalidArgument("\(samples) samples at temperature 0 would all be the same; give a temperature")
        }
        guard !stop.contains("") else { throw .invalidArgument("a stop string is empty") }
    }

    /// The stream of the seed that a response draws from. Which rows run together makes no difference to it, and a first
    /// sample is the same however many follow.
    static func stream(row: Int, sample: Int) -> UInt64 {
        UInt64(truncatingIfNeeded: row) &+ UInt64(truncatingIfNeeded: sample) << 40
    }

    func settings(contents: DatasetContents, identity: JSON, imageRoot: String) -> JSON {
        [
            "job": "generate",
            "format": 1,
            "input": .string(contents.sha256),
            "input_bytes": .int(Int64(contents.byteCount)),
            "model": identity,
            "image_root": .string(imageRoot),
            "follow_links": .bool(followsLinks),
            "temperature": .double(generation.sampling.temperature),
            "top_k": .int(Int64(generation.sampling.topK)),
            "top_p": .double(generation.sampling.topP),
            // A seed may be larger than what JSON's integers hold.
            "seed": .string("\(generation.seed)"),
            "samples": .int(Int64(samples)),
            "max_tokens": .int(Int64(generation.maximumTokens)),
            "end_tokens": generation.endTokens.map { .array($0.map { .int(Int64($0)) }) } ?? .null,
            "stop": .array(stop.map { .string($0) }),
            "fields": fields.json,
            "block_rows": .int(Int64(rows.blockRows)),
            "row_limit": .int(Int64(rows.rowLimit)),
            "image_limit": .int(Int64(imageByteLimit)),
        ]
    }
}
