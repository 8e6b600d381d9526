import Dama
import DamaTestSupport
import JobTestSupport
import XCTest

final class ResumeTests: JobTestCase {
    private let outputs = ["jsonl", "rejects.jsonl", "summary.json"]

    private func process(_ output: String, delay: Int) throws -> Process {
        let process = Process()
        process.executableURL = try Self.product("JobProcess")
        process.arguments = [folder.path, "\(folder.path)/\(output).jsonl", "\(delay)"]
        return process
    }

    /// A process killed at any moment and restarted produces the bytes of an uninterrupted one.
    func testKilledAtAnyMomentEndsWithTheSameBytes() throws {
        let dataset = Dataset(count: 120, seed: 5)
        try dataset.write(to: folder.path, bad: true)
        let whole = try process("whole", delay: 0)
        try whole.run()
        whole.waitUntilExit()
        XCTAssertEqual(whole.terminationStatus, 0)

        let seed = UInt64.random(in: 0...(.max))
        print("seed of the kills: \(seed)")
        var generator = RandomGenerator(seed: seed)
        var kills = 0
        for round in 0..<4 {
            for attempt in 1... {
                // About 280 steps of 1.5 ms each: killed after 5 to 150 of them, and also near the end. Later attempts
                // get more time, in case the machine is busy.
                let process = try process("killed\(round)", delay: 1500)
                try process.run()
                let time = 8_000 + generator.uniform(below: 250_000) * (1 + attempt / 10)
                let deadline = DispatchTime.now() + .microseconds(time)
                while process.isRunning && DispatchTime.now() < deadline { usleep(500) }
                if process.isRunning {
                    kill(process.processIdentifier, SIGKILL)
                    kills += 1
                }
                process.waitUntilExit()
                if process.terminationReason == .exit {
                    XCTAssertEqual(process.terminationStatus, 0)
                    break
                }
                XCTAssertLessThan(attempt, 200, "no progress")
            }
            for suffix in outputs {
                XCTAssertEqual(try bytes("killed\(round).\(suffix)"), try bytes("whole.\(suffix)"), suffix)
            }
            XCTAssertFalse(exists("killed\(round).partial"))
        }
        XCTAssertGreaterThan(kills, 6)
        print("killed \(kills) times")
    }

    /// Stopped at every step in turn, and resumed after each.
    func testStoppedAtEveryStepEndsWithTheSameBytes() throws {
        try Dataset(count: 41, seed: 6).write(to: folder.path, bad: true)
        func options(_ output: String) -> ScoreOptions {
            var options = self.options(output)
            options.cacheBytes = 7000
            options.imagesPerStep = 1
            options.sentencesPerStep = 2
            return options
        }
        try run(options("whole.jsonl"), encoder: AngleEncoder(noise: 1e-3))
        var stops = 0
        for patience in 1... {
            // The n-th run is stopped at its n-th report, so that every run gets a little further.
            let seen = Recorder()
            do {
                try run(options("stopped.jsonl"), encoder: AngleEncoder(noise: 1e-3)) {
                    progress throws(DamaError) in
                    seen.append(progress)
                    if seen.all.count > patience { throw .cancelled }
                }
                break
            } catch let error as DamaError where error.code == .cancelled {
                stops += 1
            }
        }
        XCTAssertGreaterThan(stops, 20)
        for suffix in outputs {
            XCTAssertEqual(try bytes("stopped.\(suffix)"), try bytes("whole.\(suffix)"), suffix)
        }
    }

    /// The test above is meaningful only if the encoder's answers depend on the batches.
    func testTheNoisyEncoderTellsBatchesApart() throws {
        try Dataset(count: 20).write(to: folder.path)
        try run(options("a.jsonl"), encoder: AngleEncoder(noise: 1e-3))
        var other = options("b.jsonl")
        other.sentencesPerStep = 7
        try run(other, encoder: AngleEncoder(noise: 1e-3))
        XCTAssertNotEqual(try bytes("a.jsonl"), try bytes("b.jsonl"))
    }

    /// An incomplete record at the journal's end and a damaged one are computed again.
    func testADamagedTailOfTheJournalIsComputedAgain() throws {
        try Dataset(count: 30).write(to: folder.path)
        try run(options("whole.jsonl"))
        for damage in 0..<3 {
            try stop(options("torn\(damage).jsonl"), afterRows: 16)
            let journal = "torn\(damage).partial/journal"
            var bytes = try bytes(journal)
            switch damage {
            case 0: bytes.removeLast(5)
            case 1: bytes[bytes.count - 30] ^= 1
            default: bytes += Array(repeating: 0, count: 5000)
            }
            try folder.write(bytes, to: journal)
            try run(options("torn\(damage).jsonl"))
            for suffix in outputs {
                XCTAssertEqual(try self.bytes("torn\(damage).\(suffix)"), try self.bytes("whole.\(suffix)"))
            }
        }
    }

