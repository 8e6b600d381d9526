import DamaImage
import DamaKernels
import DamaModels
import DamaPreference
import DamaSupport
import DamaTestSupport
import TrainingTestSupport
import XCTest

@testable import DamaTraining

/// The files of a trained policy. Tests/Torch/test_export.py checks that transformers and PEFT read them too.
final class PolicyExportTests: XCTestCase {
    override class func setUp() { TestRuntime.configure() }

    private static let models = Fixtures.path("../../DamaModelsTests/Fixtures/llava")
    private static let image = ImageSource.path("\(models)/image.png")
    private var folder: TemporaryDirectory!

    override func setUpWithError() throws { folder = try TemporaryDirectory() }

    private func batches() throws -> [[TrainingPair]] {
        try TrainingBatches.read(Fixtures.path("batches.json"), image: Self.image)
    }

    /// A policy after three steps that clearly change its weights.
    private func trained(
        _ trainable: Trainable, model: String = "\(models)/default", tower: String? = nil
    ) throws -> TrainedPolicy {
        let base = try Policy(directory: model, options: Self.options(tower))
        let policy = try TrainedPolicy(base, trainable)
        var options = TrainerOptions()
        options.optimizer = AdamW(learningRate: 2e-2)
        let trainer = try Trainer(policy, reference: base, controller: AdaptiveBeta(.paper), options: options)
        for batch in try batches().prefix(3) { _ = try trainer.step(batch) }
        return policy
    }

    private static func options(_ tower: String?) -> PolicyOptions {
        var options = PolicyOptions()
        options.visionTower = tower
        return options
    }

    private func adapted(_ model: String = "\(models)/default") throws -> TrainedPolicy {
        try trained(.lora(LowRankAdapters(rank: 4, alpha: 6, targets: ["q_proj", "down_proj"])), model: model)
    }

    /// Token log-probabilities of the last batch.
    private func tokens(_ pairs: [PairLogProbabilities]) -> [Float] {
        pairs.flatMap { $0.chosen.tokens + $0.rejected.tokens }
    }

    private func assertSameLogProbabilities(
        _ directory: String, _ policy: TrainedPolicy, relative: Float = 0, tower: String? = nil, line: UInt = #line
    ) throws {
        let pairs = try XCTUnwrap(batches().last).map(\.pair)
        let expected = try tokens(policy.forward(pairs.map { try policy.base.prepare($0) }).logProbabilities)
        let found = try tokens(
            Policy(directory: directory, options: Self.options(tower)).logProbabilities(pairs))
        let before = try tokens(policy.base.logProbabilities(pairs))
        XCTAssertEqual(found.count, expected.count, line: line)
        // The steps changed the weights, so that a copy of the base would not pass.
        XCTAssertGreaterThan(zip(expected, before).map { abs($0 - $1) }.max() ?? 0, 0.05, line: line)
        // fp32 on both sides, in batches of different shapes; a merged weight is rounded once more.
        for (a, b) in zip(found, expected) {
            XCTAssertEqual(a, b, accuracy: 1e-5 * max(1, relative * abs(b)), line: line)
        }
    }

    private func assertFrozenTensorsKeepTheirBytes(
        _ directory: String, _ policy: TrainedPolicy, changed: Set<String>, line: UInt = #line
    ) throws {
        let (base, written) = (policy.decoder.weights.store, try WeightStore(directory: directory))
        // A vision tower from another directory stays there.
        XCTAssertEqual(written.names, base.names.filter { !base.addedNames.contains($0) }, line: line)
        var same = 0
        for name in written.names {
            let (a, b) = (try base.tensor(name), try written.tensor(name))
            XCTAssertEqual(a.shape, b.shape, name, line: line)
            let isSame = a.type == b.type && a.bytes.elementsEqual(b.bytes)
            XCTAssertEqual(isSame, !changed.contains(name), name, line: line)
            same += isSame ? 1 : 0
        }
        if changed.count < written.names.count { XCTAssertGreaterThan(same, 0, line: line) }
    }

    // MARK: Whole models

