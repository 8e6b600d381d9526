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
}
