import DamaTestSupport
import Foundation
import XCTest

@testable import Dama

/// The rows that the authors' trainer takes. The log-probabilities are transformers' (DamaModelsTests/Fixtures/llava).
final class ReleasedFormatTests: XCTestCase {
    override class func setUp() { TestRuntime.configure() }

    private static let models =
        URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .path + "/DamaModelsTests/Fixtures/llava"

    private let constant = 0.0482190464911681

    /// Rows with fields that the trainer needs and the job does not, three that the format has no place for, and their
    /// scores.
    private func job(_ folder: TemporaryDirectory) throws -> (options: ReferenceOptions, pairs: [JSON]) {
        try FileManager.default.copyItem(atPath: Self.models + "/image.png", toPath: folder.path + "/image.png")
        let pairs = try XCTUnwrap(Files.readJSON(Self.models + "/default/expected.json").array)
        var rows: [JSON] = []
        var scores: [String] = []
        for (index, pair) in pairs.enumerated() {
            rows.append([
                "id": .int(Int64(index)), "image": "image.png", "prompt": pair["prompt"] ?? .null,
                "chosen": [["role": "assistant", "content": pair["chosen"] ?? .null]],
                "rejected": pair["rejected"] ?? .null, "origin_split": "{\"model\":\"x\"}", "logps": "[]",
            ])
            let (a, b) = ([0.5, 0.125 * Double(index)], [0.25])
            func list(_ values: [Double]) -> String {
                values.map { #"{"text":"t","score":1,"probability":\#($0)}"# }.joined(separator: ",")
            }
            scores.append(
                #"{"id":\#(index),"delta":0,"alpha_data":1,"chosen":[\#(list(a))],"rejected":[\#(list(b))],"flags":[]}"#
            )
        }
        let embedded = try base64(folder.path + "/image.png")
        let more: [JSON] = [
            ["id": "no score", "image": "image.png", "prompt": "q", "chosen": "a", "rejected": "b"],
            [
                "id": 0, "image": "image.png", "chosen": "a", "rejected": "b",
                "prompt": [["role": "system", "content": "s"], ["role": "user", "content": "q"]],
            ],
            [
                "id": 1, "image": .string("data:image/png;base64,\(embedded)"), "prompt": "q",
                "chosen": "a", "rejected": "b",
            ],
        ]
        try folder.write(JSON.array(rows + more).text.utf8, to: "pairs.json")
        try folder.write(scores.joined(separator: "\n").utf8, to: "scores.jsonl")
        var options = ReferenceOptions(data: folder.path + "/pairs.json", output: folder.path + "/released.json")
        options.format = .released
        options.scores = folder.path + "/scores.jsonl"
        return (options, pairs)
    }

    private func base64(_ path: String) throws -> String {
        try Data(contentsOf: URL(fileURLWithPath: path)).base64EncodedString()
    }

    private func policy() throws -> Policy {
        var options = PolicyOptions()
        options.template = "vicuna_v1"
        return try Policy(directory: Self.models + "/default", options: options)
    }

    func testTheRowsAreTheTrainers() throws {
        let folder = try TemporaryDirectory()
        let (options, pairs) = try job(folder)
        let policy = try policy()
        let summary = try ReferenceJob(options, policy: policy).run()
        XCTAssertEqual([summary.rows, summary.rowsRejected], [pairs.count + 3, 3])
        let rejects = try String(contentsOfFile: folder.path + "/released.rejects.jsonl", encoding: .utf8)
        for reason in ["no line for this id", "holds one question", "write embedded images to files"] {
            XCTAssertTrue(rejects.contains(reason), "\(rejects) lacks \(reason)")
        }

        let rows = try XCTUnwrap(Files.readJSON(options.rows.output).array)
        XCTAssertEqual(rows.count, pairs.count)
        for (index, (row, pair)) in zip(rows, pairs).enumerated() {
            XCTAssertEqual(row["idx"], .int(Int64(index)))
            XCTAssertEqual(row["image_path"], "image.png")
            XCTAssertEqual(row["chosen"], pair["chosen"])
            XCTAssertEqual(row["rejected"], pair["rejected"])
            // The trainer puts the mark before the question.
            let question = try XCTUnwrap(pair["prompt"]?.string).replacingOccurrences(of: "<image>\n", with: "")
            XCTAssertEqual(row["question"]?.string, question)
            XCTAssertEqual(row["origin_dataset"], "")
            XCTAssertEqual(row["origin_split"]?.string, "{\"model\":\"x\"}")
            XCTAssertEqual(row["chosen_logits"]?.string, "[0.5,\(0.125 * Double(index))]")
            XCTAssertEqual(row["rejected_logits"]?.string, "[0.25]")

            let logps = try JSON(parsing: XCTUnwrap(row["logps"]?.string).utf8)
            let fields = try XCTUnwrap(logps["logps"]?.array)
            XCTAssertEqual(fields.count, 6)
            for (start, key) in [(0, "chosen_logps"), (3, "rejected_logps")] {
                let expected = try XCTUnwrap(pair[key]?.array).compactMap(\.double)
                let sum = expected.reduce(0, +)
                // fp32 on both sides; see PolicyTests.
                XCTAssertEqual(try XCTUnwrap(fields[start].double), sum, accuracy: 1e-3)
                XCTAssertEqual(
                    try XCTUnwrap(fields[start + 1].double), sum / Double(expected.count), accuracy: 1e-4)
                let list = try XCTUnwrap(fields[start + 2].array).compactMap(\.double)
                for (a, b) in zip(list.suffix(expected.count), expected) { XCTAssertEqual(a, b, accuracy: 1e-4) }
                let zeros = list.dropLast(expected.count)
                XCTAssertTrue(zeros.allSatisfy { $0 == 0 })
                // One number for each position of the image-expanded sequence after the first.
                let prepared = try policy.prepare(
                    PreferencePair(
                        image: .path(folder.path + "/image.png"), prompt: question,
                        chosen: XCTUnwrap(pair["chosen"]?.string), rejected: XCTUnwrap(pair["rejected"]?.string)))
                XCTAssertEqual(zeros.count, prepared.sequence.prefixLength - 1)
                // Their assertion: len(list) ≥ len(input_ids) − 1, where the image is one token and here 16.
                XCTAssertGreaterThanOrEqual(list.count, prepared.sequence.prefixLength - 15 + expected.count - 1)
            }
        }
    }

    /// The file is a dataset that holds its own reference and its own scores.
    func testTheRowsAreReadBack() throws {
        let folder = try TemporaryDirectory()
        let (options, pairs) = try job(folder)
        try ReferenceJob(options, policy: policy()).run()
        let reference = try ReferenceSource(dataset: options.rows.output, fields: FieldNames())
        let scores = try ScoreTable(dataset: options.rows.output, fields: FieldNames(), meanDelta: constant)
        let ownMean = try ScoreTable(dataset: options.rows.output, fields: FieldNames())
        func sigmoid(_ x: Double) -> Double { 1 / (1 + exp(-x)) }
        let deltas = pairs.indices.map { 0.5 + 0.125 * Double($0) - 0.25 }
        let mean = deltas.reduce(0, +) / Double(deltas.count)
        for (index, pair) in pairs.enumerated() {
            let id = JSON.int(Int64(index))
            let found = try XCTUnwrap(reference.entry(key: "", id: id)).logProbabilities
            let chosen = try XCTUnwrap(pair["chosen_logps"]?.array).compactMap(\.double)
            XCTAssertEqual(found.chosen.count, chosen.count)
            XCTAssertEqual(found.chosen.sum, chosen.reduce(0, +), accuracy: 1e-3)
            // Eq. (7) with the authors' constant, and with the mean of the data.
            let alpha = try XCTUnwrap(scores[id]).alphaData
            XCTAssertEqual(alpha, sigmoid(deltas[index]) / sigmoid(constant), accuracy: 1e-12)
            XCTAssertEqual(
                try XCTUnwrap(ownMean[id]).alphaData, sigmoid(deltas[index]) / sigmoid(mean), accuracy: 1e-12)
        }
        try folder.write(Array(#"[{"idx":1,"chosen_logits":"[0.5,","rejected_logits":"[1]"}]"#.utf8), to: "bad.json")
        assertFails(.model, "bad.json, line 1: chosen_logits is not the text of a list") {
            _ = try ScoreTable(dataset: folder.path + "/bad.json", fields: FieldNames())
        }
        assertFails(.model, "has no row with \"chosen_logits\"") {
            _ = try ScoreTable(dataset: options.rows.data, fields: FieldNames())
        }
    }

    func testAKilledJobGoesOn() throws {
        let folder = try TemporaryDirectory()
        var (options, _) = try job(folder)
        options.rows.blockRows = 1
        try ReferenceJob(options, policy: policy()).run()
        let whole = try Files.read(options.rows.output)
        options.rows.output = folder.path + "/again.json"
        assertFails(.cancelled, "stopped") {
            try ReferenceJob(options, policy: self.policy()).run { progress throws(DamaError) in
                if progress.rowsDone == 2 { throw DamaError.cancelled }
            }
        }
        try ReferenceJob(options, policy: policy()).run()
        XCTAssertEqual(try Files.read(options.rows.output), whole)
        // Other scores are another job.
        try folder.write(Array(#"{"id":0,"delta":0,"alpha_data":1}"#.utf8), to: "scores.jsonl")
        assertFails(.invalidArgument, "scores") { try ReferenceJob(options, policy: self.policy()).run() }
        options.format = .full
        assertFails(.invalidArgument, "scores belong to the format \"released\"") {
            try ReferenceJob(options, policy: self.policy()).run()
        }
    }
}