    /// Names, configuration and tokenizer stay those of LLaVA's original layout, which its scripts load.
    func testLlavasOriginalLayoutIsWrittenInItsOwnNames() throws {
        let (model, tower) = (
            Fixtures.path("../../DamaModelsTests/Fixtures/llava_original/model"),
            Fixtures.path("../../DamaModelsTests/Fixtures/llava_original/tower")
        )
        for (index, trainable) in [
            Trainable.full, try .lora(LowRankAdapters(rank: 4, alpha: 6, targets: ["q_proj", "down_proj"])),
        ].enumerated() {
            let policy = try trained(trainable, model: model, tower: tower)
            let path = "\(folder.path)/llava-\(index)"
            try policy.export(to: path)
            try assertSameLogProbabilities(path, policy, relative: 1, tower: tower)
            let changed =
                policy.selection.adapters.isEmpty
                ? policy.parameters.map(\.name) : policy.selection.adapters.map { "\($0.module).weight" }
            XCTAssertEqual(changed.contains("model.mm_projector.0.weight"), index == 0)
            try assertFrozenTensorsKeepTheirBytes(path, policy, changed: Set(changed))
            let (before, after) = (
                try Files.readJSON("\(model)/config.json"), try Files.readJSON("\(path)/config.json")
            )
            let fields = try XCTUnwrap(before.object).members
            for field in fields where field.key != "torch_dtype" {
                XCTAssertEqual(after[field.key], field.value, field.key)
            }
        }
    }

    func testAFullyTrainedModelLoadsAgain() throws {
        for model in ["default", "full_gqa_tied"] {
            let policy = try trained(.full, model: "\(Self.models)/\(model)")
            let path = "\(folder.path)/\(model)"
            try policy.export(to: path)
            try assertSameLogProbabilities(path, policy)
            try assertFrozenTensorsKeepTheirBytes(path, policy, changed: Set(policy.parameters.map(\.name)))
            for name in ["tokenizer.json", "tokenizer_config.json", "preprocessor_config.json"] {
                XCTAssertEqual(
                    try Files.read("\(path)/\(name)"), try Files.read("\(Self.models)/\(model)/\(name)"), name)
            }
            // An exported model can be trained again.
            _ = try TrainedPolicy(Policy(directory: path), .projector)
        }
    }

    /// A model whose configuration ties the head but whose file has another one is trained and written with both.
    func testAHeadOfItsOwnIsTrainedAndWritten() throws {
        let model = "\(folder.path)/model"
        try FileManager.default.copyItem(atPath: "\(Self.models)/default", toPath: model)
        let config = try String(contentsOfFile: "\(model)/config.json", encoding: .utf8)
        let tied = config.replacingOccurrences(
            of: "\"tie_word_embeddings\": false", with: "\"tie_word_embeddings\": true")
        XCTAssertNotEqual(config, tied)
        try tied.write(toFile: "\(model)/config.json", atomically: true, encoding: .utf8)
        let policy = try trained(.full, model: model)
        let path = "\(folder.path)/out"
        try policy.export(to: path)
        try assertSameLogProbabilities(path, policy)
        try assertFrozenTensorsKeepTheirBytes(path, policy, changed: Set(policy.parameters.map(\.name)))
        XCTAssertTrue(policy.parameters.contains { $0.name.hasSuffix("lm_head.weight") })
        let store = try WeightStore(directory: path)
        let names = policy.decoder
        XCTAssertFalse(
            try store.tensor(names.fileName("lm_head.weight")).bytes
                .elementsEqual(store.tensor(names.fileName("model.embed_tokens.weight")).bytes))
    }

