import DamaTestSupport
import Foundation
import TrainingTestSupport
import XCTest

@testable import Dama

/// Held-out pairs of a training job, and the chosen response's likelihood.
final class HeldOutTests: TrainTestCase {
    /// Eight of forty rows as a file of their own; the training's rows are the other 32.
    private func writeParts() throws {
        try writeDataset(count: 40)
        let rows = try bytes("pairs.jsonl").split(separator: 0x0A).map { Array($0) + [0x0A] }
        try folder.write(rows[32...].flatMap { $0 }, to: "held.jsonl")
        try folder.write(rows[..<32].flatMap { $0 }, to: "pairs.jsonl")
    }

    /// The lines of metrics.jsonl with `eval`, and those without.
    private func lines(_ output: String) throws -> (eval: [JSON], steps: [JSON]) {
        let all = try metrics(output)
        return (all.filter { $0["eval"] != nil }, all.filter { $0["eval"] == nil })
    }

    private func heldOptions(_ output: String) -> TrainOptions {
        var options = options(output)
        options.evalData = folder.path + "/held.jsonl"
        options.evalEvery = 3
        return options
    }

    /// The same weights and steps, bit for bit, as without held-out pairs.
    func testHeldOutPairsDoNotInfluenceTheTraining() throws {
        try writeParts()
        _ = try run(options("plain"))
        var notices: [String] = []
        let summary = try run(heldOptions("held")) { event throws(DamaError) in
            if case .notice(let text) = event { notices.append(text) }
        }
        XCTAssertEqual(summary.batches, 16)
        XCTAssertEqual(try bytes("held/model/model.safetensors"), try bytes("plain/model/model.safetensors"))
        let found = try lines("held")
        XCTAssertEqual(found.steps, try metrics("plain"))
        // After every third batch, and at the end.
        XCTAssertEqual(found.eval.map { $0["batch"]?.int }, [3, 6, 9, 12, 15, 16])
        XCTAssertEqual(notices.count { $0.hasPrefix("held-out pairs after batch") }, 6)
        XCTAssertEqual(found.eval.map { $0["eval"]?["pairs"]?.int }, Array(repeating: 8, count: 6))
        // The reference's means do not change, the policy's do.
        XCTAssertEqual(Set(found.eval.map { $0["eval"]?["reference_chosen"]?.double }).count, 1)
        XCTAssertEqual(Set(found.eval.map { $0["eval"]?["logps_chosen"]?.double }).count, 6)
        XCTAssertTrue(FileManager.default.fileExists(atPath: folder.path + "/held/eval_reference.jsonl"))
    }

    /// The numbers at the end are those of the exported model and of the reference, computed anew.
    func testTheLastNumbersAreThoseOfTheExportedModel() throws {
        try writeParts()
        _ = try run(heldOptions("held"))
        let last = try XCTUnwrap(lines("held").eval.last?["eval"])
        let trained = try Policy(directory: folder.path + "/held/model")
        let reference = try policy()
        let image = ImageSource.path(folder.path + "/image.png")
        var margins: [Double] = []
        var chosen: [Double] = []
        var tokens = 0
        for line in try bytes("held.jsonl").split(separator: 0x0A) {
            let row = try JSON(parsing: line)
            let pair = PreferencePair(
                image: image, prompt: try XCTUnwrap(row["question"]?.string),
                chosen: try XCTUnwrap(row["chosen"]?.string), rejected: try XCTUnwrap(row["rejected"]?.string))
            let (a, b) = (try trained.logProbabilities([pair])[0], try reference.logProbabilities([pair])[0])
            margins.append(a.chosen.sum - b.chosen.sum - (a.rejected.sum - b.rejected.sum))
            chosen.append(a.chosen.sum)
            tokens += a.chosen.count
        }
        let count = Double(margins.count)
        let beta = options().method.beta
        // Other batches and graphs: single precision over sums of some five logarithms.
        XCTAssertEqual(try XCTUnwrap(last["margin"]?.double), margins.reduce(0, +) / count, accuracy: 1e-4)
        XCTAssertEqual(
            try XCTUnwrap(last["loss"]?.double), margins.map { log1p(exp(-beta * $0)) }.reduce(0, +) / count,
            accuracy: 1e-5)
        XCTAssertEqual(try XCTUnwrap(last["accuracy"]?.double), Double(margins.count { $0 > 0 }) / count)
        XCTAssertEqual(try XCTUnwrap(last["logps_chosen"]?.double), chosen.reduce(0, +) / count, accuracy: 1e-4)
        XCTAssertEqual(
            try XCTUnwrap(last["sft_loss"]?.double), -chosen.reduce(0, +) / Double(tokens), accuracy: 1e-4)
    }

