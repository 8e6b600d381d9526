import DamaTestSupport
import JobTestSupport
import XCTest

@testable import Dama

/// Records with a valid checksum and contents that no job writes.
final class HostileJournalTests: JobTestCase {
    private func stored(_ head: UInt64) -> [UInt8] {
        var writer = ByteWriter()
        writer.append(head)
        return writer.bytes
    }

    // A count of embeddings near the 64-bit limit. Before the fix, adding one more crashed the process.
    func testACountOfEmbeddingsThatNoJobReaches() throws {
        for head in [UInt64.max, 0x8000_0000_0000_0000, 0x7FFF_FFFF_FFFF_FFFF, 0x20_0000_0000_0001] as [UInt64] {
            assertFails(.io, "restart the job") {
                _ = try EmbeddingCache(
                    path: "\(self.folder.path)/ring", dimension: 2, byteLimit: 10_000, stored: self.stored(head))
            }
        }
        assertFails(.invalidArgument, "cut short") {
            _ = try EmbeddingCache(
                path: "\(self.folder.path)/ring", dimension: 2, byteLimit: 10_000, stored: [1, 2, 3])
        }
    }

    func testACacheLargerThanAllMemory() {
        for limit in [1 << 48, Int.max] {
            assertFails(.outOfMemory, "the cache of embeddings") {
                _ = try EmbeddingCache(path: "\(self.folder.path)/ring", dimension: 2, byteLimit: limit, stored: [])
            }
        }
    }

    // A length of 1 GiB in a file of a few bytes. Before the fix, that much memory was allocated before the check.
    func testALengthThatTheFileHasNot() throws {
        let path = "\(folder.path)/journal"
        var journal = try RowJournal(path: path, settings: ["a": 1])
        try journal.append(BlockOutcome(rows: [.rejected([1, 2])], state: [], images: [[]]))
        var record = ByteWriter()
        record.append(UInt32(1) << 30)
        record.append(UInt32(0))
        try folder.write(try Files.read(path) + record.bytes + [1, 2, 3], to: "journal")
        let again = try RowJournal(path: path, settings: ["a": 1])
        XCTAssertEqual(again.rowCount, 1)
    }

    // A delta that is not a number. Before the fix, it made a range with unordered bounds, which crashed the process.
    func testADeltaThatIsNoNumber() throws {
        var row = ScoredRow(id: 1, hardness: PairHardness(delta: 0.5, chosen: [], rejected: []), flags: [])
        XCTAssertEqual(try StoredRow(decoding: row.encoded()).delta, 0.5)
        for delta in [Double.nan, .infinity, -.infinity] {
            row.hardness.delta = delta
            assertFails(.io, "delta") { _ = try StoredRow(decoding: row.encoded()) }
        }
    }

    // A summary with a negative number of rows. Before the fix, its conversion to a C result crashed the process.
    func testASummaryWithNegativeCounts() throws {
        try Dataset(count: 5).write(to: folder.path)
        try run(options())
        let whole = try JSON(parsing: bytes("scores.summary.json"))
        XCTAssertNotNil(ScoreSummary(json: whole))
        for key in ["rows", "scored", "rejected"] {
            let members = (whole.object?.members ?? []).filter { $0.key != key } + [(key: key, value: .int(-1))]
            XCTAssertNil(ScoreSummary(json: .object(JSONObject(members))), key)
        }
    }
}