    func testMergedAdaptersLoadAgain() throws {
        let policy = try adapted()
        try policy.export(to: "\(folder.path)/merged")
        try assertSameLogProbabilities("\(folder.path)/merged", policy, relative: 1)
        let modules = policy.selection.adapters.map { "language_model.\($0.module).weight" }
        XCTAssertEqual(modules.count, 4)
        try assertFrozenTensorsKeepTheirBytes("\(folder.path)/merged", policy, changed: Set(modules))

        // W + α/r · B A by definition, in double precision.
        let (base, written) = (policy.decoder.weights.store, try WeightStore(directory: "\(folder.path)/merged"))
        for adapter in policy.selection.adapters {
            let (a, b) = (adapter.a, adapter.b)
            let name = "language_model.\(adapter.module).weight"
            let before = try base.tensor(name).floats()
            let (rank, columns) = (a.shape[0], a.shape[1])
            for (index, value) in try written.tensor(name).floats().enumerated() {
                let (row, column) = (index / columns, index % columns)
                let sum = (0..<rank).reduce(0.0) {
                    $0 + Double(b.value.elements[row * rank + $1]) * Double(a.value.elements[$1 * columns + column])
                }
                // Five fp32 roundings of numbers below 1.
                XCTAssertEqual(Double(value), Double(before[index]) + 1.5 * sum, accuracy: 5e-7, name)
            }
        }
    }

    func testShardsStayWithinTheirLimit() throws {
        let policy = try trained(.projector)
        var options = ExportOptions()
        options.shardBytes = 20_000
        let path = "\(folder.path)/sharded"
        try policy.export(to: path, options: options)
        try assertSameLogProbabilities(path, policy)
        XCTAssertFalse(Files.exists("\(path)/model.safetensors"))
        let index = try Files.readJSON("\(path)/model.safetensors.index.json")
        let store = try WeightStore(directory: path)
        XCTAssertEqual(index["metadata"]?["total_size"]?.int, store.byteCount)
        let files = try Files.names(in: path).filter { $0.hasSuffix(".safetensors") }
        XCTAssertGreaterThan(files.count, 3)
        for (number, file) in files.enumerated() {
            XCTAssertEqual(file, String(format: "model-%05d-of-%05d.safetensors", number + 1, files.count))
            let shard = try SafetensorsFile(path: "\(path)/\(file)")
            let size = shard.names.reduce(0) { $0 + (shard[$1]?.bytes.count ?? 0) }
            XCTAssertTrue(size <= 20_000 || shard.names.count == 1, "\(file) has \(size) bytes")
        }
    }

    func testTrainedWeightsAreRoundedToTheTypeAskedFor() throws {
        let policy = try trained(.projector)
        for type in [WeightType.float16, .bfloat16] {
            var options = ExportOptions()
            options.type = type
            let path = "\(folder.path)/\(type.name)"
            try policy.export(to: path, options: options)
            let store = try WeightStore(directory: path)
            for parameter in policy.parameters {
                let tensor = try store.tensor(parameter.name, expectedShape: parameter.shape)
                XCTAssertEqual(tensor.type, type)
                for (written, value) in zip(try tensor.floats(), parameter.value.elements) {
                    // The oracles are Swift's own conversion, and the nearest of the two neighbours.
                    if type == .float16 {
                        XCTAssertEqual(written, Float(Float16(value)))
                    } else {
                        let down = Float(bitPattern: value.bitPattern & 0xFFFF_0000)
                        let up = Float(bitPattern: (value.bitPattern & 0xFFFF_0000) + 0x1_0000)
                        XCTAssertEqual(abs(written - value), min(abs(down - value), abs(up - value)))
                    }
                }
            }
            // The other weights are fp32, the only type that represents the values of both.
            let config = try Files.readJSON("\(path)/config.json")
            XCTAssertEqual(config["dtype"]?.string, "float32")
            _ = try Policy(directory: path)
        }
    }

