import Dama
import DamaTestSupport
import Foundation
import XCTest

/// Compares `Scorer.hardness` with the job's rows, on the committed CLIP.
final class ScorerHardnessJobTests: JobTestCase {
    override class func setUp() { TestRuntime.configure() }

    private static let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent().path

    private let pairs = [
        ("wide.jpg", "A red circle. A blue square is left of it. There are two stars.", "A green star."),
        ("tall.png", "The picture shows a yellow triangle.", "A red circle. A red circle. The circle is large!"),
        ("wide.jpg", "Nothing is there, but one blue square.", "A red circle. A small yellow star is above it."),
    ]

    /// With one row per block the batches are the same, so all bits are equal.
    func testHardnessIsTheRowOfTheJob() throws {
        let scorer = try Scorer(directory: Self.root + "/models/shapes-clip")
        for name in ["wide.jpg", "tall.png"] {
            try folder.write(
                Files.read("\(Self.root)/Tests/DamaModelsTests/Fixtures/clip/\(name)"), to: "images/\(name)")
        }
        let lines = pairs.map { image, chosen, rejected -> String in
            let row: JSON = [
                "image": .string("images/\(image)"), "chosen": .string(chosen), "rejected": .string(rejected),
            ]
            return row.text + "\n"
        }
        try write(lines.joined())
        for source in Hardness.DeltaSource.allCases {
            var options = options("\(source.rawValue).jsonl")
            options.rows.blockRows = 1
            options.cacheBytes = 0
            options.deltaSource = source
            _ = try ScoreJob(options, encoder: scorer.encoder).run()
            let rows = try rows("\(source.rawValue).jsonl")
            XCTAssertEqual(rows.count, pairs.count)
            for (row, (image, chosen, rejected)) in zip(rows, pairs) {
                let found = try scorer.hardness(
                    image: .path("\(folder.path)/images/\(image)"), chosen: chosen, rejected: rejected,
                    deltaSource: source)
                XCTAssertEqual(row["delta"]?.double?.bitPattern, found.delta.bitPattern)
                for (name, sentences) in [("chosen", found.chosen), ("rejected", found.rejected)] {
                    let written = try XCTUnwrap(row[name]?.array)
                    XCTAssertEqual(written.map { $0["text"]?.string }, sentences.map(\.text))
                    XCTAssertEqual(
                        written.map { $0["score"]?.double.map { Float($0).bitPattern } },
                        sentences.map(\.score.bitPattern))
                    XCTAssertEqual(
                        written.map { $0["probability"]?.double?.bitPattern }, sentences.map(\.probability.bitPattern))
                }
            }
        }
    }

    /// A batch of pairs is a job without a cache, to the last bit, in blocks of any size; bad pairs stand beside it.
    func testABatchOfPairsIsTheJob() throws {
        let scorer = try Scorer(directory: Self.root + "/models/shapes-clip")
        for name in ["wide.jpg", "tall.png"] {
            try folder.write(
                Files.read("\(Self.root)/Tests/DamaModelsTests/Fixtures/clip/\(name)"), to: "images/\(name)")
        }
        try write("no image", to: "images/broken.png")
        var given: [Scorer.ResponsePair] = []
        var lines = ""
        // The images' bytes, so that an image of several pairs is the same one for the job and the batch.
        for index in 0..<11 {
            let (image, chosen, rejected) = pairs[index % 3]
            let response = "\(chosen) There are \(index) rings."
            let row: JSON = [
                "image": .string("images/\(image)"), "chosen": .string(response), "rejected": .string(rejected),
            ]
            lines += row.text + "\n"
            given.append(
                Scorer.ResponsePair(image: .bytes(try bytes("images/\(image)")), chosen: response, rejected: rejected))
        }
        try write(lines)
        for block in [1, 4, 32] {
            var options = options("block\(block).jsonl")
            options.rows.blockRows = block
            options.cacheBytes = 0
            _ = try ScoreJob(options, encoder: scorer.encoder).run()
            let found = try scorer.hardness(of: given, blockPairs: block)
            let rows = try rows("block\(block).jsonl")
            XCTAssertEqual(rows.count, found.count)
            for (row, result) in zip(rows, found) {
                let hardness = try result.get().hardness
                XCTAssertEqual(row["delta"]?.double?.bitPattern, hardness.delta.bitPattern)
                XCTAssertEqual(
                    row["chosen"]?.array?.map { $0["score"]?.double.map { Float($0).bitPattern } },
                    hardness.chosen.map(\.score.bitPattern))
            }
        }
        let good = try scorer.hardness(of: Array(given.prefix(2)))
        let bad = [
            Scorer.ResponsePair(image: .path("\(folder.path)/images/broken.png"), chosen: "a", rejected: "b"),
            Scorer.ResponsePair(image: .path("\(folder.path)/none.png"), chosen: "a", rejected: "b"),
            Scorer.ResponsePair(image: given[0].image, chosen: " ", rejected: "b"),
        ]
        let mixed = try scorer.hardness(of: [given[0]] + bad + [given[1]])
        XCTAssertEqual([try mixed[0].get(), try mixed[4].get()], try good.map { try $0.get() })
        for (result, (code, text)) in zip(
            mixed[1...3],
            [(DamaError.Code.unsupported, "image"), (.io, "none.png"), (.invalidArgument, "has no words")])
        {
            assertFails(code, text) { _ = try result.get() }
        }
        XCTAssertEqual(try scorer.hardness(of: []).count, 0)
        assertFails(.invalidArgument, "block_pairs is 0") { _ = try scorer.hardness(of: [], blockPairs: 0) }
        let stop = StopSignal()
        stop.stop()
        assertFails(.cancelled, "stopped at the request") { _ = try scorer.hardness(of: given, stop: stop) }
    }
}
