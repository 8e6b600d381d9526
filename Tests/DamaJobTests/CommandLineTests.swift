import Dama
import DamaTestSupport
import XCTest

/// `dama score` as a process, with the model of the shapes world.
final class CommandLineTests: XCTestCase {
    private var folder: TemporaryDirectory!
    private let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent().path
    private let outputs = ["jsonl", "rejects.jsonl", "summary.json"]

    override func setUpWithError() throws {
        TestRuntime.configure()
        folder = try TemporaryDirectory()
    }

    /// Rows with images whose bytes differ although they show the same picture.
    private func writeDataset(rows: Int) throws {
        let photos = try ["wide.jpg", "tall.png"].map {
            try Files.read("\(root)/Tests/DamaModelsTests/Fixtures/clip/\($0)")
        }
        var lines = ""
        for row in 0..<rows {
            let image = row * 5 % 7 < 4 ? row : row / 2
            try folder.write(photos[image % 2] + Array("\(image)".utf8), to: "\(image).image")
            let name = row % 11 == 5 ? "none" : "\(image).image"
            lines +=
                JSON.object([
                    "idx": .int(Int64(row)), "image": .string(name),
                    "chosen": .string("There is a red circle number \(row). A star is at the top left."),
                    "rejected": .string("A blue square is at the centre. I see \(row % 9) rings. There is nothing."),
                ]).text + "\n"
        }
        try folder.write(Array(lines.utf8), to: "pairs.jsonl")
    }

    private func process(_ output: String, _ more: [String] = []) throws -> (process: Process, errors: Pipe) {
        let process = Process()
        process.executableURL = try Self.product("dama-cli")
        process.arguments =
            [
                "score", "--model", root + "/models/shapes-clip", "--data", folder.path + "/pairs.jsonl", "--out",
                "\(folder.path)/\(output).jsonl", "--batch", "4", "--threads", "2",
            ] + more
        let errors = Pipe()
        process.standardError = errors
        process.standardOutput = FileHandle.nullDevice
        return (process, errors)
    }

