import DamaModels
import DamaSupport

/// Options of a job that answers the questions of a dataset.
public struct GenerateOptions: RowJobSettings {
    /// Input, output and what every job over rows has.
    public var rows: RowJobOptions
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

    /// Everything that can be set, under the names of the C ABI.
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
            throw .invalidArgument("\(samples) samples at temperature 0 would all be the same; give a temperature")
        }
        guard !stop.contains("") else { throw .invalidArgument("a stop string is empty") }
    }

    /// The stream of the seed that a response draws from. Which rows run together makes no difference to it, and a first
    /// sample is the same however many follow.
    static func stream(row: Int, sample: Int) -> UInt64 {
        UInt64(truncatingIfNeeded: row) &+ UInt64(truncatingIfNeeded: sample) << 40
    }
}
