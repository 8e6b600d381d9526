import DamaSupport

extension AdaptiveBeta.Configuration {
    /// Everything that can be set, under the names of the Python class `AdaptiveBeta` and of configuration files.
    package static let table = SettingsTable<Self>([
        presetSetting,
        .double("beta", \.beta),
        .choice("gap", \.gap, ["reward": .reward, "log_ratio": .logRatio]),
        .bool("normalize", \.normalizes),
        .double("guard", \.guardFactor),
        .choice(
            "filter", \.filter,
            [
                "none": .none, "nearest": .nearest, "sample": .sample, "bottom": .bottom, "top": .top,
                "random": .random,
            ]),
        keepSetting,
        .choice("sample_scale", \.sampleScale, ["unit": .unit, "running_deviation": .runningDeviation]),
        .choice(
            "responsiveness", \.responsiveness,
            ["ratio_of_mean": .ratioOfMean, "mean_of_ratios": .meanOfRatios, "linear": .linear]),
        .double("slope", \.slope),
        .choice("mean_source", \.meanSource, ["kept": .kept, "all": .all]),
        .choice("mean_time", \.meanTime, ["after": .afterStep, "before": .beforeUse]),
        .choice(
            "combine", \.combination,
            [
                "product": .product, "weighted": .weightedSum, "data": .dataOnly, "model": .modelOnly,
                "none": .none,
            ]),
        .double("rho", \.dataShare),
        .double("floor", \.floor),
        .double("ceiling", \.ceiling),
        .double("momentum", \.momentum),
        .seed("seed", \.seed),
        lossSetting,
        lossParameter("label_smoothing", of: [.labelSmoothed, .robust]),
        lossParameter("simpo_margin", of: [.simpo]),
    ])

    /// Takes all settings of a preset, but for the seed. The settings after it change single ones.
    private static let presetSetting = Setting<Self>(
        "preset",
        read: { (root, reader, name) throws(DamaError) in
            let presets: [(String, Self)] = [
                ("paper", .paper), ("released", .released), ("beta_dpo", .betaDPO), ("dpo", .dpo), ("d2po", .d2po),
                ("mdpo", .mdpo),
            ]
            guard let preset = try reader.choice(name, of: presets) else { return }
            let seed = root.seed
            root = preset
            root.seed = seed
        }, write: nil)

    private static let keepSetting = Setting<Self>(
        "keep",
        read: { (root, reader, name) throws(DamaError) in
            switch reader.json[name] {
            case nil: break
            case .int(let count): root.keep = .count(Int(clamping: count))
            case .double(let ratio): root.keep = .ratio(ratio)
            default: throw reader.wrong(name, "a number of pairs, or a ratio with a decimal point")
            }
        },
        write: {
            switch $0.keep {
            case .count(let count): .int(Int64(count))
            case .ratio(let ratio): .double(ratio)
            }
        })

    private static let lossSetting = Setting<Self>(
        "loss",
        read: { (root, reader, name) throws(DamaError) in
            guard let kind = try reader.choice(name, of: PreferenceLoss.Kind.allCases.map { ($0.name, $0) }) else {
                return
            }
            root.loss = PreferenceLoss(kind, parameter: 0)
        },
        write: { .string($0.loss.kind.name) })

    /// The number of some losses. Others leave it alone.
    private static func lossParameter(_ name: String, of kinds: [PreferenceLoss.Kind]) -> Setting<Self> {
        Setting(
            name,
            read: { (root, reader, name) throws(DamaError) in
                let current = kinds.contains(root.loss.kind) ? root.loss.parameter : 0
                let value = try reader.double(
                    name, default: current, in: -.greatestFiniteMagnitude ... .greatestFiniteMagnitude)
                if kinds.contains(root.loss.kind) {
                    root.loss = PreferenceLoss(root.loss.kind, parameter: value)
                }
            },
            write: { kinds.contains($0.loss.kind) ? .double($0.loss.parameter) : .null })
    }
}
