import DamaTestSupport
import Foundation
import TrainingTestSupport
import XCTest

@testable import Dama

final class TrainJobTests: TrainTestCase {
    /// Twenty steps equal ten, a stop, and ten more: bit for bit, for every choice of trained weights.
    func testStoppedAndTakenUpAgainEndsWithTheSameBits() throws {
        try writeDataset(count: 43)
        let adapters = try LowRankAdapters(rank: 2, alpha: 4)
        for (name, trainable) in [("full", Trainable.full), ("lora", .lora(adapters))] {
            var options = options(name)
            options.trainable = trainable
            options.method.filter = .sample
            let summary = try run(options)
            XCTAssertEqual(summary.batches, 20)
            XCTAssertEqual(summary.steps, 20)
            options.output += "-stopped"
            assertFails(.cancelled, "stopped") {
                _ = try self.run(options) { event throws(DamaError) in
                    if case .progress(let progress) = event, progress.batch == 10 { throw .cancelled }
                }
            }
            var first: Int?
            let resumed = try run(options) { event throws(DamaError) in
                if case .progress(let progress) = event, first == nil { first = progress.batch }
            }
            XCTAssertEqual(first, 11)
            XCTAssertEqual(resumed.steps, 20)
            try assertSame(name, "\(name)-stopped")
            let again = try run(options)
            XCTAssertTrue(again.wasComplete)
            XCTAssertEqual(again.steps, 20)
        }
    }

    // Before the fix, images were read again in each epoch and after each restart without checking for changes.
    func testImagesThatChangeAreFound() throws {
        try writeDataset(count: 12)
        let options = options()
        let image = folder.path + "/image.png"
        let original = try Files.read(image)
        // The image changes during a run.
        assertFails(.io, "image \"image.png\" has changed since the job began") {
            _ = try self.run(options) { event throws(DamaError) in
                guard case .progress(let progress) = event, progress.batch == 2 else { return }
                try Files.writeAtomically(original + [0], to: image)
            }
        }
        // The image changes between two runs: the reference's numbers, or, for a loss without reference, the weights
        // are those of another image.
        assertFails(.invalidArgument, "does not match the data") { _ = try self.run(options) }
        try Files.writeAtomically(original, to: image)
        XCTAssertEqual(try run(options).batches, 6)
        var free = self.options("free")
        free.method.loss = .simpo(margin: 0.5)
        assertFails(.cancelled, "stopped") {
            _ = try self.run(free) { event throws(DamaError) in
                if case .progress(let progress) = event, progress.batch == 2 { throw .cancelled }
            }
        }
        try Files.writeAtomically(original + [0], to: image)
        assertFails(.invalidArgument, "images \"") { _ = try self.run(free) }
        try Files.writeAtomically(original, to: image)
        XCTAssertEqual(try run(free).batches, 6)
    }

    /// Rows with embedded images train the same weights as rows with paths.
    func testImagesInRowsTrainTheSameWeights() throws {
        try writeDataset(count: 12)
        _ = try run(options("files"))
        let base64 = Data(try bytes("image.png")).base64EncodedString()
        let rows = String(decoding: try bytes("pairs.jsonl"), as: UTF8.self)
        let image = #"{"bytes":"\#(base64)","path":null}"#
        let lines = rows.replacingOccurrences(of: "\"image.png\"", with: image)
        let array = "[" + lines.split(separator: "\n").joined(separator: ",\n") + "]"
        for (name, text) in [("lines", lines), ("array", array)] {
            var options = options(name)
            options.data = try folder.write(Array(text.utf8), to: "\(name).jsonl")
            _ = try run(options)
            XCTAssertEqual(
                try bytes("\(name)/model/model.safetensors"), try bytes("files/model/model.safetensors"), name)
        }
    }

