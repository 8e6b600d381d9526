import DamaTestSupport
import XCTest

@testable import Dama

final class TrainDocumentationTests: XCTestCase {
    /// docs/train.md describes every field of a configuration.
    func testEveryFieldIsDescribed() throws {
        let docs =
            URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent().path + "/docs/train.md"
        let lines = String(decoding: try Files.read(docs), as: UTF8.self).split(
            separator: "\n", omittingEmptySubsequences: false)
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
