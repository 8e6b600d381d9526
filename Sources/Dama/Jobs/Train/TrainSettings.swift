import DamaModels
import DamaRuntime
import DamaSupport

/// A training job as a configuration file describes it: the job's options, and the model with its own.
public struct TrainSettings: Sendable {
    /// Folder of the policy to train, which is also the reference.
    public var model: String
    public var policy: PolicyOptions
    public var job: TrainOptions

    /// - Parameters:
    ///   - json: what a YAML or JSON file says.
    ///   - place: the file, for messages.
    /// - Throws: ``DamaError/Code/invalidArgument`` naming the field: unknown ones too, with the nearest that there is.
    public init(_ json: JSON, place: String) throws(DamaError) {
        model = ""
        policy = PolicyOptions()
        // The paper's; a model with fewer positions has its own limit.
        policy.maximumLength = 2048
        job = TrainOptions(data: "", output: "")
        try Self.table.read(into: &self, json, place: place)
        job.threads = policy.threads
        try job.check()
    }

    /// Every field of a configuration file.
    static let table = SettingsTable<Self>(
        [.text("model", \.model, missing: "no model was named")]
            + SettingsTable(TrainOptions.table.settings.filter { $0.name != "threads" }).lifted(\.job)
            + PolicyOptions.table.lifted(\.policy))
}

extension PolicyOptions {
    /// What a configuration file says of a model.
    static let table = SettingsTable<Self>([
        .optionalText("template", \.template),
        .optionalText("system", \.system),
        .choice("image_mode", \.imageMode),
        .bool("exif_orientation", \.imageDecoding.appliesOrientation),
        .bool("white_background", \.imageDecoding.blendsOnWhite),
        .optionalInt("max_length", \.maximumLength, in: 1...(1 << 24)),
        .choice("overlong", \.overlong),
        .optionalText("onnxruntime", \.runtimePath),
        .int("threads", \.threads, in: 0...4096, effect: .none),
        Setting(
            "provider",
            read: { (root, reader, name) throws(DamaError) in
                if reader.has(name) { root.device = try Device(reader.string(name)) }
            },
            write: { .string("\($0.device)") }),
    ])
}
