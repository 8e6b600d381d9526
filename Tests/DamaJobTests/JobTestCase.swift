import Dama
import DamaTestSupport
import JobTestSupport
import XCTest

/// Provides a folder for each test, and helpers that run a job in it.
class JobTestCase: XCTestCase {
    private(set) var folder: TemporaryDirectory!

    override func setUpWithError() throws {
        folder = try TemporaryDirectory()
        try FileManager.default.createDirectory(
            atPath: folder.path + "/images", withIntermediateDirectories: true)
    }

    func options(_ output: String = "scores.jsonl") -> ScoreOptions {
        var options = ScoreOptions(
            data: folder.path + "/pairs.jsonl", output: "\(folder.path)/\(output)")
        options.rows.blockRows = 4
        return options
    }

    @discardableResult
    func run(
        _ options: ScoreOptions, encoder: AngleEncoder = AngleEncoder(),
        splitter: String = "full stops",
        observer: @escaping JobObserver = { _ in }
    ) throws -> ScoreSummary {
        try ScoreJob(options, encoder: encoder, splitter: FullStopSplitter(name: splitter)).run(
            observer: observer)
    }

    func bytes(_ name: String) throws -> [UInt8] { try Files.read("\(folder.path)/\(name)") }

    func rows(_ name: String = "scores.jsonl") throws -> [JSON] {
        try bytes(name).split(separator: 0x0A).map { try JSON(parsing: $0) }
    }

    func write(_ text: String, to name: String = "pairs.jsonl") throws {
        try folder.write(Array(text.utf8), to: name)
    }

    func exists(_ name: String) -> Bool { Files.exists("\(folder.path)/\(name)") }
}
