import Dama
import DamaTestSupport
import Foundation
import TrainingTestSupport
import XCTest

/// The reference job with the small LLaVA of the model tests. The expected numbers come from transformers.
final class ReferenceJobTests: XCTestCase {
    override class func setUp() { TestRuntime.configure() }

    private static let models =
        URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .path + "/DamaModelsTests/Fixtures/llava"

    private func policy(_ change: (inout PolicyOptions) -> Void = { _ in }) throws -> Policy {
        var options = PolicyOptions()
        change(&options)
        return try Policy(directory: Self.models + "/default", options: options)
    }

    private func expected() throws -> [JSON] {
        try XCTUnwrap(Files.readJSON(Self.models + "/default/expected.json").array)
    }

    /// A dataset of `count` rows that repeat the fixture's pairs, with a rejected row of each kind after every tenth.
    private func dataset(_ folder: TemporaryDirectory, count: Int, bad: Bool = false) throws -> String {
        try FileManager.default.copyItem(atPath: Self.models + "/image.png", toPath: folder.path + "/image.png")
        let pairs = try expected()
        var lines: [String] = []
        for index in 0..<count {
            let pair = pairs[index % pairs.count]
            let row: JSON = [
                "idx": .int(Int64(index)), "image": "image.png", "question": pair["prompt"] ?? .null,
                "chosen": pair["chosen"] ?? .null, "rejected": pair["rejected"] ?? .null,
            ]
            lines.append(row.text)
        }
        if bad {
            lines += [
                #"{"idx":"no question","image":"image.png","chosen":"a","rejected":"b"}"#,
                #"{"idx":"two images","image":"image.png","question":"<image><image>","chosen":"a","rejected":"b"}"#,
                #"{"idx":"missing","image":"none.png","question":"q","chosen":"a","rejected":"b"}"#,
                "{broken",
            ]
        }
        let path = folder.path + "/pairs.jsonl"
        try lines.joined(separator: "\n").write(toFile: path, atomically: true, encoding: .utf8)
        return path
    }

    private func check(_ found: ResponseLogProbability, _ json: JSON?, line: UInt = #line) throws {
        let numbers = try XCTUnwrap(json?.array).compactMap(\.double)
        XCTAssertEqual(found.count, numbers.count, line: line)
        // fp32 on both sides; see PolicyTests.
        for (a, b) in zip(found.tokens, numbers) { XCTAssertEqual(Double(a), b, accuracy: 1e-4, line: line) }
    }

    func testBothFormatsHoldWhatTransformersComputes() throws {
        for format in [ReferenceOptions.Format.full, .logps] {
            let folder = try TemporaryDirectory()
            var options = ReferenceOptions(
                data: try dataset(folder, count: 7, bad: true), output: folder.path + "/reference.jsonl")
            options.format = format
            let policy = try policy()
            let summary = try ReferenceJob(options, policy: policy).run()
            XCTAssertEqual([summary.rows, summary.rowsRejected, summary.rowsCut], [11, 4, 0])
            let rejects = try String(contentsOfFile: folder.path + "/reference.rejects.jsonl", encoding: .utf8)
            for kind in ["missing_field", "does_not_fit", "image_missing", "invalid_json"] {
                XCTAssertTrue(rejects.contains("\"kind\":\"\(kind)\""), kind)
            }

            let cache = try ReferenceCache(path: options.rows.output, policy: policy)
            // Seven rows with three different pairs.
            XCTAssertEqual(cache.count, 3)
            let image = try Files.read(folder.path + "/image.png")
            for pair in try expected() {
                let (prompt, chosen, rejected) = (
                    try XCTUnwrap(pair["prompt"]?.string), try XCTUnwrap(pair["chosen"]?.string),
                    try XCTUnwrap(pair["rejected"]?.string)
                )
                let key = ReferenceEntry.key(image: image, prompt: prompt, chosen: chosen, rejected: rejected)
                let entry = try XCTUnwrap(cache[key])
                try check(entry.logProbabilities.chosen, pair["chosen_logps"])
                try check(entry.logProbabilities.rejected, pair["rejected_logps"])
                // Any change makes a different pair.
                for other in [
                    ReferenceEntry.key(image: image + [0], prompt: prompt, chosen: chosen, rejected: rejected),
                    ReferenceEntry.key(image: image, prompt: prompt + " ", chosen: chosen, rejected: rejected),
                    ReferenceEntry.key(image: image, prompt: prompt, chosen: rejected, rejected: chosen),
                ] { XCTAssertNil(cache[other]) }
            }
        }
    }