    // Scores changed after they were computed. Before the fix, they were used, although their summary holds their hash.
    func testChangedScoresAreNotUsed() throws {
        try writeDataset(count: 12)
        let scores = try bytes("scores.jsonl")
        let summary: JSON = ["output": ["bytes": .int(Int64(scores.count)), "sha256": .string(SHA256.hex(of: scores))]]
        try folder.write(Array(summary.text.utf8), to: "scores.summary.json")
        XCTAssertEqual(try run(options()).batches, 6)
        try folder.write(scores.map { $0 == UInt8(ascii: "5") ? UInt8(ascii: "6") : $0 }, to: "scores.jsonl")
        assertFails(.invalidArgument, "scores.jsonl has changed since it was computed") {
            _ = try self.run(self.options("other"))
        }
    }

    /// What the log says of each pair agrees with the metrics and with the derivative of the sigmoid loss,
    /// −β σ(−β h) / kept. A run that was stopped ends with the same log.
    /// A job without the pairs of small δ is the job over a file of the others, with the same scores.
    func testPairsOfSmallDeltaAreLeftOut() throws {
        try writeDataset(count: 40)
        var options = options("limited")
        // The δ of the rows rise from −0.5 by 1/40; that of row 22, 0.05, is the first of at least 0.04.
        options.minimumDelta = 0.04
        var notices: [String] = []
        let summary = try run(options) { event throws(DamaError) in
            if case .notice(let line) = event { notices.append(line) }
        }
        XCTAssertEqual(summary.pairs, 18)
        XCTAssertEqual(notices, ["22 pairs have a delta below 0.04 and are not trained on"])
        let rows = try bytes("pairs.jsonl").split(separator: 0x0A).map { Array($0) + [0x0A] }
        try folder.write(rows[22...].flatMap { $0 }, to: "kept.jsonl")
        var kept = self.options("kept")
        kept.rows.data = folder.path + "/kept.jsonl"
        _ = try run(kept)
        XCTAssertEqual(try bytes("limited/model/model.safetensors"), try bytes("kept/model/model.safetensors"))
        XCTAssertEqual(try metrics("limited"), try metrics("kept"))

        options.scores = nil
        assertFails(.invalidArgument, "min_delta is given without scores") { _ = try run(options) }
        options.scores = folder.path + "/scores.jsonl"
        options.minimumDelta = 0.44
        assertFails(.invalidArgument, "has 2 pairs to train on, fewer than batch_size, 4; 38 are below min_delta") {
            _ = try run(options)
        }
        options.minimumDelta = 0.06
        assertFails(.invalidArgument, "min_delta 0.04 instead of 0.06") { _ = try run(options) }
    }

    func testTheLogOfPairs() throws {
        try writeDataset(count: 24)
        var options = options("a")
        options.logsPairs = true
        _ = try run(options)
        let metrics = try metrics("a")
        let lines = try bytes("a/pairs.jsonl").split(separator: 0x0A).map { try JSON(parsing: $0) }
        XCTAssertEqual(lines.count, metrics.count)
        var seen: [Int] = []
        for (line, step) in zip(lines, metrics) {
            func numbers(_ name: String) throws -> [Double] {
                try XCTUnwrap(line[name]?.array).map { try XCTUnwrap($0.double) }
            }
            let (beta, margin, weight) = (try numbers("beta"), try numbers("margin"), try numbers("weight"))
            let kept = try XCTUnwrap(line["kept"]?.array).map { $0 == true }
            XCTAssertEqual(kept.count { $0 }, step["kept"]?.int)
            XCTAssertEqual(line["batch"], step["batch"])
            seen += try XCTUnwrap(line["id"]?.array).compactMap(\.int)
            let count = Double(beta.count)
            XCTAssertEqual(margin.reduce(0, +) / count, try XCTUnwrap(step["margin_mean"]?.double), accuracy: 1e-12)
            XCTAssertEqual(beta.reduce(0, +) / count, try XCTUnwrap(step["beta_mean"]?.double), accuracy: 1e-12)
            for index in beta.indices {
                let derivative = beta[index] / (1 + exp(beta[index] * margin[index])) / Double(kept.count { $0 })
                XCTAssertEqual(weight[index], kept[index] ? derivative : 0, accuracy: 1e-12)
            }
        }
        XCTAssertEqual(seen[..<24].sorted(), Array(0..<24))

        options.output = folder.path + "/b"
        assertFails(.cancelled, "stopped") {
            _ = try self.run(options) { event throws(DamaError) in
                if case .progress(let progress) = event, progress.batch == 5 { throw .cancelled }
            }
        }
        _ = try run(options)
        XCTAssertEqual(try bytes("b/pairs.jsonl"), try bytes("a/pairs.jsonl"))
        try assertSame("a", "b")
    }