    /// Stopped at every event in turn, the job ends with the same files, and the same best checkpoint.
    func testAResumedJobHasTheSameNumbers() throws {
        try writeParts()
        func options(_ output: String) -> TrainOptions {
            var options = heldOptions(output)
            options.maximumSteps = 8
            options.evalBest = .margin
            return options
        }
        _ = try run(options("whole"))
        var stops = 0
        for patience in 1... {
            var count = 0
            do {
                _ = try run(options("stopped")) { event throws(DamaError) in
                    if case .reference = event { return }
                    if case .notice(let text) = event, text.hasPrefix("resuming") { return }
                    count += 1
                    if count > patience % 2 { throw .cancelled }
                }
                break
            } catch let error as DamaError where error.code == .cancelled {
                stops += 1
                if stops > 60 { return XCTFail("no progress") }
            }
        }
        XCTAssertGreaterThan(stops, 3)
        try assertSame("whole", "stopped")
        XCTAssertEqual(
            try bytes("stopped/checkpoints/best.safetensors"), try bytes("whole/checkpoints/best.safetensors"))
    }

    /// A run that ended between a batch and its held-out pairs scores them when it is resumed.
    func testARunThatEndedBeforeItsHeldOutPairsScoresThem() throws {
        try writeParts()
        func options(_ output: String) -> TrainOptions {
            var options = heldOptions(output)
            options.maximumSteps = 5
            return options
        }
        _ = try run(options("whole"))
        assertFails(.cancelled, "stopped") {
            _ = try self.run(options("stopped")) { event throws(DamaError) in
                if case .progress(let progress) = event, progress.batch == 3 { throw .cancelled }
            }
        }
        // What such a run leaves behind: a checkpoint after batch 3 that notes no held-out pairs, and no line of them.
        try CheckpointForger.change(folder.path + "/stopped/checkpoints/00000003.safetensors") { state in
            let held = (state["note"]?["held_out"] ?? .null)
                .setting("evaluated", 0).setting("batch", .null).setting("value", .null)
            return state.setting("note", (state["note"] ?? .null).setting("held_out", held))
        }
        let lines = try bytes("stopped/metrics.jsonl").split(separator: 0x0A)
        XCTAssertEqual(lines.count, 4)
        try folder.write(lines.dropLast().flatMap { Array($0) + [0x0A] }, to: "stopped/metrics.jsonl")
        _ = try run(options("stopped"))
        try assertSame("whole", "stopped")
    }

    /// The best of the lines, the first of equal ones; the exported model is that of a job which ends there.
    func testTheBestCheckpointIsKeptAndExported() throws {
        try writeParts()
        for by in [TrainOptions.BestBy.loss, .accuracy, .margin] {
            func options(_ name: String) -> TrainOptions {
                var options = heldOptions("\(name)-\(by.rawValue)")
                options.evalEvery = 2
                // Large steps, so that the last is not always the best. A rate that does not depend on the job's length.
                options.optimizer.learningRate = 3e-2
                options.schedule = .constant
                options.warmUp = .steps(0)
                return options
            }
            var whole = options("whole")
            whole.evalBest = by
            whole.exportsBest = true
            _ = try run(whole)
            let evals = try lines("whole-\(by.rawValue)").eval
            let values = try evals.map { line in
                let value = try XCTUnwrap(line["eval"]?[by.rawValue]?.double)
                return by == .loss ? -value : value
            }
            let best = try XCTUnwrap(values.firstIndex(of: try XCTUnwrap(values.max())))
            let batch = try XCTUnwrap(evals[best]["batch"]?.int)
            let summary = try Files.readJSON(folder.path + "/whole-\(by.rawValue)/summary.json")
            XCTAssertEqual(summary["best_batch"]?.int, batch, by.rawValue)
            XCTAssertEqual(summary["steps"]?.int, 16)
            var short = options("short")
            short.evalBest = .none
            short.maximumSteps = batch
            _ = try run(short)
            XCTAssertEqual(
                try bytes("whole-\(by.rawValue)/model/model.safetensors"),
                try bytes("short-\(by.rawValue)/model/model.safetensors"))
            XCTAssertFalse(
                FileManager.default.fileExists(
                    atPath: folder.path + "/short-\(by.rawValue)/checkpoints/best.safetensors"))
        }
    }