    func testStoppedAnywhereItEndsWithTheSameBytes() throws {
        let whole = try TemporaryDirectory()
        let policy = try policy()
        func options(_ folder: TemporaryDirectory) throws -> ReferenceOptions {
            var options = ReferenceOptions(data: folder.path + "/pairs.jsonl", output: folder.path + "/out.jsonl")
            options.rows.blockRows = 2
            options.imageRoot = whole.path
            return options
        }
        _ = try dataset(whole, count: 12, bad: true)
        try ReferenceJob(options(whole), policy: policy).run()

        var random = RandomGenerator(seed: 3)
        let parts = try TemporaryDirectory()
        try FileManager.default.copyItem(atPath: whole.path + "/pairs.jsonl", toPath: parts.path + "/pairs.jsonl")
        var runs = 0
        while true {
            runs += 1
            var left = random.uniform(below: 6)
            do {
                try ReferenceJob(options(parts), policy: policy).run { _ throws(DamaError) in
                    left -= 1
                    if left < 0 { throw .cancelled }
                }
                break
            } catch let error as DamaError where error.code == .cancelled {
                XCTAssertLessThan(runs, 200)
            }
        }
        XCTAssertGreaterThan(runs, 3)
        for name in ["out.jsonl", "out.rejects.jsonl", "out.summary.json"] {
            XCTAssertEqual(try Files.read("\(parts.path)/\(name)"), try Files.read("\(whole.path)/\(name)"), name)
        }
        XCTAssertTrue(try ReferenceJob(options(parts), policy: policy).run().wasComplete)
    }

    // Two images in one call whose names Swift treats as equal. Before the fix, they were taken for one.
    func testImagesAreToldApartByTheBytesOfTheirNames() throws {
        let folder = try TemporaryDirectory()
        let decoding =
            URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent().path
            + "/DamaImageTests/Fixtures/decoding"
        let names = ["caf\u{E9}.png", "cafe\u{301}.png"]
        let sources = [Self.models + "/image.png", decoding + "/alpha_6_8.png"]
        for (name, source) in zip(names, sources) { try folder.write(try Files.read(source), to: name) }
        func pair(_ path: String) -> PreferencePair {
            PreferencePair(image: .path(path), prompt: "what", chosen: "red", rejected: "blue")
        }
        let policy = try policy()
        let together = try policy.logProbabilities(names.map { pair("\(folder.path)/\($0)") })
        for (found, source) in zip(together, sources) {
            let alone = try policy.logProbabilities([pair(source)])[0]
            // fp32 in batches of a different size.
            XCTAssertEqual(found.chosen.sum, alone.chosen.sum, accuracy: 1e-4)
        }
        XCTAssertGreaterThan(abs(together[0].chosen.sum - together[1].chosen.sum), 1e-3)
    }

    func testAStaleCacheIsNamed() throws {
        let folder = try TemporaryDirectory()
        let options = ReferenceOptions(data: try dataset(folder, count: 3), output: folder.path + "/out.jsonl")
        try ReferenceJob(options, policy: policy()).run()
        assertFails(.invalidArgument, "template") {
            _ = try ReferenceCache(
                path: options.rows.output,
                policy: self.policy { $0.template = "USER: {image}\n{question} ASSISTANT: {response}" })
        }
        assertFails(.invalidArgument, "image_processing") {
            _ = try ReferenceCache(path: options.rows.output, policy: self.policy { $0.imageMode = .pad })
        }
        assertFails(.invalidArgument, "precision null instead of \"float16\"") {
            _ = try ReferenceCache(path: options.rows.output, policy: self.policy { $0.precision = .float16 })
        }
        assertFails(.invalidArgument, "weights") {
            _ = try ReferenceCache(
                path: options.rows.output, policy: Policy(directory: Self.models + "/full_gqa_tied"))
        }
    }