    /// A weight of 70,000 must not be silently written as infinity in fp16.
    func testValuesThatTheTypeCannotHoldAreRefusedByName() throws {
        for (value, type, text) in [
            (Float(70_000), WeightType.float16, "but F16 holds at most 65504; export it as another type"),
            (3.4e38, .bfloat16, "but BF16 holds at most"), (.nan, .float32, "contains NaN or infinity"),
            (.infinity, .float16, "contains NaN or infinity"), (-.infinity, .float32, "contains NaN or infinity"),
        ] {
            let path = "\(folder.path)/kept"
            for trainable in try [Trainable.projector, .lora(LowRankAdapters(rank: 2, alpha: 2, targets: ["q_proj"]))] {
                let policy = try TrainedPolicy(Policy(directory: "\(Self.models)/default"), trainable)
                try policy.export(to: path)
                let before = try Files.read("\(path)/model.safetensors")
                var options = ExportOptions()
                options.type = type
                // For adapters: one element of A is the value, and all elements of B are 1.
                let parameter = policy.parameters[0]
                parameter.value.elements[parameter.count - 1] = value
                if policy.adapters != nil { policy.parameters[1].value.elements.update(repeating: 1) }
                assertFails(.invalidArgument, text) { try policy.export(to: path, options: options) }
                XCTAssertEqual(try Files.read("\(path)/model.safetensors"), before)
                XCTAssertEqual(try Files.names(in: folder.path), ["kept"])
                guard policy.adapters != nil else { continue }
                assertFails(.invalidArgument, "the weight \"base_model.model.") {
                    try policy.exportAdapters(to: "\(folder.path)/adapters", options: options)
                }
                XCTAssertEqual(try Files.names(in: folder.path), ["kept"])
            }
        }
    }

