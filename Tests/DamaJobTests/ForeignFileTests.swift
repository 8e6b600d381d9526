import Dama
import DamaTestSupport
import XCTest

@testable import DamaSupport

/// Files that a job did not write stay byte for byte, and the job reports them before any work.
final class ForeignFileTests: XCTestCase {
    override class func setUp() { TestRuntime.configure() }

    private var folder: TemporaryDirectory!
    private var inputs: String { folder.path + "/inputs" }
    private var outputs: String { folder.path + "/outputs" }

    override func setUpWithError() throws {
        folder = try TemporaryDirectory()
        try Files.makeDirectory(inputs)
        try Files.makeDirectory(outputs)
    }

    /// The contents of a folder, by path.
    private func tree(_ folder: String) throws -> [String: Data] {
        var found: [String: Data] = [:]
        for name in try FileManager.default.subpathsOfDirectory(atPath: folder) {
            found[name] = FileManager.default.contents(atPath: "\(folder)/\(name)") ?? Data()
        }
        return found
    }

    private func place(_ text: String, _ name: String, _ outputs: String) throws {
        let path = "\(outputs)/\(name)"
        try Files.makeDirectory(Files.folder(of: path))
        try Files.writeAtomically(Array(text.utf8), to: path)
    }

    /// A foreign file under each name that a job over rows writes.
    func testJobsOverRowsReplaceNothingForeign() throws {
        for make in SmallJob.rowJobs {
            let job = try make(inputs)
            var names = ["out.jsonl", "out.rejects.jsonl", "out.summary.json", "out.partial/notes.txt"]
            if job.name == "score" { names += ["out.run.json", "out.html"] }
            for (index, name) in names.enumerated() {
                for text in ["mine\n", #"{"mine": 1}"# + "\n", ""] where !text.isEmpty || name == "out.jsonl" {
                    let outputs = "\(folder.path)/\(job.name)-\(index)-\(text.utf8.count)"
                    try place(text, name, outputs)
                    let before = try tree(outputs)
                    assertFails(.invalidArgument, name.contains("notes") ? "notes.txt" : name) { try job.run(outputs) }
                    XCTAssertEqual(try tree(outputs), before, "\(job.name), \(name)")
                }
            }
        }
    }

    /// A file would replace a link, and cannot replace a directory or a FIFO.
    func testLinksAndOtherThingsAreNotReplaced() throws {
        let job = try SmallJob.score(inputs)
        try Files.writeAtomically([1], to: folder.path + "/theirs")
        for name in ["out.jsonl", "out.rejects.jsonl", "out.summary.json", "out.run.json", "out.html"] {
            let path = "\(outputs)/\(name)"
            for target in ["\(folder.path)/theirs", "\(folder.path)/nowhere"] {
                try FileManager.default.createSymbolicLink(atPath: path, withDestinationPath: target)
                assertFails(.io, "is a symbolic link") { try job.run(outputs) }
                XCTAssertEqual(try FileManager.default.destinationOfSymbolicLink(atPath: path), target)
                unlink(path)
            }
            XCTAssertEqual(mkfifo(path, 0o600), 0)
            assertFails(.io, "not a regular file") { try job.run(outputs) }
            unlink(path)
        }
        XCTAssertEqual(try tree(outputs), [:])
        XCTAssertEqual(try Files.read(folder.path + "/theirs"), [1])
    }

    /// Results that a killed run had already renamed to their final paths are recognised as the job's own by the next
    /// run.
    func testResultsOfARunThatEndedBetweenTwoRenamesAreItsOwn() throws {
        let job = try SmallJob.score(inputs)
        let whole = folder.path + "/whole"
        try Files.makeDirectory(whole)
        try job.run(whole)
        for stop in 1...3 {
            let outputs = "\(folder.path)/\(stop)"
            try Files.makeDirectory(outputs)
            let counter = Counter()
            FileCall.setHook { call in
                guard case .rename(_, let to) = call, !to.contains(".partial/") else { return 0 }
                return counter.next() >= stop ? EIO : 0
            }
            do {
                defer { FileCall.setHook(nil) }
                assertFails(.io, "cannot rename") { try job.run(outputs) }
            }
            try job.run(outputs)
            XCTAssertEqual(try job.contents(of: outputs), try job.contents(of: whole))
        }
    }

