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
            beamsSetting, lengthPenaltySetting, earlyStoppingSetting,
        ])

    // `null` where they change nothing, so that jobs without a beam search keep their identity.
    private static let beamsSetting = Setting<Self>(
        "num_beams",
        read: { (root, reader, name) throws(DamaError) in
            root.generation.beams = try reader.int(
                name, default: root.generation.beams, in: GenerationOptions.beamRange)
        },
        write: { $0.generation.beams == 1 ? .null : .int(Int64($0.generation.beams)) })

    private static let lengthPenaltySetting = Setting<Self>(
        "length_penalty",
        read: { (root, reader, name) throws(DamaError) in
            root.generation.lengthPenalty = try reader.double(
                name, default: root.generation.lengthPenalty,
                in: -.greatestFiniteMagnitude...(.greatestFiniteMagnitude))
        },
        write: { $0.generation.beams == 1 ? .null : .double($0.generation.lengthPenalty) })

    private static let earlyStoppingSetting = Setting<Self>(
        "early_stopping",
        read: { (root, reader, name) throws(DamaError) in
            guard reader.has(name) else { return }
            // true and false may also be texts.
            let text = reader.json[name]?.bool.map { String($0) } ?? reader.json[name]?.string
            guard let found = text.flatMap(EarlyStopping.init) else {
                throw reader.wrong(name, "true, false or never")
            }
            root.generation.earlyStopping = found
        },
        write: { $0.generation.beams == 1 ? .null : .string($0.generation.earlyStopping.rawValue) })

    private static let endTokensSetting = Setting<Self>(
        "end_tokens",
        read: { (root, reader, name) throws(DamaError) in
            guard reader.has(name) else { return }
            root.generation.endTokens = try reader.ints(name, in: 0...Int(Int32.max)).map { Int32($0) }
        },
        write: { $0.generation.endTokens.map { .array($0.map { .int(Int64($0)) }) } ?? .null })

    func check() throws(DamaError) {
        try generation.validate()
        try Self.table.check(self)
        guard samples == 1 || generation.beams == 1 else {
            throw .invalidArgument(
                "\(samples) samples by beam search would all be the same; set samples 1 or num_beams 1")
        }
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
