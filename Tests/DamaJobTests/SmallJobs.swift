import DamaTestSupport
import Foundation
import JobTestSupport
import XCTest

@testable import Dama

/// A job of each kind that finishes quickly, for tests that run it very often.
struct SmallJob {
    let name: String
    /// The files in the output folder that are the same after every completed run.
    let results: [String]
    /// Runs the job to completion; it writes only in `folder`.
    let run: (_ folder: String) throws -> Void

    /// The expected files in `folder`, by name; without the times in a training's metrics.
    func contents(of folder: String) throws -> [String: [UInt8]] {
        var contents: [String: [UInt8]] = [:]
        for name in results {
            var bytes = try Files.read("\(folder)/\(name)")
            if name.hasSuffix("metrics.jsonl") { bytes = try Self.withoutTimes(bytes) }
            contents[name] = bytes
        }
        return contents
    }

    private static func withoutTimes(_ metrics: [UInt8]) throws -> [UInt8] {
        try metrics.split(separator: 0x0A).flatMap { line in
            let members = try JSON(parsing: line).object?.members.filter { $0.key != "seconds" } ?? []
            return Array("\(JSON.object(JSONObject(members)).text)\n".utf8)
        }
    }

    private static let rowResults = ["out.jsonl", "out.rejects.jsonl", "out.summary.json"]

    // MARK: The jobs

    /// Thirteen rows in blocks of two, with a cache so small that its ring wraps around.
    static func score(_ inputs: String) throws -> SmallJob {
        try Dataset(count: 12, seed: 4).write(to: inputs, bad: true)
        return SmallJob(name: "score", results: rowResults + ["out.html"]) { folder in
            var options = ScoreOptions(data: inputs + "/pairs.jsonl", output: folder + "/out.jsonl")
            options.rows.blockRows = 2
            options.rows.workers = 1
            options.cacheBytes = 3000
            options.report = folder + "/out.html"
            try ScoreJob(options, encoder: AngleEncoder(noise: 1e-3), splitter: FullStopSplitter(name: "full stops"))
                .run()
        }
    }

    private static let models =
        URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .path + "/DamaModelsTests/Fixtures/llava"

    /// Rows for a small LLaVA; the last one is rejected.
    private static func writePairs(_ inputs: String, count: Int) throws -> Policy {
        try? FileManager.default.copyItem(atPath: models + "/image.png", toPath: inputs + "/image.png")
        let rows = (0..<count).map { index in
            let words = ["red", "blue", "circle", "square", "left"]
            return #"{"idx":\#(index),"image":"image.png","question":"what","chosen":"\#(words[index % 5])","#
                + #""rejected":"\#(words[(index + 1) % 5]) \#(words[(index + 2) % 5])"}"#
        }
        let text = (rows + ["{broken"]).joined(separator: "\n")
        try Files.writeAtomically(Array(text.utf8), to: inputs + "/pairs.jsonl")
        return try Policy(directory: models + "/default")
    }

    static func reference(_ inputs: String) throws -> SmallJob {
        let policy = try writePairs(inputs, count: 9)
        return SmallJob(name: "reference", results: rowResults) { folder in
            var options = ReferenceOptions(data: inputs + "/pairs.jsonl", output: folder + "/out.jsonl")
            options.rows.blockRows = 1
            options.rows.workers = 1
            try ReferenceJob(options, policy: policy).run()
        }
    }

    static func generate(_ inputs: String) throws -> SmallJob {
        let policy = try writePairs(inputs, count: 9)
        return SmallJob(name: "generate", results: rowResults) { folder in
            var options = GenerateOptions(data: inputs + "/pairs.jsonl", output: folder + "/out.jsonl")
            options.rows.blockRows = 1
            options.rows.workers = 1
            options.generation.maximumTokens = 2
            try GenerateJob(options, policy: policy).run()
        }
    }

    /// Answers to ten questions, among them a second one to a question, and one to no question.
    static func evaluate(_ inputs: String) throws -> SmallJob {
        let questions = (1...10).map { number in
            #"{"question_id":\#(number),"image":"\#(number).jpg","text":"Is it red?","#
                + #""label":"\#(number % 3 == 0 ? "no" : "yes")"}"#
        }
        let answers =
            [7, 2, 9, 2, 4, 10, 3, 11, 1, 8].map { number in
                #"{"id":\#(number),"response":"\#(number % 4 == 0 ? "No, it is not." : "Yes.")"}"#
            } + ["{broken"]
        let file = inputs + "/coco_pope_random.json"
        try Files.writeAtomically(Array(questions.joined(separator: "\n").utf8), to: file)
        try Files.writeAtomically(Array(answers.joined(separator: "\n").utf8), to: inputs + "/answers.jsonl")
        try EvaluationData.prepare(benchmark: "pope", from: [file], to: inputs + "/pope")
        return SmallJob(name: "evaluate", results: rowResults) { folder in
            var options = EvaluateOptions(
                benchmark: "pope", responses: inputs + "/answers.jsonl", data: inputs + "/pope",
                output: folder + "/out.jsonl")
            options.rows.blockRows = 1
            options.rows.workers = 1
            try EvaluateJob(options).run()
        }
    }

    /// Two batches with a checkpoint after each, after the reference log-probabilities of three pairs.
    static func train(_ inputs: String) throws -> SmallJob {
        let policy = try writePairs(inputs, count: 3)
        let results = [
            "model/model.safetensors", "model/dama_export.json", "metrics.jsonl", "summary.json", "rejects.jsonl",
        ].map { "out/\($0)" }
        return SmallJob(name: "train", results: results) { folder in
            var options = TrainOptions(data: inputs + "/pairs.jsonl", output: folder + "/out")
            options.batchSize = 3
            options.method.keep = .count(2)
            options.epochs = 2
            options.trainable = .projector
            options.optimizer.learningRate = 1e-3
            options.checkpointEvery = 1
            options.threads = 1
            try TrainJob(options, policy: policy).run()
        }
    }

    /// The merge of two shards, in blocks of one row.
    static func merge(_ inputs: String) throws -> SmallJob {
        try Dataset(count: 16, seed: 4).write(to: inputs, bad: true)
        for index in 0..<2 {
            var options = ScoreOptions(data: inputs + "/pairs.jsonl", output: inputs + "/in.jsonl")
            options.rows.blockRows = 2
            options.cacheRows = 2
            options.shard = Shard(index: index, count: 2)
            try ScoreJob(options, encoder: AngleEncoder(), splitter: FullStopSplitter(name: "full stops")).run()
        }
        return SmallJob(name: "merge", results: rowResults) { folder in
            var merge = ScoreMerge(
                output: folder + "/out.jsonl", shards: (0..<2).map { "\(inputs)/in.shard-\($0)-of-2.jsonl" })
            merge.blockRows = 1
            try merge.run()
        }
    }

    /// The jobs over rows.
    static var rowJobs: [(_ inputs: String) throws -> SmallJob] {
        [score, merge, reference, generate, evaluate]
    }
}
