import DamaTestSupport
import JobTestSupport
import XCTest

@testable import Dama

/// Shards of a scoring job, and their merge. The encoder's answers depend on the batch, so equal bytes prove equal
/// batches.
final class ShardTests: JobTestCase {
    private let files = ["jsonl", "rejects.jsonl", "summary.json"]

    private func shardOptions(_ output: String, _ shard: Shard? = nil) -> ScoreOptions {
        var options = options(output)
        options.rows.blockRows = 2
        options.cacheRows = 5
        options.shard = shard
        return options
    }

    @discardableResult
    private func score(_ options: ScoreOptions, observer: @escaping JobObserver = { _ in }) throws -> ScoreSummary {
        try run(options, encoder: AngleEncoder(noise: 1e-3), observer: observer)
    }

    @discardableResult
    private func merge(
        _ output: String, _ shards: [String] = [], restart: Bool = false, observer: @escaping JobObserver = { _ in }
    ) throws -> ScoreSummary {
        var merge = ScoreMerge(
            output: "\(folder.path)/\(output)", shards: shards.map { "\(folder.path)/\($0)" }, restart: restart)
        merge.blockRows = 3
        return try merge.run(observer: observer)
    }

    private func assertSame(_ name: String, _ whole: String, _ message: String) throws {
        for file in files {
            XCTAssertEqual(
                String(decoding: try bytes("\(name).\(file)"), as: UTF8.self),
                String(decoding: try bytes("\(whole).\(file)"), as: UTF8.self), "\(message): \(file)")
        }
    }

    /// Forty-one rows in parts of six, every seventh invalid: shards with several parts, one, and none.
    func testTheMergeOfShardsIsOneRun() throws {
        try Dataset(count: 41, seed: 3).write(to: folder.path, bad: true)
        let whole = try score(shardOptions("whole.jsonl"))
        XCTAssertGreaterThan(whole.rowsRejected, 0)
        for count in [1, 2, 3, 7, 60] {
            for index in (0..<count).reversed() {
                try score(shardOptions("merged\(count).jsonl", Shard(index: index, count: count)))
            }
            let merged = try merge("merged\(count).jsonl")
            XCTAssertEqual(merged, whole)
            try assertSame("merged\(count)", "whole", "\(count) shards")
            XCTAssertFalse(exists("merged\(count).partial"))
        }
        XCTAssertEqual(try rows("merged60.shard-0-of-60.jsonl"), [])
    }

    func testAGivenMeanAndTheRatioOfScores() throws {
        try Dataset(count: 20, seed: 8).write(to: folder.path)
        func options(_ output: String, _ shard: Shard? = nil) -> ScoreOptions {
            var options = shardOptions(output, shard)
            options.meanDelta = 0.25
            options.deltaSource = .scores
            return options
        }
        try score(options("whole.jsonl"))
        for index in 0..<2 { try score(options("merged.jsonl", Shard(index: index, count: 2))) }
        try merge("merged.jsonl")
        try assertSame("merged", "whole", "scores")
    }

    /// Without parts a cache that spans the dataset makes other batches; parts are what makes shards equal.
    func testPartsMatterToTheNoisyEncoder() throws {
        try Dataset(count: 41, seed: 3).write(to: folder.path)
        try score(shardOptions("parts.jsonl"))
        var options = shardOptions("whole.jsonl")
        options.cacheRows = nil
        try score(options)
        XCTAssertNotEqual(try bytes("parts.jsonl"), try bytes("whole.jsonl"))
    }

    /// The rows of all shards are all rows, each once, and no two shards differ by more than one part.
    func testShardsDivideTheRows() {
        for (total, unit, count) in [(0, 4, 3), (1, 4, 3), (41, 6, 7), (41, 1, 7), (83_132, 4096, 64), (100, 7, 1000)] {
            let all = (0..<count).map { Shard(index: $0, count: count).rows(of: total, unit: unit) }
            XCTAssertEqual(all.first?.lowerBound, 0)
            XCTAssertEqual(all.last?.upperBound, total)
            for (shard, next) in zip(all, all.dropFirst()) {
                XCTAssertEqual(shard.upperBound, next.lowerBound)
                XCTAssertTrue(next.lowerBound == total || next.lowerBound % unit == 0)
            }
            let parts = all.map { ($0.count + unit - 1) / unit }
            XCTAssertLessThanOrEqual((parts.max() ?? 0) - (parts.min() ?? 0), 1)
        }
    }

    /// Stopped at every report in turn and resumed, a shard and the merge end with the same bytes.
    func testStoppedShardsAndMergesResume() throws {
        try Dataset(count: 41, seed: 6).write(to: folder.path, bad: true)
        try score(shardOptions("whole.jsonl"))
        var stops = 0
        func finish(_ body: (@escaping JobObserver) throws -> Void) throws {
            for patience in 1... {
                let seen = Recorder()
                do {
                    return try body { progress throws(DamaError) in
                        seen.append(progress)
                        if seen.all.count > patience { throw .cancelled }
                    }
                } catch let error as DamaError where error.code == .cancelled {
                    stops += 1
                }
            }
        }
        for index in 0..<2 {
            try finish {
                try self.score(self.shardOptions("merged.jsonl", Shard(index: index, count: 2)), observer: $0)
            }
        }
        XCTAssertGreaterThan(stops, 10)
        stops = 0
        try finish { try self.merge("merged.jsonl", observer: $0) }
        XCTAssertGreaterThan(stops, 4)
        try assertSame("merged", "whole", "resumed")
        XCTAssertTrue(try merge("merged.jsonl").wasComplete)
    }