    /// Two runs with the same seed are equal bit for bit; another seed changes the order of the pairs.
    func testTheSeedDecides() throws {
        try writeDataset(count: 24)
        var options = options("a")
        _ = try run(options)
        options.output = folder.path + "/b"
        _ = try run(options)
        try assertSame("a", "b")
        options.output = folder.path + "/c"
        options.seed = 6
        _ = try run(options)
        XCTAssertNotEqual(try bytes("a/model/model.safetensors"), try bytes("c/model/model.safetensors"))
    }

    /// Every pair occurs once per epoch, except for those that do not fill a batch.
    func testEpochsShuffle() {
        var options = TrainOptions(data: "", output: "")
        (options.batchSize, options.seed) = (3, 1)
        var order = BatchOrder(options, pairs: 10)
        var epochs: [[Int]] = []
        for epoch in 0..<3 {
            let seen = (0..<3).flatMap { Array(order.batch(3 * epoch + $0)) }
            XCTAssertEqual(Set(seen).count, 9)
            XCTAssertTrue(seen.allSatisfy((0..<10).contains))
            XCTAssertEqual(order.epoch(of: 3 * epoch + 2), epoch)
            epochs.append(seen)
        }
        XCTAssertEqual(Set(epochs).count, 3)
        // Requested out of order, as by a resumed run.
        XCTAssertEqual(Array(order.batch(4)), Array(epochs[1][3..<6]))
    }

    /// The order of the authors' trainer, which takes the short last batch of each epoch too.
    func testEpochsInTheOrderOfTheFile() {
        var options = TrainOptions(data: "", output: "")
        (options.batchSize, options.epochs, options.shuffles, options.dropsLast) = (3, 2, false, false)
        XCTAssertEqual(options.batches(pairs: 10), 8)
        var order = BatchOrder(options, pairs: 10)
        let epoch = [[0, 1, 2], [3, 4, 5], [6, 7, 8], [9]]
        XCTAssertEqual((0..<8).map { Array(order.batch($0)) }, epoch + epoch)
        XCTAssertEqual((0..<8).map(order.epoch(of:)), [0, 0, 0, 0, 1, 1, 1, 1])
        options.dropsLast = true
        XCTAssertEqual(options.batches(pairs: 10), 6)
        options.dropsLast = false
        XCTAssertEqual(options.batches(pairs: 9), 6)
    }

    func testADamagedCheckpointIsNamedAndTheOneBeforeItUsed() throws {
        try writeDataset(count: 24)
        _ = try run(options("whole"))
        let damages: [(String, ([UInt8]) -> [UInt8])] = [
            (
                "one bit",
                { bytes in
                    var bytes = bytes
                    bytes[bytes.count - 5] ^= 1
                    return bytes
                }
            ),
            ("its end", { Array($0.dropLast(100)) }),
            ("its header", { [255] + $0.dropFirst() }),
            ("everything", { _ in [] }),
        ]
        for (index, damage) in damages.enumerated() {
            let name = "damaged\(index)"
            assertFails(.cancelled, "stopped") {
                _ = try self.run(options(name)) { event throws(DamaError) in
                    if case .progress(let progress) = event, progress.batch == 8 { throw .cancelled }
                }
            }
            let path = "\(name)/checkpoints/00000008.safetensors"
            try folder.write(damage.1(try bytes(path)), to: path)
            var notices: [String] = []
            _ = try run(options(name)) { event throws(DamaError) in
                if case .notice(let line) = event { notices.append(line) }
            }
            XCTAssertTrue(
                notices.contains { $0.contains(path) && $0.contains("previous checkpoint") }, "\(damage.0): \(notices)")
            XCTAssertTrue(notices.contains("resuming after batch 6 of 12"), "\(damage.0): \(notices)")
            try assertSame("whole", name)
        }
    }