    private final class Counter: @unchecked Sendable {
        private let lock = NSLock()
        private var count = 0
        func next() -> Int {
            lock.withLock {
                count += 1
                return count
            }
        }
    }

    // MARK: Training

    private func trainOptions(_ inputs: String, _ outputs: String) -> TrainOptions {
        var options = TrainOptions(data: inputs + "/pairs.jsonl", output: outputs)
        options.batchSize = 3
        options.method.keep = .count(2)
        options.epochs = 1
        options.trainable = .projector
        return options
    }

    private func policy() throws -> Policy {
        try Policy(
            directory: URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent().path
                + "/DamaModelsTests/Fixtures/llava/default")
    }

    /// Before the fix, a dataset named out/rejects.jsonl was deleted, and one named out/metrics.jsonl was truncated to
    /// the metrics.
    func testTrainingNeverWritesOverWhatItReads() throws {
        _ = try SmallJob.train(inputs)
        let rows = try Files.read(inputs + "/pairs.jsonl")
        for name in [
            "rejects.jsonl", "metrics.jsonl", "summary.json", "reference.jsonl", "reference.rejects.jsonl",
            "reference.summary.json", "model/pairs.jsonl", "checkpoints/pairs.jsonl", "tensorboard/pairs.jsonl",
            "reference.partial/journal",
        ] {
            let outputs = folder.path + "/" + name.replacingOccurrences(of: "/", with: "-")
            try Files.makeDirectory(outputs)
            try FileManager.default.copyItem(atPath: inputs + "/image.png", toPath: outputs + "/image.png")
            try place(String(decoding: rows, as: UTF8.self), name, outputs)
            var options = trainOptions(inputs, outputs)
            options.data = "\(outputs)/\(name)"
            options.imageRoot = inputs
            let before = try tree(outputs)
            for restart in [false, true] {
                options.restart = restart
                let changed = options
                assertFails(.invalidArgument, "data, \(outputs)/\(name)") {
                    _ = try TrainJob(changed, policy: self.policy()).run()
                }
                XCTAssertEqual(try tree(outputs), before, name)
            }
        }
    }