    /// transformers loads all weights as `dtype`.
    func testTheConfigurationNamesTheTypeThatHoldsAllWeights() throws {
        XCTAssertEqual(ModelFiles.commonType(of: [.float16, .float16, .other("I64")]), .float16)
        XCTAssertEqual(ModelFiles.commonType(of: [.bfloat16, .float16]), .float32)
        let config = try JSON(
            parsing: Array(#"{"a":1,"torch_dtype":"float16","vision_config":{"dtype":"x","b":2}}"#.utf8))
        XCTAssertEqual(
            ModelFiles.config(config, type: .bfloat16).text,
            #"{"a":1,"torch_dtype":"bfloat16","vision_config":{"dtype":"bfloat16","b":2}}"#)
        XCTAssertEqual(ModelFiles.config(["a": 1], type: .float32).text, #"{"a":1,"dtype":"float32"}"#)
    }

    // MARK: Adapters

    func testAdaptersAreWrittenAsPEFTKeepsThem() throws {
        let policy = try adapted()
        try policy.exportAdapters(to: "\(folder.path)/adapters")
        let file = try SafetensorsFile(path: "\(folder.path)/adapters/adapter_model.safetensors")
        XCTAssertEqual(file.names.count, policy.parameters.count)
        for parameter in policy.parameters {
            let name = "base_model.model.model.language_model." + parameter.name.dropFirst("model.".count)
            let tensor = try XCTUnwrap(file[name], name)
            XCTAssertEqual(tensor.shape, parameter.shape)
            XCTAssertTrue(tensor.bytes.elementsEqual(parameter.value.bytes))
        }
        let config = try Files.readJSON("\(folder.path)/adapters/adapter_config.json")
        XCTAssertEqual(config["r"]?.int, 4)
        XCTAssertEqual(config["lora_alpha"]?.int, 6)
    }

    func testAPolicyWithoutAdaptersHasNoneToExport() throws {
        let policy = try TrainedPolicy(Policy(directory: "\(Self.models)/default"), .projector)
        assertFails(.invalidArgument, "trained as \"projector\"") {
            try policy.exportAdapters(to: "\(folder.path)/adapters")
        }
        XCTAssertEqual(try Files.names(in: folder.path), [])
    }

    func testTargetsOfAdapters() throws {
        XCTAssertEqual(
            try LowRankAdapters(rank: 1, alpha: 1, targets: ["all-linear"]).targets, LowRankAdapters.knownTargets)
        XCTAssertEqual(
            try LowRankAdapters(rank: 1, alpha: 1, targets: ["v_proj", "q_proj", "v_proj"]).targets,
            ["q_proj", "v_proj"])
        assertFails(.invalidArgument, "\"c_attn\" is unknown; it must be one of q_proj, k_proj, v_proj, o_proj") {
            _ = try LowRankAdapters(rank: 1, alpha: 1, targets: ["q_proj", "c_attn"])
        }
    }

    // MARK: Destination

    func testOnlyAnEarlierExportIsReplaced() throws {
        let policy = try TrainedPolicy(Policy(directory: "\(Self.models)/default"), .projector)
        let path = "\(folder.path)/out"
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
        // An empty directory, an earlier export, and an export through a link and with a trailing slash.
        try policy.export(to: path)
        try policy.export(to: path)
        try FileManager.default.createSymbolicLink(atPath: "\(folder.path)/link", withDestinationPath: "out")
        try policy.export(to: "\(folder.path)/link/")
        XCTAssertEqual(try Files.names(in: folder.path), ["link", "out"])

        try folder.write(Array("mine".utf8), to: "out/notes.txt")
        assertFails(.invalidArgument, "out already exists and holds \"notes.txt\"") { try policy.export(to: path) }
        XCTAssertTrue(Files.exists("\(path)/notes.txt"))
        try folder.write(Array("{".utf8), to: "out/dama_export.json")
        assertFails(.invalidArgument, "which no export wrote") { try policy.export(to: path) }
        var options = ExportOptions()
        options.replaces = true
        try policy.export(to: path, options: options)
        XCTAssertFalse(Files.exists("\(path)/notes.txt"))
        _ = try Policy(directory: path)

        try folder.write([], to: "file")
        assertFails(.invalidArgument, "is a file") { try policy.export(to: "\(folder.path)/file", options: options) }
        assertFails(.io, "cannot make") { try policy.export(to: "\(folder.path)/none/out") }
        assertFails(.io, "cannot make the folder /proc/out") { try policy.export(to: "/proc/out") }
        assertFails(.invalidArgument, "the path of the export is empty") { try policy.export(to: "") }
    }

    func testTheTrainedModelItselfIsNeverReplaced() throws {
        let path = "\(folder.path)/models/base"
        try FileManager.default.createDirectory(atPath: "\(folder.path)/models", withIntermediateDirectories: true)
        try FileManager.default.copyItem(atPath: "\(Self.models)/default", toPath: path)
        let policy = try TrainedPolicy(Policy(directory: path), .projector)
        var options = ExportOptions()
        options.replaces = true
        for directory in [path, "\(folder.path)/models", folder.path] {
            assertFails(.invalidArgument, "holds the trained base model") {
                try policy.export(to: directory, options: options)
            }
        }
        _ = try Policy(directory: path)
    }

    func testOptionsOutOfRangeAreRefused() throws {
        let policy = try TrainedPolicy(Policy(directory: "\(Self.models)/default"), .projector)
        var options = ExportOptions()
        options.type = .other("I64")
        assertFails(.invalidArgument, "F32, F16 or BF16") { try policy.export(to: folder.path, options: options) }
        options = ExportOptions()
        options.shardBytes = 0
        assertFails(.invalidArgument, "must be positive") { try policy.export(to: folder.path, options: options) }
    }

    /// A limit on the size of files simulates a full disk.
    func testAFullDiskLeavesTheEarlierExport() throws {
        let policy = try trained(.projector)
        let path = "\(folder.path)/out"
        try policy.export(to: path)
        let before = try WeightStore(directory: path).fingerprint
        policy.parameters[0].value.elements[0] += 1
        signal(SIGXFSZ, SIG_IGN)
        defer { signal(SIGXFSZ, SIG_DFL) }
        var old = rlimit()
        getrlimit(__rlimit_resource_t(RLIMIT_FSIZE.rawValue), &old)
        do {
            var small = old
            small.rlim_cur = 100_000
            setrlimit(__rlimit_resource_t(RLIMIT_FSIZE.rawValue), &small)
            defer { setrlimit(__rlimit_resource_t(RLIMIT_FSIZE.rawValue), &old) }
            assertFails(.io, "File too large") { try policy.export(to: path) }
        }
        XCTAssertEqual(try Files.names(in: folder.path), ["out"])
        XCTAssertEqual(try WeightStore(directory: path).fingerprint, before)
        try policy.export(to: path)
        XCTAssertNotEqual(try WeightStore(directory: path).fingerprint, before)
    }
}
