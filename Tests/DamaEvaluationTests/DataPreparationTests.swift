import DamaSupport
import DamaTestSupport
import XCTest

@testable import DamaEvaluation

final class DataPreparationTests: XCTestCase {
    private var folder: TemporaryDirectory!
    private var output: String { folder.path + "/data" }

    override func setUpWithError() throws { folder = try TemporaryDirectory() }

    private func preparation() -> DataPreparation {
        DataPreparation(
            benchmark: "toy",
            inputs: [
                DataInput(
                    "labels.json", "the labels",
                    from: [
                        Download(
                            "labels.json",
                            versions: [("1", SHA256.hex(of: Array("first version\n".utf8)))],
                            address: "https://example.org/labels.json")
                    ]),
                DataInput(
                    "pairs.txt", "the pairs",
                    from: [
                        Download("part-*.bin", address: "https://example.org/parts"),
                        Download("extra.bin", address: "https://example.org/extra", isOptional: true),
                    ], isOptional: true
                ) { (found, path) throws(DamaError) in
                    let names = found.keys.sorted().joined(separator: " ")
                    try Files.writeAtomically(Array(names.utf8), to: path)
                },
            ])
    }

    func testAFileIsRecognisedByItsContents() throws {
        let other = try folder.write(Array("first version\n".utf8), to: "renamed (1).json")
        let report = try preparation().run(from: [other], to: output)
        XCTAssertEqual(report.made, ["labels.json"])
        XCTAssertEqual(report.missing.map(\.name), ["pairs.txt"])
        XCTAssertEqual(report.missing.first?.downloads.map(\.name), ["part-*.bin"])
        let data = try DataFolder(path: output, benchmark: "toy")
        XCTAssertEqual(try data.text("labels.json"), "first version\n")
        XCTAssertEqual(data.version(of: "labels.json", source: "labels.json"), "1")
    }

    func testAnotherVersionIsRefusedUnlessAllowed() throws {
        let other = try folder.write(Array("second version\n".utf8), to: "labels.json")
        assertFails(.invalidArgument, "no known version of labels.json") {
            _ = try preparation().run(from: [other], to: output)
        }
        XCTAssertFalse(Files.isThere(output))
        var lenient = preparation()
        lenient.acceptsAnyVersion = true
        XCTAssertEqual(try lenient.run(from: [other], to: output).made, ["labels.json"])
        let data = try DataFolder(path: output, benchmark: "toy")
        XCTAssertNil(data.version(of: "labels.json", source: "labels.json"))
        XCTAssertTrue(data.identity.text.contains("labels.json of no known version"))
    }

    func testFilesAreAddedToTheFolder() throws {
        let labels = try folder.write(Array("first version\n".utf8), to: "labels.json")
        let part = try folder.write([1], to: "part-7.bin")
        _ = try preparation().run(from: [part], to: output)
        let report = try preparation().run(from: [labels], to: output)
        XCTAssertEqual(report.made, ["labels.json"])
        XCTAssertEqual(report.kept, ["pairs.txt"])
        XCTAssertEqual(try DataFolder(path: output, benchmark: "toy").text("pairs.txt"), "part-*.bin")
        let extra = try folder.write([2], to: "extra.bin")
        XCTAssertEqual(try preparation().run(from: [extra, part], to: output).made, ["pairs.txt"])
        XCTAssertEqual(try DataFolder(path: output, benchmark: "toy").text("pairs.txt"), "extra.bin part-*.bin")
    }

    func testWhatIsNeededIsListedWithoutFiles() throws {
        let report = try preparation().run(from: [], to: output)
        XCTAssertEqual(report.missing.map(\.name), ["labels.json", "pairs.txt"])
        XCTAssertFalse(Files.isThere(output))
    }

    func testFilesOfOthersAreRefused() throws {
        let stranger = try folder.write([1, 2, 3], to: "holiday.jpg")
        assertFails(.invalidArgument, "expected labels.json, part-*.bin, extra.bin") {
            _ = try preparation().run(from: [stranger], to: output)
        }
        try Files.makeDirectory(output)
        _ = try folder.write([1], to: "data/own.txt")
        let labels = try folder.write(Array("first version\n".utf8), to: "labels.json")
        assertFails(.invalidArgument, "holds files of others") {
            _ = try preparation().run(from: [labels], to: output)
        }
        XCTAssertEqual(try Files.names(in: output), ["own.txt"])
        assertFails(.invalidArgument, "is not a folder") { _ = try preparation().run(from: [labels], to: labels) }
        assertFails(.io, "no-such-file") { _ = try preparation().run(from: ["/no-such-file"], to: output + "2") }
    }

    func testADataFolderThatChangedIsRefused() throws {
        let labels = try folder.write(Array("first version\n".utf8), to: "labels.json")
        _ = try preparation().run(from: [labels], to: output)
        assertFails(.invalidArgument, "the data of toy, not of other") {
            _ = try DataFolder(path: output, benchmark: "other")
        }
        assertFails(.invalidArgument, "has no pairs.txt") {
            _ = try DataFolder(path: output, benchmark: "toy").file("pairs.txt")
        }
        assertFails(.invalidArgument, "prepare the data") { _ = try DataFolder(path: folder.path, benchmark: "toy") }
        _ = try folder.write(Array("first versioN\n".utf8), to: "data/labels.json")
        assertFails(.invalidArgument, "has changed since it was prepared") {
            _ = try DataFolder(path: output, benchmark: "toy").text("labels.json")
        }
        _ = try folder.write(Array("{\"format\": 9}".utf8), to: "data/benchmark.json")
        assertFails(.invalidArgument, "another version") { _ = try DataFolder(path: output, benchmark: "toy") }
    }

    func testAFolderStandsForADownload() throws {
        let images = Download("images", address: "https://example.org/images", isFolder: true)
        let preparation = DataPreparation(
            benchmark: "toy",
            inputs: [
                DataInput("names.txt", "the names", from: [images]) { (found, path) throws(DamaError) in
                    let names = try Files.names(in: found["images"] ?? "")
                    try Files.writeAtomically(Array(names.joined(separator: " ").utf8), to: path)
                }
            ])
        try Files.makeDirectory(folder.path + "/images")
        try folder.write([1], to: "images/a.jpg")
        try Files.makeDirectory(folder.path + "/pictures")
        assertFails(.invalidArgument, "pictures is a folder; expected images") {
            _ = try preparation.run(from: [folder.path + "/pictures"], to: output)
        }
        XCTAssertEqual(try preparation.run(from: [folder.path + "/images/"], to: output).made, ["names.txt"])
        XCTAssertEqual(try DataFolder(path: output, benchmark: "toy").text("names.txt"), "a.jpg")
    }

    func testAStopEndsIt() throws {
        let labels = try folder.write(Array("first version\n".utf8), to: "labels.json")
        let stop = StopSignal()
        stop.stop()
        assertFails(.cancelled, "stopped") { _ = try preparation().run(from: [labels], to: output, stop: stop) }
        XCTAssertFalse(Files.isThere(output))
    }
}