    /// Up to 0.1 the architecture was a hash of Swift's printed value.
    func testACacheWithTheOldHashOfTheArchitectureIsNamed() throws {
        let folder = try TemporaryDirectory()
        let options = ReferenceOptions(data: try dataset(folder, count: 3), output: folder.path + "/out.jsonl")
        try ReferenceJob(options, policy: policy()).run()
        _ = try ReferenceCache(path: options.rows.output, policy: policy())
        let path = JobPaths(output: options.rows.output).summary
        let summary = try Files.readJSON(path)
        let settings = try XCTUnwrap(summary["settings"])
        let model = try XCTUnwrap(settings["model"])
        let old = summary.setting("settings", settings.setting("model", model.setting("architecture", "5f0c")))
        try Files.writeAtomically(Array(old.text.utf8), to: path)
        assertFails(.invalidArgument, "architecture in the form of an earlier version of libdama; ") {
            _ = try ReferenceCache(path: options.rows.output, policy: self.policy())
        }
    }

    func testLogpsOfRLAIFVAreRead() throws {
        for text in [
            "[-3.0,-1.5,[-1.0,-2.0],-4.0,-4.0,[-4.0]]", #"{"logps":[-3.0,-1.5,[-1.0,-2.0],-4.0,-4.0,[-4.0]]}"#,
        ] {
            let entry = try ReferenceEntry(["idx": 5, "logps": .string(text)])
            XCTAssertEqual(entry.logProbabilities.chosen.sum, -3)
            XCTAssertEqual(entry.logProbabilities.rejected.tokens, [-4])
            XCTAssertEqual(entry.id, 5)
        }
        for (text, what) in [
            ("[1,2]", "six fields"), ("[-9.0,-1.5,[-1.0,-2.0],-4.0,-4.0,[-4.0]]", "chosen sum"),
            ("[", "not valid JSON"),
            (#"[-3.0,-1.5,["x",-2.0],-4.0,-4.0,[-4.0]]"#, "the chosen list holds \"x\""),
            ("[-3.0,-1.5,[-1.0],-4.0,-4.0,[-4.0]]", "do not give a number of tokens from 1 to 1"),
            ("[-3.0,1.5,[-1.0,-2.0],-4.0,-4.0,[-4.0]]", "do not give a number of tokens"),
            ("[-3.0,0,[-1.0,-2.0],-4.0,-4.0,[-4.0]]", "do not give a number of tokens"),
            ("[0,-1.5,[-1.0,-2.0],-4.0,-4.0,[-4.0]]", "do not give a number of tokens"),
            ("[NaN,-1.5,[-1.0,-2.0],-4.0,-4.0,[-4.0]]", "not two numbers"),
            ("[-3.0,-1.5,[-1.0,NaN],-4.0,-4.0,[-4.0]]", "a value that is not a number"),
        ] {
            assertFails(.model, what) { _ = try ReferenceEntry(["logps": .string(text)]) }
        }
    }

    // Before the fix, no real file could be read: the lists in such files hold every position of the image-expanded
    // sequence, and only sum and mean are those of the response. The expected sums and counts are those of
    // get_batch_logps in numpy, see make_logps.py.
    func testLogpsOfEveryPositionAreRead() throws {
        let path = URL(fileURLWithPath: #filePath).deletingLastPathComponent().path + "/Fixtures/logps.json"
        for entry in try XCTUnwrap(Files.readJSON(path).array) {
            let found = try ReferenceEntry(["idx": 1, "logps": try XCTUnwrap(entry["logps"])]).logProbabilities
            let expected = try XCTUnwrap(entry["expected"]?.array)
            for (response, expected) in zip([found.chosen, found.rejected], expected) {
                // With tokens, the sum is that of float32 numbers rounded to seven digits.
                XCTAssertEqual(response.sum, try XCTUnwrap(expected["sum"]?.double), accuracy: 1e-5)
                XCTAssertEqual(response.count, expected["count"]?.int)
                XCTAssertEqual(response.mean, response.sum / Double(response.count))
                XCTAssertEqual(response.tokens.count, expected["tokens"]?.bool == true ? response.count : 0)
            }
        }
        // All tokens have probability 1.
        let certain = try ReferenceEntry(["logps": "[0.0,0.0,[0.0,0.0],-1.0,-1.0,[NaN,-9.0,-1.0]]"]).logProbabilities
        XCTAssertEqual([certain.chosen.count, certain.rejected.count], [2, 1])
        XCTAssertEqual([certain.chosen.sum, certain.rejected.sum], [0, -1])
    }

    // A file changed after it was computed. Before the fix, it was used, although its summary holds its hash and `sum`
    // was not the sum of its tokens.
    func testAChangedFileIsNotUsed() throws {
        let folder = try TemporaryDirectory()
        let options = ReferenceOptions(data: try dataset(folder, count: 3), output: folder.path + "/out.jsonl")
        let policy = try policy()
        try ReferenceJob(options, policy: policy).run()
        let lines = try String(contentsOfFile: options.rows.output, encoding: .utf8)
        _ = try ReferenceCache(path: options.rows.output, policy: policy)
        let sum = try XCTUnwrap(lines.firstRange(of: #"{"sum":-"#))
        for changed in [lines.replacingCharacters(in: sum, with: #"{"sum":-9"#), lines + lines, "", lines + "\n"] {
            try changed.write(toFile: options.rows.output, atomically: true, encoding: .utf8)
            assertFails(.invalidArgument, "out.jsonl has changed since it was computed") {
                _ = try ReferenceCache(path: options.rows.output, policy: policy)
            }
        }
        try lines.replacingCharacters(in: sum, with: #"{"sum":-9"#)
            .write(toFile: options.rows.output, atomically: true, encoding: .utf8)
        assertFails(.model, "line 1: the chosen sum is -9") { _ = try ReferenceCache(path: options.rows.output) }
    }

    // Before the fix, the dataset was hashed but its images were not: a resumed run mixed old and new images.
    func testImagesThatChangeBetweenTwoRunsAreFound() throws {
        let folder = try TemporaryDirectory()
        var options = ReferenceOptions(data: try dataset(folder, count: 6), output: folder.path + "/out.jsonl")
        options.rows.blockRows = 2
        let policy = try policy()
        assertFails(.cancelled, "stopped") {
            _ = try ReferenceJob(options, policy: policy).run { progress throws(DamaError) in
                if progress.rowsDone >= 2 { throw .cancelled }
            }
        }
        let image = folder.path + "/image.png"
        let original = try Files.read(image)
        try Files.writeAtomically(original + [0], to: image)
        assertFails(.invalidArgument, "row 1 was computed from another image: image \"image.png\" has other contents") {
            _ = try ReferenceJob(options, policy: policy).run()
        }
        try Files.writeAtomically(original, to: image)
        XCTAssertEqual(try ReferenceJob(options, policy: policy).run().rows, 6)
    }

    /// A row with an embedded image gives the numbers and the key of a row with its path.
    func testImagesInRowsAreImagesInFiles() throws {
        let folder = try TemporaryDirectory()
        let options = ReferenceOptions(data: try dataset(folder, count: 3), output: folder.path + "/out.jsonl")
        let policy = try policy()
        try ReferenceJob(options, policy: policy).run()
        let base64 = try Data(contentsOf: URL(fileURLWithPath: folder.path + "/image.png")).base64EncodedString()
        let rows = try String(contentsOfFile: options.rows.data, encoding: .utf8)
        for image in [#"{"bytes":"\#(base64)","path":"elsewhere.png"}"#, #"["data:image/png;base64,\#(base64)"]"#] {
            let inline = ReferenceOptions(
                data: folder.path + "/inline.jsonl", output: folder.path + "/inline.out.jsonl")
            try rows.replacingOccurrences(of: "\"image.png\"", with: image)
                .write(toFile: inline.rows.data, atomically: true, encoding: .utf8)
            var again = inline
            again.rows.restart = true
            XCTAssertEqual(try ReferenceJob(again, policy: policy).run().rowsRejected, 0)
            XCTAssertEqual(try Files.read(again.rows.output), try Files.read(options.rows.output))
        }
    }
}