    // Before the fix, a note with batch −5 or ±2^63 crashed the process, and 10^18 was taken for a finished job.
    func testANoteThatIsNotOfItsFileIsDamage() throws {
        try writeDataset(count: 24)
        _ = try run(options("whole"))
        let notes: [JSON] = [.int(-5), .double(0x1p63), .int(1_000_000_000_000_000_000), .int(6)]
        for (index, batch) in notes.enumerated() {
            let name = "note\(index)"
            assertFails(.cancelled, "stopped") {
                _ = try self.run(options(name)) { event throws(DamaError) in
                    if case .progress(let progress) = event, progress.batch == 8 { throw .cancelled }
                }
            }
            let path = "\(name)/checkpoints/00000008.safetensors"
            try CheckpointForger.change("\(folder.path)/\(path)") { state in
                state.setting("note", (state["note"] ?? .null).setting("batch", batch))
            }
            var notices: [String] = []
            _ = try run(options(name)) { event throws(DamaError) in
                if case .notice(let line) = event { notices.append(line) }
            }
            XCTAssertTrue(
                notices.contains { $0.contains(path) && $0.contains("is damaged: its note says batch") }, "\(notices)")
            XCTAssertTrue(notices.contains("resuming after batch 6 of 12"), "\(batch): \(notices)")
            try assertSame("whole", name)
        }
    }

    func testOnlyTheBatchOfTheFilesNameIsTaken() {
        let folder = CheckpointFolder(path: "checkpoints", limit: 1)
        XCTAssertNoThrow(try folder.check(["batch": 8], batch: 8, last: 12))
        XCTAssertNoThrow(try folder.check(["batch": 12], batch: 12, last: 12))
        let notes: [JSON] = [
            .int(-5), .int(.min), .int(.max), .double(0x1p63), .double(-0x1p63), .double(8.5), .int(0), .int(7), .null,
            "8",
        ]
        for note in notes {
            assertFails(.model, "is damaged: its note says batch") {
                try folder.check(["batch": note], batch: 8, last: 12)
            }
        }
        for batch in [-5, 0, 13, .max, .min] {
            assertFails(.model, "and the job has 12") {
                try folder.check(["batch": .int(Int64(batch))], batch: batch, last: 12)
            }
        }
    }

    /// A checkpoint of a later batch than the job has is treated as damaged, whatever its file name.
    func testACheckpointBehindTheEndIsDamage() throws {
        try writeDataset(count: 24)
        assertFails(.cancelled, "stopped") {
            _ = try self.run(options("late")) { event throws(DamaError) in
                if case .progress(let progress) = event, progress.batch == 8 { throw .cancelled }
            }
        }
        let folder = "\(self.folder.path)/late/checkpoints"
        for batch in [14, 1_000_000_000_000_000_000] {
            let path = CheckpointFolder(path: folder, limit: 9).file(batch)
            try FileManager.default.copyItem(atPath: "\(folder)/00000008.safetensors", toPath: path)
            try CheckpointForger.change(path) { state in
                state.setting("note", (state["note"] ?? .null).setting("batch", .int(Int64(batch))))
            }
        }
        var notices: [String] = []
        _ = try run(options("late")) { event throws(DamaError) in
            if case .notice(let line) = event { notices.append(line) }
        }
        XCTAssertEqual(notices.filter { $0.contains("and the job has 12") }.count, 2, "\(notices)")
        XCTAssertTrue(notices.contains("resuming after batch 8 of 12"), "\(notices)")
    }

    func testOnlyTheLastCheckpointsAreKept() throws {
        try writeDataset(count: 24)
        var options = options()
        options.checkpointsKept = 3
        _ = try run(options)
        XCTAssertEqual(CheckpointFolder(path: folder.path + "/out/checkpoints", limit: 3).batches, [12, 10, 8])
    }

