import DamaPreference
import DamaSupport

extension AdaptiveBeta.Configuration {
    static let settingsFields = [
        "preset", "beta", "gap", "normalize", "guard", "filter", "keep", "sample_scale", "responsiveness", "slope",
        "mean_source", "mean_time", "combine", "rho", "floor", "ceiling", "momentum", "seed", "loss",
        "label_smoothing", "simpo_margin",
    ]

    /// A preset with fields changed. Names are those of the Python class `AdaptiveBeta`.
    ///
    /// - Throws: ``DamaError/Code/invalidArgument`` naming the field.
    init(_ settings: SettingsReader, seed: UInt64) throws(DamaError) {
        let presets: [(String, Self)] = [
            ("paper", .paper), ("released", .released), ("beta_dpo", .betaDPO), ("dpo", .dpo), ("d2po", .d2po),
            ("mdpo", .mdpo),
        ]
        self = try settings.choice("preset", of: presets) ?? .paper
        let any = -Double.greatestFiniteMagnitude...Double.greatestFiniteMagnitude
        beta = try settings.double("beta", default: beta, in: any)
        gap = try settings.choice("gap", of: [("reward", .reward), ("log_ratio", .logRatio)]) ?? gap
        normalizes = try settings.bool("normalize", default: normalizes)
        guardFactor = try settings.double("guard", default: guardFactor, in: any)
        let filters: [(String, AdaptiveBeta.Filter)] = [
            ("none", .none), ("nearest", .nearest), ("sample", .sample), ("bottom", .bottom), ("top", .top),
            ("random", .random),
        ]
        filter = try settings.choice("filter", of: filters) ?? filter
        switch settings.json["keep"] {
        case nil: break
        case .int(let count): keep = .count(Int(clamping: count))
        case .double(let ratio): keep = .ratio(ratio)
        default: throw settings.wrong("keep", "a number of pairs, or a ratio with a decimal point")
        }
        sampleScale =
            try settings.choice("sample_scale", of: [("unit", .unit), ("running_deviation", .runningDeviation)])
            ?? sampleScale
        let responses: [(String, AdaptiveBeta.Responsiveness)] = [
            ("ratio_of_mean", .ratioOfMean), ("mean_of_ratios", .meanOfRatios), ("linear", .linear),
        ]
        responsiveness = try settings.choice("responsiveness", of: responses) ?? responsiveness
        slope = try settings.double("slope", default: slope, in: any)
        meanSource = try settings.choice("mean_source", of: [("kept", .kept), ("all", .all)]) ?? meanSource
        meanTime = try settings.choice("mean_time", of: [("after", .afterStep), ("before", .beforeUse)]) ?? meanTime
        let combinations: [(String, AdaptiveBeta.Combination)] = [
            ("product", .product), ("weighted", .weightedSum), ("data", .dataOnly), ("model", .modelOnly),
            ("none", .none),
        ]
        combination = try settings.choice("combine", of: combinations) ?? combination
        dataShare = try settings.double("rho", default: dataShare, in: any)
        floor = try settings.double("floor", default: floor, in: any)
        if settings.has("ceiling") { ceiling = try settings.double("ceiling", default: 0, in: any) }
        momentum = try settings.double("momentum", default: momentum, in: any)
        self.seed = UInt64(try settings.int("seed", default: Int(clamping: seed), in: 0...(.max)))
        let smoothing = try settings.double("label_smoothing", default: 0, in: any)
        let margin = try settings.double("simpo_margin", default: 0, in: any)
        let losses: [(String, PreferenceLoss)] = [
            ("sigmoid", .sigmoid), ("ipo", .ipo), ("hinge", .hinge), ("cdpo", .labelSmoothed(flipRate: smoothing)),
            ("robust", .robust(flipRate: smoothing)), ("simpo", .simpo(margin: margin)),
        ]
        loss = try settings.choice("loss", of: losses) ?? loss
        try validate()
    }
}