    /// A share of the pairs: chosen by the seed, and the training is one over the others.
    func testAShareIsHeldOut() throws {
        try writeDataset(count: 40)
        var shared = options("shared")
        shared.evalShare = 0.2
        shared.evalEvery = 4
        shared.logsPairs = true
        let summary = try run(shared)
        XCTAssertEqual(summary.pairs, 32)
        let trained = Set(
            try bytes("shared/pairs.jsonl").split(separator: 0x0A).flatMap { line in
                try JSON(parsing: line)["id"]?.array?.compactMap(\.int) ?? []
            })
        XCTAssertEqual(trained.count, 32)
        XCTAssertEqual(try lines("shared").eval.last?["eval"]?["pairs"]?.int, 8)
        // A job over the others, with the held-out rows as a file, has the same numbers.
        let rows = try bytes("pairs.jsonl").split(separator: 0x0A).map { Array($0) + [0x0A] }
        try folder.write(rows.indices.filter { !trained.contains($0) }.flatMap { rows[$0] }, to: "held.jsonl")
        try folder.write(rows.indices.filter { trained.contains($0) }.flatMap { rows[$0] }, to: "rest.jsonl")
        var apart = options("apart")
        apart.data = folder.path + "/rest.jsonl"
        apart.evalData = folder.path + "/held.jsonl"
        apart.evalEvery = 4
        _ = try run(apart)
        XCTAssertEqual(try bytes("apart/model/model.safetensors"), try bytes("shared/model/model.safetensors"))
        XCTAssertEqual(try lines("apart").eval, try lines("shared").eval)
        var other = shared
        other.evalShare = 0.3
        assertFails(.invalidArgument, "eval_share 0.2 instead of 0.3") { _ = try self.run(other) }
    }

    func testWrongSettings() throws {
        try writeParts()
        func fails(_ text: String, _ change: (inout TrainOptions) -> Void) {
            assertFails(.invalidArgument, text) {
                var options = self.options("wrong")
                change(&options)
                _ = try self.run(options)
            }
        }
        for share in [0, 1, -0.5, .nan] {
            fails("eval_share is") { $0.evalShare = share }
        }
        fails("are both given") {
            $0.evalShare = 0.5
            $0.evalData = "held.jsonl"
        }
        fails("export.best needs held-out pairs") { $0.exportsBest = true }
        fails("leaves fewer than batch_size") { $0.evalShare = 0.95 }
        fails("sft_weight is -1") { $0.sftWeight = -1 }
        fails("eval_every is 0") {
            $0.evalData = self.folder.path + "/held.jsonl"
            $0.evalEvery = 0
        }
        try FileManager.default.createDirectory(atPath: folder.path + "/wrong", withIntermediateDirectories: true)
        try folder.write(try bytes("held.jsonl"), to: "wrong/metrics.jsonl")
        fails("is a file that the job writes") { $0.evalData = self.folder.path + "/wrong/metrics.jsonl" }
        assertFails(.io, "none.jsonl") {
            var options = self.options("none")
            options.evalData = self.folder.path + "/none.jsonl"
            _ = try self.run(options)
        }
    }

    /// The weight is part of the job; without one the job is the old one.
    func testTheLikelihoodsWeightIsASetting() throws {
        try writeParts()
        var options = options("sft")
        options.maximumSteps = 4
        _ = try run(options)
        let plain = try metrics("sft")
        let summary = try Files.readJSON(folder.path + "/sft/summary.json")
        XCTAssertNil(summary["settings"]?["training"]?["sft_weight"])
        options.sftWeight = 0.5
        assertFails(.invalidArgument, "sft_weight null instead of 0.5") { _ = try self.run(options) }
        options.restart = true
        _ = try run(options)
        let found = try metrics("sft")
        // Before the first update the two differ by the term alone.
        let (first, without) = (found[0], plain[0])
        XCTAssertEqual(first["sft_loss"], without["sft_loss"])
        XCTAssertEqual(
            try XCTUnwrap(first["loss"]?.double),
            try XCTUnwrap(without["loss"]?.double) + 0.5 * (try XCTUnwrap(first["sft_loss"]?.double)), accuracy: 1e-12)
        // The term raises the chosen responses' likelihood.
        XCTAssertGreaterThan(
            try XCTUnwrap(found[3]["logps_chosen"]?.double), try XCTUnwrap(plain[3]["logps_chosen"]?.double))
    }
}
