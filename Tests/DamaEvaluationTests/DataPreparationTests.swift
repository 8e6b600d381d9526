import DamaSupport
import DamaTestSupport
import Foundation
import XCTest

@testable import DamaEvaluation

final class DataPreparationTests: XCTestCase {
    private var folder: TemporaryDirectory!
    private var data: String { folder.path + "/data" }
    // echo -n one | sha256sum
    private let one = "7692c3ad3540bb803c020b3aee66cd8887123234ea0c6e7143c0add73ff431ed"

    override func setUpWithError() throws { folder = try TemporaryDirectory() }

    private var inputs: [DataInput] {
        let first = Download("first.txt", versions: [("1.0", one), ("2.0", "22")], address: "https://a.example/first")
        let any = Download("any-*.txt", address: "https://a.example/any")
        let images = Download("images", address: "https://a.example/images", isOptional: true, isFolder: true)
        return [
            DataInput("copy", "a copy", from: [first]),
            DataInput("joined", "both files", from: [first, any, images], isOptional: true) {
                (found, path) throws(DamaError) in
                let bytes = try Files.read(found["first.txt"] ?? "") + Files.read(found["any-*.txt"] ?? "")
                try Files.writeAtomically(bytes + (found["images"] == nil ? [] : [0x2B]), to: path)
            },
        ]
    }

    @discardableResult
    private func prepare(
        _ names: [String], anyVersion: Bool = false, benchmark: String = "trial"
    ) throws -> DataPreparation.Report {
        var preparation = DataPreparation(benchmark: benchmark, inputs: inputs)
        preparation.acceptsAnyVersion = anyVersion
        return try preparation.run(from: names.map { "\(folder.path)/\($0)" }, to: data)
    }

    private func text(_ name: String) throws -> String {
        String(decoding: try Files.read("\(data)/\(name)"), as: UTF8.self)
    }

    func testFilesAreAddedAsTheyCome() throws {
        try folder.write(Array("one".utf8), to: "renamed.bin")
        try folder.write(Array("two".utf8), to: "any-7.txt")
        try Files.makeDirectory(folder.path + "/images")
        let nothing = try prepare([])
        XCTAssertEqual(nothing.missing.map(\.name), ["copy", "joined"])
        XCTAssertEqual(nothing.missing[0].downloads.map(\.name), ["first.txt"])
        XCTAssertEqual(nothing.missing[1].downloads.map(\.name), ["first.txt", "any-*.txt"])
        XCTAssertFalse(Files.isThere(data))
        // Recognised by its contents, whatever its name.
        let first = try prepare(["renamed.bin"])
        XCTAssertEqual([first.made, first.kept, first.missing.map(\.name)], [["copy"], [], ["joined"]])
        XCTAssertEqual(first.missing[0].downloads.map(\.name), ["any-*.txt"])
        let both = try prepare(["any-7.txt", "renamed.bin"])
        XCTAssertEqual([both.made, both.kept, both.missing.map(\.name)], [["copy", "joined"], [], []])
        XCTAssertEqual(try text("joined"), "onetwo")
        XCTAssertEqual(try prepare([]).kept, ["copy", "joined"])
        try prepare(["any-7.txt", "renamed.bin", "images"])
        XCTAssertEqual(try text("joined"), "onetwo+")
        let opened = try DataFolder(path: data, benchmark: "trial")
        XCTAssertEqual(opened.version(of: "copy", source: "first.txt"), "1.0")
        XCTAssertNil(opened.version(of: "joined", source: "any-*.txt"))
        XCTAssertEqual(try opened.text("copy"), "one")
    }

    func testOtherVersionsNeedAWord() throws {
        try folder.write(Array("won".utf8), to: "first.txt")
        assertFails(.invalidArgument, "which is no known version of first.txt: \(one) (1.0), 22 (2.0)") {
            try self.prepare(["first.txt"])
        }
        XCTAssertFalse(Files.isThere(data))
        try prepare(["first.txt"], anyVersion: true)
        let opened = try DataFolder(path: data, benchmark: "trial")
        XCTAssertNil(opened.version(of: "copy", source: "first.txt"))
        XCTAssertTrue(opened.identity.text.contains("first.txt of no known version"), opened.identity.text)
    }

    func testPathsThatNothingIsMadeOf() throws {
        try folder.write([1], to: "other.txt")
        try folder.write([1], to: "any-.txtx")
        try Files.makeDirectory(folder.path + "/pictures")
        for name in ["other.txt", "any-.txtx"] {
            assertFails(
                .invalidArgument, "no file of trial has this name or contents; expected first.txt, any-*.txt, images"
            ) { try self.prepare([name], anyVersion: true) }
        }
        assertFails(.invalidArgument, "pictures is a folder; expected") { try self.prepare(["pictures"]) }
        assertFails(.io, "nowhere") { try self.prepare(["nowhere"]) }
        XCTAssertFalse(Files.isThere(data))
    }

    func testFoldersOfOthersStayAsTheyAre() throws {
        try folder.write(Array("one".utf8), to: "first.txt")
        try Files.makeDirectory(data)
        try Files.writeAtomically([1], to: data + "/notes")
        assertFails(.invalidArgument, "data holds files of others") { try self.prepare(["first.txt"]) }
        XCTAssertEqual(try Files.names(in: data), ["notes"])
        unlink(data + "/notes")
        try prepare(["first.txt"], benchmark: "another")
        assertFails(.invalidArgument, "holds the data of another, not of trial") { try self.prepare(["first.txt"]) }
        try FileManager.default.removeItem(atPath: data)
        try folder.write([1], to: "data")
        assertFails(.invalidArgument, "data is not a folder") { try self.prepare(["first.txt"]) }
    }

    func testDamagedDataIsNotRead() throws {
        try folder.write(Array("one".utf8), to: "first.txt")
        try prepare(["first.txt"])
        let manifest = try text("benchmark.json")
        try Files.writeAtomically(Array("onE".utf8), to: data + "/copy")
        assertFails(.invalidArgument, "copy has changed since it was prepared") {
            _ = try DataFolder(path: self.data, benchmark: "trial").file("copy")
        }
        assertFails(.invalidArgument, "has no joined; run dama evaluate prepare trial") {
            _ = try DataFolder(path: self.data, benchmark: "trial").file("joined")
        }
        for damaged in [
            manifest.replacingOccurrences(of: #""format":1"#, with: #""format":2"#),
            manifest.replacingOccurrences(of: "sha256", with: "sha"), "[]", "{}",
        ] {
            XCTAssertNotEqual(damaged, manifest)
            try Files.writeAtomically(Array(damaged.utf8), to: data + "/benchmark.json")
            assertFails(.invalidArgument, "benchmark.json is not that of prepared data") {
                _ = try DataFolder(path: self.data, benchmark: "trial")
            }
        }
        unlink(data + "/benchmark.json")
        assertFails(.invalidArgument, "prepare the data: dama evaluate prepare trial") {
            _ = try DataFolder(path: self.data, benchmark: "trial")
        }
    }

    func testAStopEndsIt() throws {
        try folder.write(Array("one".utf8), to: "first.txt")
        let stop = StopSignal()
        stop.stop()
        assertFails(.cancelled, "stopped") {
            _ = try DataPreparation(benchmark: "trial", inputs: self.inputs)
                .run(from: [self.folder.path + "/first.txt"], to: self.data, stop: stop)
        }
        XCTAssertFalse(Files.isThere(data))
    }
}
