import DamaModels
import DamaRuntime
import DamaSupport

/// A training job as a configuration file describes it: the job's options, and the model with its options.
public struct TrainSettings: Sendable {
    /// The folder of the policy to train, which is also the reference.
    public var model: String
    public var policy: PolicyOptions
    public var job: TrainOptions

    /// - Parameters:
    ///   - json: The contents of a YAML or JSON file.
    ///   - place: The file's name in messages.
    /// - Throws: ``DamaError/Code/invalidArgument`` naming the field; for an unknown field it suggests the nearest
    ///   known one.
    package init(_ json: JSON, place: String) throws(DamaError) {
        model = ""
        policy = PolicyOptions()
        // The paper's limit; a model with fewer positions has its own.
        policy.maximumLength = 2048
        job = TrainOptions(data: "", output: "")
        try Self.table.read(into: &self, json, place: place)
        job.threads = policy.threads
        try job.check()
    }

    /// Every field of a configuration file.
    static let table = SettingsTable<Self>(
        [.text("model", \.model, missing: "the model is missing")]
            + SettingsTable(TrainOptions.table.settings.filter { $0.name != "threads" }).lifted(\.job)
            + PolicyOptions.table.lifted(\.policy))
}

extension PolicyOptions {
    /// The settings of a model in a configuration file.
    static let table = SettingsTable<Self>([
        .optionalText("template", \.template),
        Setting(
            "template_date",
            read: { (root, reader, name) throws(DamaError) in
                if reader.has(name) { root.templateDate = try reader.string(name) }
            },
            write: { .string($0.templateDate) }),
        .optionalText("system", \.system),
        .choice("image_mode", \.imageMode),
        .optionalText("vision_tower", \.visionTower),
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
        Setting(
            "precision",
            read: { (root, reader, name) throws(DamaError) in
                if reader.has(name) { root.precision = try Precision.named(reader.string(name)) }
            },
            write: { $0.precision.map { .string($0.rawValue) } ?? .null }),
    ])
}