    func testOtherSettingsAreRefusedByName() throws {
        try Dataset(count: 30).write(to: folder.path)
        try stop(options(), afterRows: 8)
        var other = options()
        other.deltaSource = .scores
        assertFails(.invalidArgument, "delta \"probabilities\" instead of \"scores\"") {
            try run(other)
        }
        other = options()
        other.rows.blockRows = 5
        assertFails(.invalidArgument, "block_rows 4 instead of 5") { try run(other) }
        other = options()
        other.fields = try FieldNames(mappings: ["question=q"])
        assertFails(.invalidArgument, "fields") { try run(other) }
        assertFails(.invalidArgument, "model \"angles\" instead of \"others\"") {
            try run(options(), encoder: AngleEncoder(fingerprint: "others"))
        }
        assertFails(.invalidArgument, "splitter \"full stops\" instead of \"llm\"") {
            try run(options(), splitter: "llm")
        }
        try Dataset(count: 31).write(to: folder.path)
        assertFails(.invalidArgument, "input ") { try run(options()) }
        other = options()
        other.rows.restart = true
        XCTAssertEqual(try run(other).rowsScored, 31)
    }

    func testAFinishedJobIsNotDoneAgainNorReplaced() throws {
        try Dataset(count: 10).write(to: folder.path)
        let first = try run(options())
        XCTAssertFalse(first.wasComplete)
        let encoder = AngleEncoder()
        var second = try run(options(), encoder: encoder)
        XCTAssertTrue(second.wasComplete)
        XCTAssertEqual(encoder.embedded.texts, 0)
        second.wasComplete = false
        XCTAssertEqual(second, first)
        var other = options()
        other.meanDelta = 0.5
        assertFails(.invalidArgument, "mean_delta null instead of 0.5") { try run(other) }
        XCTAssertFalse(exists("scores.partial"))
        try write("changed", to: "scores.jsonl")
        assertFails(.invalidArgument, "is not what") { try run(options()) }
        other.rows.restart = true
        XCTAssertEqual(try run(other).meanDeltaUsed, 0.5)
        try FileManager.default.removeItem(atPath: folder.path + "/scores.summary.json")
        assertFails(.invalidArgument, "exists and is not replaced") { try run(options()) }
    }

    // Before the fix, 82 of 200 rows came from images that were replaced between a kill and the next run.
    func testImagesThatChangeBetweenTwoRunsAreFound() throws {
        try Dataset(count: 30, seed: 2).write(to: folder.path, bad: true)
        try run(options("whole.jsonl"))
        try stop(options(), afterRows: 16)
        // The image of the first row, which is already done.
        let first = try XCTUnwrap(bytes("pairs.jsonl").split(separator: 0x0A).first)
        let image = try XCTUnwrap(JSON(parsing: first)["image"]?.string)
        let original = try bytes(image)
        try write("ANGLE 0.125", to: image)
        assertFails(.invalidArgument, "row 1 was computed from another image: image \"\(image)\" has other contents") {
            try run(options())
        }
        try FileManager.default.removeItem(atPath: "\(folder.path)/\(image)")
        assertFails(.invalidArgument, "row 1 was computed from another image: image \"\(image)\" does not exist") {
            try run(options())
        }
        // Restored with other times: the same image.
        try folder.write(original, to: image)
        // An image that was missing when its row was processed.
        try write("ANGLE 1", to: "none.txt")
        assertFails(.invalidArgument, "image \"none.txt\" could not be read before and can be read now") {
            try run(options())
        }
        try FileManager.default.removeItem(atPath: "\(folder.path)/none.txt")
        try run(options())
        for suffix in outputs { XCTAssertEqual(try bytes("scores.\(suffix)"), try bytes("whole.\(suffix)"), suffix) }
    }

    func testOneProcessAtATime() throws {
        try Dataset(count: 30).write(to: folder.path)
        let job = options()
        try run(job) { progress throws(DamaError) in
            guard progress.phase == .computing, progress.rowsDone == 8 else { return }
            assertFails(.io, "another process is writing this output") { try self.run(job) }
        }
    }

    /// Runs a job and stops it once `rows` rows are stored.
    private func stop(_ options: ScoreOptions, afterRows rows: Int) throws {
        assertFails(.cancelled, "stopped") {
            try run(options) { progress throws(DamaError) in
                if progress.rowsDone >= rows { throw .cancelled }
            }
        }
    }
}