    func testTrainingReplacesNothingForeign() throws {
        _ = try SmallJob.train(inputs)
        for name in [
            "metrics.jsonl", "rejects.jsonl", "summary.json", "reference.jsonl", "reference.summary.json",
            "reference.rejects.jsonl", "tensorboard/notes.txt", "model/weights.bin", "checkpoints/notes.txt",
            "checkpoints/00000003.txt",
        ] {
            let outputs = folder.path + "/" + name.replacingOccurrences(of: "/", with: "-")
            try place(#"{"mine":1}"# + "\n", name, outputs)
            let before = try tree(outputs)
            for restart in [false, true] {
                var options = trainOptions(inputs, outputs)
                options.restart = restart
                var events = 0
                do {
                    _ = try TrainJob(options, policy: policy()).run { _ throws(DamaError) in events += 1 }
                    XCTFail("\(name) was accepted")
                } catch let error as DamaError {
                    XCTAssertEqual(error.code, .invalidArgument, error.message)
                    XCTAssertTrue(error.message.contains(String(name.split(separator: "/")[0])), error.message)
                }
                XCTAssertEqual(events, 0, "\(name) was found out after work had begun")
                XCTAssertEqual(try tree(outputs), before, name)
            }
        }
    }

    /// A restarted job removes its own event files and keeps those of other programs.
    func testARestartRemovesItsOwnEventFilesAlone() throws {
        _ = try SmallJob.train(inputs)
        try place("theirs", "tensorboard/events.out.tfevents.1.host.2.3", outputs)
        var options = trainOptions(inputs, outputs)
        _ = try TrainJob(options, policy: policy()).run()
        let first = try Files.names(in: outputs + "/tensorboard")
        XCTAssertEqual(first.count, 2)
        options.restart = true
        _ = try TrainJob(options, policy: policy()).run()
        let second = try Files.names(in: outputs + "/tensorboard")
        XCTAssertEqual(second.count, 2)
        XCTAssertEqual(
            try Files.read(outputs + "/tensorboard/events.out.tfevents.1.host.2.3"), Array("theirs".utf8))
        XCTAssertEqual(second.filter { $0.hasSuffix(".dama") }.count, 1)
    }

    // MARK: Temporaries

    /// Before the fix, gigabytes of a process killed during the export were never removed.
    func testWhatAKilledExportLeftIsRemoved() throws {
        let job = try SmallJob.train(inputs)
        for name in [
            "model.dama-tmp/model.safetensors", "summary.json.dama-tmp", "checkpoints/00000001.safetensors.dama-tmp",
        ] {
            let outputs = folder.path + "/" + name.replacingOccurrences(of: "/", with: "-")
            try place("half", "out/\(name)", outputs)
            try job.run(outputs)
            XCTAssertEqual(try tree(outputs).keys.filter { $0.contains("dama-tmp") }, [], name)
        }
    }

    /// Files are first written under a temporary name; an existing file of this name is not written through.
    func testTemporariesAreMadeAnew() throws {
        let path = outputs + "/file"
        try Files.writeAtomically([7], to: folder.path + "/theirs")
        try FileManager.default.createSymbolicLink(
            atPath: Files.temporary(for: path), withDestinationPath: folder.path + "/theirs")
        assertFails(.io, "is a symbolic link") { try Files.writeAtomically([1], to: path) }
        XCTAssertEqual(try Files.read(folder.path + "/theirs"), [7])
        unlink(Files.temporary(for: path))
        XCTAssertEqual(mkfifo(Files.temporary(for: path), 0o600), 0)
        assertFails(.io, "not a regular file") { try Files.writeAtomically([1], to: path) }
        unlink(Files.temporary(for: path))
        // A temporary file still in use is kept; an abandoned one is removed.
        try Files.replace(path) { sink throws(DamaError) in
            try sink.append([1])
            assertFails(.io, "is writing") { try Files.writeAtomically([2], to: path) }
        }
        XCTAssertEqual(try Files.read(path), [1])
        try place("left", "file.dama-tmp", outputs)
        try Files.writeAtomically([3], to: path)
        XCTAssertEqual(try Files.read(path), [3])
        XCTAssertEqual(try Files.names(in: outputs), ["file"])
        // The link's target is replaced, not the link.
        try FileManager.default.createSymbolicLink(atPath: outputs + "/link", withDestinationPath: path)
        try Files.writeAtomically([4], to: outputs + "/link")
        XCTAssertEqual(try Files.read(path), [4])
        XCTAssertTrue(Files.isSymbolicLink(outputs + "/link"))
    }

    // MARK: The splitter's cache

    func testAFileThatIsNoCacheOfASplitterStaysAsItIs() throws {
        for text in ["a list of things\n", #"{"id":1,"delta":0.5}"# + "\n", "\u{1F600}"] {
            let path = folder.path + "/theirs"
            try Files.writeAtomically(Array(text.utf8), to: path)
            assertFails(.invalidArgument, "is not a cache of a splitter's answers") { _ = try SplitCache(path: path) }
            XCTAssertEqual(try Files.read(path), Array(text.utf8))
        }
        let fifo = folder.path + "/fifo"
        XCTAssertEqual(mkfifo(fifo, 0o600), 0)
        assertFails(.io, "not a regular file") { _ = try SplitCache(path: fifo) }
        // An incomplete line of the cache, and the result of a power failure.
        for text in ["", "{\"key\":\"ab", "\0\0\0\0", "\n\n"] {
            try Files.writeAtomically(Array(text.utf8), to: folder.path + "/cache")
            _ = try SplitCache(path: folder.path + "/cache")
        }
    }
}
