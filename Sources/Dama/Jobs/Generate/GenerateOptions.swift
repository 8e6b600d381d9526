import DamaModels
import DamaSupport

/// Options of a job that answers the questions of a dataset.
public struct GenerateOptions: RowJobSettings {
    /// Input, output and the options of every job over rows.
    public var rows: RowJobOptions
    /// How tokens are chosen, and when a response ends.
    public var generation = GenerationOptions()
    /// Texts that end a response; the response does not include them.
    public var stop: [String] = []
    /// The number of responses to each question.
    public var samples = 1

    public init(data: String, output: String) {
        rows = RowJobOptions(data: data, output: output)
        rows.blockRows = 8
    }

    /// All settings, under the names of the C ABI.
    package static let table = table(
        [
            .double("temperature", \.generation.sampling.temperature),
            .int("top_k", \.generation.sampling.topK, in: 0...(.max)),
            .double("top_p", \.generation.sampling.topP),
            .seed("seed", \.generation.seed),
            .int("samples", \.samples, in: 1...4096),
            .int("max_tokens", \.generation.maximumTokens, in: 1...(.max)),
            endTokensSetting,
            .texts("stop", \.stop),
        ])

    private static let endTokensSetting = Setting<Self>(
        "end_tokens",
        read: { (root, reader, name) throws(DamaError) in
            guard reader.has(name) else { return }
            root.generation.endTokens = try reader.ints(name, in: 0...Int(Int32.max)).map { Int32($0) }
        },
        write: { $0.generation.endTokens.map { .array($0.map { .int(Int64($0)) }) } ?? .null })

    func check() throws(DamaError) {
        try generation.sampling.validate()
        try Self.table.check(self)
        guard samples == 1 || generation.sampling.temperature > 0 else {
            throw .invalidArgument(
                "\(samples) samples at temperature 0 would all be the same; set a temperature above 0")
        }
        guard !stop.contains("") else { throw .invalidArgument("a stop string is empty") }
    }

    /// The random stream of a response. It does not depend on which rows run together, and the first sample is the same
    /// for any number of samples.
    static func stream(row: Int, sample: Int) -> UInt64 {
        UInt64(truncatingIfNeeded: row) &+ UInt64(truncatingIfNeeded: sample) << 40
    }
}