    /// Runs to completion; returns the exit code and the text on standard error.
    private func finish(_ output: String, _ more: [String] = []) throws -> (code: Int32, text: String) {
        let (process, errors) = try process(output, more)
        try process.run()
        let text = String(decoding: errors.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        process.waitUntilExit()
        return (process.terminationStatus, text)
    }

    private func assertSame(_ a: String, _ b: String, file: StaticString = #filePath, line: UInt = #line) throws {
        for suffix in outputs {
            XCTAssertEqual(
                try Files.read("\(folder.path)/\(a).\(suffix)"), try Files.read("\(folder.path)/\(b).\(suffix)"),
                suffix,
                file: file, line: line)
        }
    }

    /// An image with an EXIF orientation, and its stored pixels without one: with --ignore-orientation their scores are
    /// equal.
    func testOrientationTransparencyAndLinks() throws {
        let decoding = "\(root)/Tests/DamaImageTests/Fixtures/decoding"
        func score(_ output: String, _ images: [String], _ more: [String] = []) throws -> [Double] {
            let lines = images.map {
                #"{"image":"\#($0)","chosen":"There is a red circle.","rejected":"There is a blue square."}"#
            }
            try folder.write(Array(lines.joined(separator: "\n").utf8), to: "pairs.jsonl")
            let (code, text) = try finish(output, ["--image-root", decoding] + more)
            XCTAssertEqual(code, 0, text)
            return try Files.read("\(folder.path)/\(output).jsonl").split(separator: 0x0A)
                .map { try XCTUnwrap(JSON(parsing: $0)["delta"]?.double) }
        }
        let images = ["turned_1.jpg", "turned_6.jpg", "alpha_6_8.png"]
        let applied = try score("applied", images)
        XCTAssertNotEqual(applied[0], applied[1])
        let ignored = try score("ignored", images, ["--ignore-orientation"])
        XCTAssertEqual(ignored[0], applied[0])
        XCTAssertEqual(ignored[1], applied[0])
        XCTAssertEqual(ignored[2], applied[2])
        let dropped = try score("dropped", images, ["--drop-alpha"])
        XCTAssertEqual(Array(dropped[..<2]), Array(applied[..<2]))
        XCTAssertNotEqual(dropped[2], applied[2])
        // The scores depend on these options.
        let other = try finish("applied", ["--image-root", decoding, "--drop-alpha"])
        XCTAssertEqual(other.code, 1)
        XCTAssertTrue(other.text.contains("model "), other.text)

        try FileManager.default.createDirectory(atPath: folder.path + "/root", withIntermediateDirectories: true)
        try FileManager.default.createSymbolicLink(atPath: folder.path + "/root/coco", withDestinationPath: decoding)
        let linked = ["--image-root", folder.path + "/root"]
        try folder.write(
            Array(#"{"image":"coco/turned_1.jpg","chosen":"There is a red circle.","rejected":"A blue square."}"#.utf8),
            to: "pairs.jsonl")
        let refused = try finish("linked", linked)
        XCTAssertEqual(refused.code, 1)
        XCTAssertTrue(refused.text.contains("leads out of"), refused.text)
        XCTAssertEqual(try finish("linked", linked + ["--follow-symlinks"]).code, 0)
    }

    func testKilledAtAnyMomentEndsWithTheSameBytes() throws {
        try writeDataset(rows: 70)
        let start = DispatchTime.now()
        XCTAssertEqual(try finish("whole").code, 0)
        let time = Double(DispatchTime.now().uptimeNanoseconds - start.uptimeNanoseconds) / 1e9
        let seed = UInt64.random(in: 0...(.max))
        print("seed of the kills: \(seed)")
        var generator = RandomGenerator(seed: seed)
        var (kills, round) = (0, 0)
        // On a busy machine a run can end before its random moment comes; then there are more rounds.
        while round < 2 || kills < 2 {
            XCTAssertLessThan(round, 20, "no run was killed")
            guard round < 20 else { break }
            for attempt in 1... {
                let (process, _) = try process("killed\(round)", ["--quiet"])
                try process.run()
                // The random delays include moments before the model is loaded, and grow with the attempts.
                let deadline = DispatchTime.now() + time * generator.uniform() * 0.7 * Double(1 + attempt / 10)
                while process.isRunning && DispatchTime.now() < deadline { usleep(2000) }
                if process.isRunning {
                    kill(process.processIdentifier, SIGKILL)
                    kills += 1
                }
                process.waitUntilExit()
                if process.terminationReason == .exit {
                    XCTAssertEqual(process.terminationStatus, 0)
                    break
                }
                XCTAssertLessThan(attempt, 100, "no progress")
            }
            try assertSame("killed\(round)", "whole")
            round += 1
        }
        print("killed \(kills) times")
    }

    func testCtrlCAndTerminationStopCleanlyAndTheSameCommandGoesOn() throws {
        try writeDataset(rows: 70)
        XCTAssertEqual(try finish("whole").code, 0)
        for (number, code) in [(SIGINT, Int32(130)), (SIGTERM, 143)] {
            let (process, errors) = try process("stopped\(number)")
            try process.run()
            // Waits until the first rows are in the journal.
            let journal = "\(folder.path)/stopped\(number).partial/journal"
            while process.isRunning, (try? Files.read(journal).count) ?? 0 < 2000 { usleep(1000) }
            kill(process.processIdentifier, number)
            let text = String(decoding: errors.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
            process.waitUntilExit()
            XCTAssertEqual(process.terminationReason, .exit)
            XCTAssertEqual(process.terminationStatus, code, text)
            XCTAssertTrue(text.contains("run the same command again to resume"), text)
            XCTAssertEqual(try finish("stopped\(number)").code, 0)
            try assertSame("stopped\(number)", "whole")
        }
    }

    func testExitCodesAndMessages() throws {
        try writeDataset(rows: 20)
        var (code, text) = try finish("bad", ["--max-bad", "0"])
        XCTAssertEqual(code, 3)
        XCTAssertTrue(text.contains("more than the 0 allowed"), text)
        (code, text) = try finish("bad", ["--max-bad", "2"])
        XCTAssertEqual(code, 0, text)
        XCTAssertTrue(text.contains("20/20 rows (2 rejected)"), "plain lines without a terminal: \(text)")
        XCTAssertFalse(text.contains("\r"))
        (code, text) = try finish("bad", ["--delta", "scores"])
        XCTAssertEqual(code, 1)
        XCTAssertTrue(text.contains("delta \"probabilities\" instead of \"scores\""), text)
        XCTAssertTrue(text.contains("--restart"), text)
        XCTAssertEqual(try finish("bad", ["--delta", "scores", "--restart"]).code, 0)
        XCTAssertEqual(try finish("bad", ["--delta", "median"]).code, 64)
        (code, text) = try finish("bad", ["--field", "answer=x"])
        XCTAssertEqual(code, 1)
        XCTAssertTrue(text.contains("unknown field \"answer\""), text)
    }

    /// `--shard` and `dama merge`: one run's bytes, and messages that name what is wrong.
    func testShardsAndMerge() throws {
        try writeDataset(rows: 22)
        let parts = ["--set", "cache_rows=4"]
        XCTAssertEqual(try finish("whole", parts).code, 0)
        for shard in ["1/2", "0/2"] { XCTAssertEqual(try finish("merged", parts + ["--shard", shard]).code, 0) }
        func merge(_ arguments: [String]) throws -> (code: Int32, text: String) {
            let process = Process()
            process.executableURL = try Self.product("dama-cli")
            process.arguments = ["merge", "--out", folder.path + "/merged.jsonl"] + arguments
            let errors = Pipe()
            process.standardError = errors
            process.standardOutput = FileHandle.nullDevice
            try process.run()
            let text = String(decoding: errors.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
            process.waitUntilExit()
            return (process.terminationStatus, text)
        }
        let alone = try merge([folder.path + "/merged.shard-0-of-2.jsonl"])
        XCTAssertEqual(alone.code, 1)
        XCTAssertTrue(alone.text.contains("dama merge: of 2 shards this is missing: 1"), alone.text)
        XCTAssertEqual(try merge([]).code, 0)
        try assertSame("merged", "whole")
        for wrong in ["2", "2/2", "a/b"] {
            XCTAssertNotEqual(try finish("wrong", ["--shard", wrong]).code, 0, wrong)
        }
    }

    func testSetTakesEveryOptionByItsName() throws {
        try writeDataset(rows: 8)
        XCTAssertEqual(try finish("flag", ["--delta", "scores"]).code, 0)
        let options = ["--set", "delta_source=scores", "--set", "workers=1", "--set", "mean_delta=null"]
        XCTAssertEqual(try finish("named", ["--delta", "probabilities"] + options).code, 0)
        let scores = try ["flag", "named"].map { try Files.read("\(folder.path)/\($0).jsonl") }
        XCTAssertTrue(scores[0] == scores[1])
        for (argument, message) in [
            ("cache_byte=1", "--set: unknown field \"cache_byte\"; did you mean \"cache_bytes\"?"),
            ("block_rows=none", "--set: block_rows is \"none\"; expected an integer from 1 to 4096"),
            ("block_rows=0", "--set: block_rows is 0; expected an integer from 1 to 4096"),
            ("cache_bytes", "--set: expected name=value, found \"cache_bytes\""),
            ("output=other.jsonl", "--set: unknown field \"output\""),
        ] {
            let (code, text) = try finish("wrong", ["--set", argument])
            XCTAssertEqual(code, 1)
            XCTAssertTrue(text.contains(message), text)
        }
        XCTAssertTrue(
            try finish("wrong", ["--set", "restart=true", "--set", "restart=true"]).text.contains("set twice"))
    }
}