    // MARK: Shards that do not fit

    private func threeShards(_ name: String = "s", _ change: (inout ScoreOptions) -> Void = { _ in }) throws {
        for index in 0..<3 {
            var options = shardOptions("\(name).jsonl", Shard(index: index, count: 3))
            change(&options)
            try score(options)
        }
    }

    private func name(_ index: Int, _ output: String = "s") -> String { "\(output).shard-\(index)-of-3.jsonl" }

    func testMissingAndDoubleShardsAreNamed() throws {
        try Dataset(count: 30).write(to: folder.path)
        try threeShards()
        assertFails(.invalidArgument, "of 3 shards these are missing: 0, 2") { try merge("s.jsonl", [name(1)]) }
        assertFails(.invalidArgument, "both shard 1 of 3; name it once") {
            try merge("s.jsonl", [0, 1, 2, 1].map { name($0) })
        }
        assertFails(.invalidArgument, "there are no shards beside") { try merge("none.jsonl") }
        try FileManager.default.removeItem(atPath: "\(folder.path)/\(name(2))")
        try FileManager.default.removeItem(atPath: "\(folder.path)/s.shard-2-of-3.summary.json")
        assertFails(.invalidArgument, "of 3 shards this is missing: 2; finish it first") { try merge("s.jsonl") }
        XCTAssertFalse(exists("s.jsonl"))
    }

    func testShardsOfOtherOptionsAndInputsAreNamed() throws {
        try Dataset(count: 30).write(to: folder.path)
        try threeShards()
        try threeShards("other") { $0.cacheRows = 7 }
        assertFails(.invalidArgument, "cache_rows 7 instead of 5") {
            try merge("s.jsonl", [name(0), name(1), name(2, "other")])
        }
        try threeShards("mean") { $0.meanDelta = 0.5 }
        assertFails(.invalidArgument, "mean_delta 0.5 instead of null") {
            try merge("s.jsonl", [name(0), name(1), name(2, "mean")])
        }
        try Dataset(count: 29).write(to: folder.path)
        try threeShards("input")
        assertFails(.invalidArgument, "input \"") { try merge("s.jsonl", [name(0), name(1), name(2, "input")]) }
        try score(shardOptions("two.jsonl", Shard(index: 1, count: 2)))
        assertFails(.invalidArgument, "one of 2 shards") {
            try merge("s.jsonl", [name(0, "input"), "two.shard-1-of-2.jsonl"])
        }
        try score(shardOptions("plain.jsonl"))
        assertFails(.invalidArgument, "is not the summary of a shard") { try merge("s.jsonl", ["plain.jsonl"]) }
        XCTAssertFalse(exists("s.jsonl"))
    }

    func testChangedShardsAndForeignFilesAreRefused() throws {
        try Dataset(count: 30).write(to: folder.path)
        try threeShards()
        try write("mine", to: "t.jsonl")
        assertFails(.invalidArgument, "no job of this kind wrote it") {
            try merge("t.jsonl", [0, 1, 2].map { name($0) })
        }
        XCTAssertEqual(try bytes("t.jsonl"), Array("mine".utf8))
        assertFails(.invalidArgument, "is itself a shard") { try merge(name(0), [0, 1, 2].map { name($0) }) }
        try write(String(decoding: try bytes(name(1)), as: UTF8.self) + "\n", to: name(1))
        assertFails(.invalidArgument, "has changed since it was computed") { try merge("s.jsonl") }
    }

    /// An unfinished run over all rows with the same output is not the merge's to discard.
    func testTheMergeKeepsAnUnfinishedRun() throws {
        try Dataset(count: 30).write(to: folder.path)
        try threeShards()
        XCTAssertThrowsError(
            try score(shardOptions("s.jsonl")) { progress throws(DamaError) in
                if progress.rowsDone > 3 { throw .cancelled }
            })
        let journal = try bytes("s.partial/journal")
        assertFails(.invalidArgument, "restart the job") { try merge("s.jsonl") }
        XCTAssertEqual(try bytes("s.partial/journal"), journal)
        try score(shardOptions("s.jsonl"))
    }

    func testWrongShards() throws {
        try Dataset(count: 4).write(to: folder.path)
        for (shard, message) in [
            (Shard(index: 3, count: 3), "shard is 3 of 3; shards count from 0, so expected 0 to 2"),
            (Shard(index: 1, count: 0), "shards is 0"),
            (Shard(index: -1, count: 2), "shard is -1"),
        ] {
            assertFails(.invalidArgument, message) { try score(shardOptions("s.jsonl", shard)) }
        }
        XCTAssertEqual(Shard("2/3"), Shard(index: 2, count: 3))
        for text in ["", "2", "2/", "/3", "2/3/4", "-1/3", "+1/3", "a/b"] { XCTAssertNil(Shard(text), text) }
    }

    /// An id with the text that α_D is written beside.
    func testAnIdThatLooksLikeALine() throws {
        try write("ANGLE 1", to: "a.txt")
        let row = #"{"idx": ",\"alpha_data\":null", "image": "a.txt", "chosen": "x @1", "rejected": "y @2"}"#
        try write("\(row)\n")
        try score(shardOptions("whole.jsonl"))
        try score(shardOptions("merged.jsonl", Shard(index: 0, count: 1)))
        try merge("merged.jsonl")
        try assertSame("merged", "whole", "id")
        XCTAssertNotNil(try rows("merged.jsonl")[0]["alpha_data"]?.double)
    }
}
