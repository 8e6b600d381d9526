import DamaKernels
import DamaModels
import DamaPreference
import DamaSupport
import DamaTraining

extension TrainOptions {
    /// All settings of a training job, under the names of its configuration files.
    package static let table = SettingsTable<Self>(
        rowSettings + inputSettings + trainingSettings + heldOutSettings + resultSettings)

    private static let rowSettings: [Setting<Self>] = RowJobOptions.table.part([
        "data": "data", "output": "out", "image_root": "image_root", "follow_links": "follow_links",
        "fields": "fields", "data_format": "data_format", "max_rejected": "max_bad",
    ]).lifted(\Self.rows)

    private static let inputSettings: [Setting<Self>] = [
        .optionalText("scores", \.scores),
        .optionalDouble("mean_delta", \.meanDelta),
        .optionalDouble("min_delta", \.minimumDelta),
        .optionalText("reference", \.reference),
    ]

    private static let trainingSettings: [Setting<Self>] = [
        trainableSetting,
        adaptersSetting,
        .choice("activations", \.activations),
        .bool("offload", \.offload, effect: .none),
        // Precedes the method, which uses the same seed unless it has its own.
        seedSetting,
        .section("method", \.method, AdaptiveBeta.Configuration.table),
        .section("optimizer", \.self, optimizerTable),
        .section("schedule", \.self, scheduleTable),
        .int("batch_size", \.batchSize, in: 1...65536),
        .int("epochs", \.epochs, in: 1...(1 << 24)),
        .bool("shuffle", \.shuffles),
        .bool("drop_last", \.dropsLast),
        .optionalInt("max_steps", \.maximumSteps, in: 1...(1 << 40)),
        .int("tokens_per_run", \.tokensPerRun, in: 1...(1 << 40)),
        .int("threads", \.threads, in: 0...4096, effect: .none),
    ]

    private static let heldOutSettings: [Setting<Self>] = [
        // Jobs without it keep their identity.
        Setting(
            "sft_weight",
            read: { (root, reader, name) throws(DamaError) in
                root.sftWeight = try reader.double(
                    name, default: root.sftWeight, in: 0...Double.greatestFiniteMagnitude)
            },
            write: { $0.sftWeight == 0 ? .null : .double($0.sftWeight) }),
        .optionalText("eval_data", \.evalData),
        .optionalDouble("eval_share", \.evalShare),
        .int("eval_every", \.evalEvery, in: 1...(1 << 40), effect: .none),
        .choice("eval_best", \.evalBest, effect: .none),
    ]

    private static let resultSettings: [Setting<Self>] = [
        .section("checkpoint", \.self, checkpointTable),
        .bool("tensorboard", \.writesTensorBoard, effect: .none),
        .bool("log_pairs", \.logsPairs, effect: .none),
        .section("export", \.self, exportTable),
    ]

    // MARK: Sections

    private static let optimizerTable = SettingsTable<Self>([
        .double("learning_rate", \.optimizer.learningRate),
        .double("beta1", \.optimizer.beta1),
        .double("beta2", \.optimizer.beta2),
        .double("epsilon", \.optimizer.epsilon),
        .double("weight_decay", \.optimizer.weightDecay),
        .double("max_grad_norm", \.maximumGradientNorm),
    ])

    private static let scheduleTable = SettingsTable<Self>([
        .choice("kind", \.schedule, ["constant": .constant, "linear": .linear, "cosine": .cosine]),
        Setting(
            "warmup_ratio",
            read: { (root, reader, name) throws(DamaError) in
                if reader.has(name) { root.warmUp = .ratio(try reader.double(name, default: 0, in: 0...1)) }
            },
            write: { if case .ratio(let ratio) = $0.warmUp { .double(ratio) } else { .null } }),
        Setting(
            "warmup_steps",
            read: { (root, reader, name) throws(DamaError) in
                guard reader.has(name) else { return }
                guard !reader.has("warmup_ratio") else {
                    throw reader.wrong(name, "either warmup_steps or warmup_ratio, not both")
                }
                root.warmUp = .steps(UInt64(try reader.int(name, default: 0, in: 0...(.max))))
            },
            write: { if case .steps(let steps) = $0.warmUp { .int(Int64(clamping: steps)) } else { .null } }),
    ])

    private static let checkpointTable = SettingsTable<Self>([
        .int("every", \.checkpointEvery, in: 1...(1 << 40), effect: .none),
        .int("keep", \.checkpointsKept, in: 1...10_000, effect: .none),
    ])

    private static let exportTable = SettingsTable<Self>([
        .choice("format", \.export, effect: .report),
        .choice(
            "dtype", \.exportType, ["float32": .float32, "float16": .float16, "bfloat16": .bfloat16],
            effect: .report),
        Setting(
            "best", effect: .report,
            read: { (root, reader, name) throws(DamaError) in
                root.exportsBest = try reader.bool(name, default: root.exportsBest)
            },
            write: { $0.exportsBest ? .bool(true) : .null }),
    ])

    private static let seedSetting = Setting<Self>(
        "seed",
        read: { (root, reader, name) throws(DamaError) in
            guard reader.has(name) else { return }
            root.seed = UInt64(try reader.int(name, default: 0, in: 0...(.max)))
            root.method.seed = root.seed
        },
        write: { .string(String($0.seed)) })

    // MARK: What is trained

    private static let trainableSetting = Setting<Self>(
        "trainable",
        read: { (root, reader, name) throws(DamaError) in
            switch reader.json[name] {
            case nil: break
            case .string("full"): root.trainable = .full
            case .string("projector"): root.trainable = .projector
            case .string("lora"): root.trainable = .lora(try LowRankAdapters(rank: 16, alpha: 32))
            case .array: root.trainable = .patterns(try reader.strings(name) ?? [])
            default: throw reader.wrong(name, "full, lora, projector, or a list of name patterns")
            }
        },
        write: {
            if case .patterns(let patterns) = $0.trainable { return .array(patterns.map { .string($0) }) }
            return .string($0.trainable.name)
        })

    /// The settings of the adapters, if adapters are trained.
    private static let adaptersSetting = Setting<Self>(
        "lora", fields: ["rank", "alpha", "dropout", "targets"],
        read: { (root, reader, name) throws(DamaError) in
            guard reader.has(name) else { return }
            guard case .lora(let adapters) = root.trainable else {
                throw reader.wrong(name, "no such section unless trainable is lora")
            }
            let section = try reader.nested(name, fields: ["rank", "alpha", "dropout", "targets"])
            root.trainable = .lora(
                try LowRankAdapters(
                    rank: section.int("rank", default: adapters.rank, in: 1...4096),
                    alpha: section.double("alpha", default: adapters.alpha, in: 0...Double.greatestFiniteMagnitude),
                    targets: section.strings("targets") ?? adapters.targets,
                    dropout: section.double("dropout", default: adapters.dropout, in: 0...1)))
        },
        write: {
            guard case .lora(let adapters) = $0.trainable else { return .null }
            return [
                "rank": .int(Int64(adapters.rank)), "alpha": .double(adapters.alpha),
                // Jobs without dropout keep their identity.
                "dropout": adapters.dropout > 0 ? .double(adapters.dropout) : .null,
                "targets": .array(adapters.targets.map { .string($0) }),
            ]
        })
}