    func testAnotherJobIsNotReplacedUnasked() throws {
        try writeDataset(count: 24)
        _ = try run(options())
        var other = options()
        other.method.beta = 0.3
        assertFails(.invalidArgument, "method.beta 0.1 instead of 0.3") { _ = try self.run(other) }
        other.restart = true
        XCTAssertFalse(try run(other).wasComplete)
        // Unfinished jobs too.
        assertFails(.cancelled, "stopped") {
            _ = try self.run(options("half")) { event throws(DamaError) in
                if case .progress = event { throw .cancelled }
            }
        }
        var half = options("half")
        half.optimizer.learningRate = 1
        assertFails(.invalidArgument, "optimizer.learning_rate 0.001 instead of 1.0") { _ = try self.run(half) }
    }

    /// Settings written by 0.1.0, as texts of Swift properties, cannot be compared with the current ones.
    func testAJobOfAnOlderVersionIsNotReplacedUnasked() throws {
        try writeDataset(count: 24)
        _ = try run(options())
        let path = folder.path + "/out/summary.json"
        func old(_ json: JSON) -> JSON {
            guard let object = json.object else { return json }
            return .object(
                JSONObject(object.members.map { ($0.key, $0.key == "format" && $0.value == 2 ? 1 : old($0.value)) }))
        }
        try Files.writeAtomically(Array(old(try Files.readJSON(path)).text.utf8), to: path)
        assertFails(.invalidArgument, "older or newer version of libdama") { _ = try self.run(self.options()) }
        var again = options()
        again.restart = true
        XCTAssertFalse(try run(again).wasComplete)
    }

    // MARK: Data

    func testRowsThatCannotBeTrainedOnAreSetAside() throws {
        try writeDataset(count: 12)
        var rows = String(decoding: try bytes("pairs.jsonl"), as: UTF8.self)
        rows += #"{"idx":"unscored","image":"image.png","question":"q","chosen":"red","rejected":"blue"}"# + "\n"
        rows += #"{"idx":"gone","image":"none.png","question":"q","chosen":"red","rejected":"blue"}"# + "\n{broken\n"
        try folder.write(Array(rows.utf8), to: "pairs.jsonl")
        let summary = try run(options())
        XCTAssertEqual(summary.pairs, 12)
        XCTAssertEqual(summary.rowsRejected, 3)
        let rejects = try bytes("out/rejects.jsonl").split(separator: 0x0A).map { try JSON(parsing: $0) }
        XCTAssertEqual(rejects.map { $0["kind"]?.string }, ["no_score", "image_missing", "invalid_json"])
        XCTAssertEqual(rejects.map { $0["line"]?.int }, [13, 14, 15])
        var strict = options("strict")
        strict.maximumRejected = 2
        assertFails(.model, "3 rows of") { _ = try self.run(strict) }
    }

