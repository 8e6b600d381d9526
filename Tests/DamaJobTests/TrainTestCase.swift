import Dama
import DamaTestSupport
import Foundation
import XCTest

/// A small LLaVA and a dataset for it, for the tests of training jobs.
class TrainTestCase: XCTestCase {
    private(set) var folder: TemporaryDirectory!
    static let model =
        URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .path + "/DamaModelsTests/Fixtures/llava"

    override func setUpWithError() throws {
        TestRuntime.configure()
        folder = try TemporaryDirectory()
        try FileManager.default.copyItem(atPath: Self.model + "/image.png", toPath: folder.path + "/image.png")
    }

    func policy() throws -> Policy { try Policy(directory: Self.model + "/default") }

    /// Rows of a few words each, with scores beside them.
    func writeDataset(count: Int) throws {
        let words = ["red", "blue", "circle", "square", "is", "the", "left", "of", "large", "small"]
        var generator = RandomGenerator(seed: 3)
        func text() -> String {
            (0..<4).map { _ in words[generator.uniform(below: words.count)] }.joined(separator: " ")
        }
        var rows = ""
        var scores = ""
        for index in 0..<count {
            let row: JSON = [
                "idx": .int(Int64(index)), "image": "image.png", "question": .string("what \(index % 3)"),
                "chosen": .string(text()), "rejected": .string(text()),
            ]
            rows += row.text + "\n"
            let delta = Double(index) / Double(count) - 0.5
            scores += #"{"id":\#(index),"delta":\#(delta),"alpha_data":\#(1 + delta / 2)}"# + "\n"
        }
        try folder.write(Array(rows.utf8), to: "pairs.jsonl")
        try folder.write(Array(scores.utf8), to: "scores.jsonl")
    }

    func options(_ output: String = "out") -> TrainOptions {
        var options = TrainOptions(data: folder.path + "/pairs.jsonl", output: "\(folder.path)/\(output)")
        options.scores = folder.path + "/scores.jsonl"
        options.batchSize = 4
        options.method.keep = .count(3)
        options.epochs = 2
        options.optimizer.learningRate = 1e-3
        options.checkpointEvery = 2
        options.seed = 5
        return options
    }

    func run(
        _ options: TrainOptions, observer: (TrainEvent) throws(DamaError) -> Void = { _ in }
    ) throws -> TrainSummary {
        try TrainJob(options, policy: policy()).run(observer: observer)
    }

    func bytes(_ name: String) throws -> [UInt8] { try Files.read("\(folder.path)/\(name)") }

    /// The lines of metrics.jsonl without the times.
    func metrics(_ output: String) throws -> [JSON] {
        try bytes("\(output)/metrics.jsonl").split(separator: 0x0A).map { line in
            let json = try JSON(parsing: line)
            return .object(JSONObject(try XCTUnwrap(json.object).members.filter { $0.key != "seconds" }))
        }
    }

    /// Asserts that two jobs ended with the same model and reported the same steps.
    func assertSame(_ a: String, _ b: String, file: StaticString = #filePath, line: UInt = #line) throws {
        XCTAssertEqual(
            try bytes("\(a)/model/model.safetensors"), try bytes("\(b)/model/model.safetensors"), file: file, line: line
        )
        XCTAssertEqual(try metrics(a), try metrics(b), file: file, line: line)
        XCTAssertEqual(try bytes("\(a)/summary.json"), try bytes("\(b)/summary.json"), file: file, line: line)
    }
}
