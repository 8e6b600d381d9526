import DamaTestSupport
import XCTest

@testable import Dama
@testable import DamaTraining

final class TrainDocumentationTests: XCTestCase {
    private func lines(_ page: String = "train.md") throws -> [Substring] {
        let docs =
            URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent().path + "/docs/\(page)"
        return String(decoding: try Files.read(docs), as: UTF8.self).split(
            separator: "\n", omittingEmptySubsequences: false)
    }

    /// The row on metrics.jsonl names every field of its lines, in their order.
    func testEveryMetricIsDescribed() throws {
        let row = try XCTUnwrap(lines().first { $0.hasPrefix("| `metrics.jsonl` |") })
        let fields = StepMetrics().json(batch: 1, epoch: 0).object?.members.map(\.key)
        XCTAssertEqual(
            row.split(separator: "`", omittingEmptySubsequences: false).enumerated()
                .filter { $0.offset % 2 == 1 }.dropFirst().map { String($0.element) }, fields)
    }

    /// Every configuration on these pages is one.
    func testConfigurationsAreRead() throws {
        for (page, count) in [("train.md", 1), ("migration.md", 3)] {
            let blocks = try lines(page).split { $0.hasPrefix("```") }
            let fences = try lines(page).filter { $0.hasPrefix("```") }
            let texts = zip(fences, blocks.dropFirst()).filter { $0.0 == "```yaml" }.map {
                $0.1.joined(separator: "\n")
            }
            XCTAssertEqual(texts.count, count, page)
            for text in texts { _ = try TrainSettings(yaml: text, place: page) }
        }
    }

    /// docs/train.md describes every field of a configuration.
    func testEveryFieldIsDescribed() throws {
        let lines = try lines()
        /// The names in the first column of the table with the header `head`.
        func described(_ head: String) -> Set<String> {
            guard let start = lines.firstIndex(where: { $0.hasPrefix("| \(head) | default |") }) else { return [] }
            let rows = lines[lines.index(start, offsetBy: 2)...].prefix { $0.hasPrefix("| `") }
            return Set(
                rows.flatMap { row in
                    row.split(separator: "|")[0].split(separator: ",").map { $0.filter { !"` ".contains($0) } }
                })
        }
        XCTAssertEqual(described("field"), Set(TrainSettings.table.names))
        for (section, fields) in TrainSettings.table.sections {
            XCTAssertEqual(described("`\(section)`"), Set(fields), section)
        }
        XCTAssertEqual(
            Set(TrainSettings.table.sections.map(\.0)),
            Set(["lora", "method", "optimizer", "schedule", "checkpoint", "export"]))
    }
}