    func testAReferenceOfOtherDataIsFoundOut() throws {
        try writeDataset(count: 12)
        var job = ReferenceOptions(data: folder.path + "/pairs.jsonl", output: folder.path + "/reference.jsonl")
        job.rows.blockRows = 4
        _ = try ReferenceJob(job, policy: policy()).run()
        var options = options()
        options.reference = job.rows.output
        XCTAssertEqual(try run(options).pairs, 12)
        var rows = try bytes("pairs.jsonl").split(separator: 0x0A).map(Array.init)
        rows[7] = Array(
            #"{"idx":7,"image":"image.png","question":"what 1","chosen":"red square","rejected":"blue"}"#.utf8)
        try folder.write(Array(rows.joined(separator: [0x0A])), to: "pairs.jsonl")
        options.output = folder.path + "/other"
        assertFails(.invalidArgument, "pair 7 was computed with the key") { _ = try self.run(options) }
        // A pair that the cache does not hold is rejected.
        rows[7] = Array(#"{"idx":"new","image":"image.png","question":"q","chosen":"red","rejected":"blue"}"#.utf8)
        try folder.write(Array(rows.joined(separator: [0x0A])), to: "pairs.jsonl")
        let summary = try run(options)
        XCTAssertEqual(summary.pairs, 11)
        XCTAssertEqual(summary.rowsRejected, 1)
        let reject = try JSON(parsing: bytes("other/rejects.jsonl"))
        XCTAssertEqual(reject["kind"], "no_reference")
        XCTAssertEqual(reject["id"], "new")
    }

    /// The `logps` of the dataset itself serve as the reference, by id.
    func testLogpsInTheDataServeAsReference() throws {
        try writeDataset(count: 8)
        var options = options("computed")
        _ = try run(options)
        let lines = try bytes("computed/reference.jsonl").split(separator: 0x0A).map { try JSON(parsing: $0) }
        var rows: [String] = []
        for (row, line) in zip(try bytes("pairs.jsonl").split(separator: 0x0A), lines) {
            let members = try XCTUnwrap(JSON(parsing: row).object).members
            func fields(_ name: String) throws -> [JSON] {
                let part = try XCTUnwrap(line[name])
                return [part["sum"] ?? .null, part["mean"] ?? .null, part["tokens"] ?? .null]
            }
            let logps = JSON.array(try fields("chosen") + fields("rejected")).text
            rows.append(JSON.object(JSONObject(members + [("logps", .string(logps))])).text)
        }
        try folder.write(Array(rows.joined(separator: "\n").utf8), to: "with_logps.jsonl")
        options.data = folder.path + "/with_logps.jsonl"
        options.reference = options.data
        options.output = folder.path + "/given"
        _ = try run(options)
        XCTAssertEqual(
            try bytes("computed/model/model.safetensors"), try bytes("given/model/model.safetensors"))
    }

    func testWhatDoesNotGoTogetherIsRefused() throws {
        try writeDataset(count: 6)
        let changes: [(String, (inout TrainOptions) -> Void)] = [
            ("fewer than batch_size, 16", { $0.batchSize = 16 }), ("method.keep is 5", { $0.method.keep = .count(5) }),
            ("it requires trainable: lora", { $0.export = .adapter }), ("epochs is 0", { $0.epochs = 0 }),
            ("no weight matches nothing.*", { $0.trainable = .patterns(["nothing.*"]) }),
            ("the dataset is missing", { $0.data = "" }), ("the output is missing", { $0.output = "" }),
            ("checkpoint.keep is 0", { $0.checkpointsKept = 0 }), ("beta1 is 1.0", { $0.optimizer.beta1 = 1 }),
            ("beta is -1.0", { $0.method.beta = -1 }),
        ]
        for (text, change) in changes {
            var options = options("refused")
            change(&options)
            assertFails(.invalidArgument, text) { _ = try self.run(options) }
        }
    }

    /// If the disk is full when a checkpoint is saved, the previous one survives, and the job resumes once there is
    /// space.
    func testAFullDiskLeavesTheEarlierCheckpoint() throws {
        try writeDataset(count: 24)
        _ = try run(options("whole"))
        signal(SIGXFSZ, SIG_IGN)
        defer { signal(SIGXFSZ, SIG_DFL) }
        var old = rlimit()
        getrlimit(__rlimit_resource_t(RLIMIT_FSIZE.rawValue), &old)
        defer { setrlimit(__rlimit_resource_t(RLIMIT_FSIZE.rawValue), &old) }
        // Checkpoints are the largest files; a limit below their size simulates a full disk.
        assertFails(.io, "File too large") {
            _ = try self.run(options()) { event throws(DamaError) in
                guard case .progress(let progress) = event, progress.batch == 5 else { return }
                var small = old
                small.rlim_cur = 20_000
                setrlimit(__rlimit_resource_t(RLIMIT_FSIZE.rawValue), &small)
            }
        }
        setrlimit(__rlimit_resource_t(RLIMIT_FSIZE.rawValue), &old)
        XCTAssertEqual(CheckpointFolder(path: folder.path + "/out/checkpoints", limit: 2).batches, [4, 2])
        XCTAssertEqual(try Files.names(in: folder.path + "/out/checkpoints").filter { $0.contains("tmp") }, [])
        _ = try run(options())
        try assertSame("whole", "out")
    }
}
