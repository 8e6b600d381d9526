import DamaTestSupport
import Foundation
import XCTest

/// Configuration files that expand beyond their size are refused at once.
final class ConfigurationBoundsTests: JobTestCase {
    private func train(_ yaml: String) throws -> (code: Int32, text: String) {
        let folder = try TemporaryDirectory()
        try folder.write(yaml.utf8, to: "train.yaml")
        let process = Process()
        process.executableURL = try Self.product("dama-cli")
        process.arguments = ["train", "--config", "\(folder.path)/train.yaml"]
        let errors = Pipe()
        process.standardError = errors
        try process.run()
        let text = String(decoding: errors.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        process.waitUntilExit()
        return (process.terminationStatus, text)
    }

    /// Ten lists of nine aliases each. Before the fix, they took 5.9 GB, and as a key they never finished.
    func testAliasesDoNotExplode() throws {
        var laughs = "a0: &a0 [lol, lol, lol]\n"
        for level in 1..<10 {
            laughs +=
                "a\(level): &a\(level) [" + Array(repeating: "*a\(level - 1)", count: 9).joined(separator: ",") + "]\n"
        }
        for yaml in [laughs, laughs + "? *a9\n: x\n", laughs.replacingOccurrences(of: "&a", with: "!!seq &a")] {
            let (code, text) = try train(yaml)
            XCTAssertEqual(code, 1, text)
            XCTAssertTrue(text.contains("line 3: the text has more than 16 aliases"), text)
        }
    }

    func testAFewAliasesAreValues() throws {
        // Read up to the next error, which names the value.
        let (_, text) = try train("out: &o /nonexistent\nmodel: *o\ndata: *o\nbatch_size: &b none\nepochs: *b\n")
        XCTAssertTrue(text.contains("batch_size"), text)
        XCTAssertFalse(text.contains("alias"), text)
    }

    func testSizeDepthAndNumberOfValues() throws {
        let list = "a: &a [" + Array(repeating: "1", count: 40_000).joined(separator: ",") + "]\n"
        for (yaml, part) in [
            (String(repeating: "# comment\n", count: 200_000), "2000000 bytes; the limit is 1048576"),
            (list + "b: *a\nc: *a\n", "the text has more than 100000 values"),
            ("a: " + String(repeating: "[", count: 40) + String(repeating: "]", count: 40), "nested too deeply"),
            (String(repeating: "[", count: 500_000), "nested too deeply"),
            (String(repeating: "- ", count: 250_000), "nested too deeply"),
            (String(repeating: "{?", count: 200_000), "a key is not text"),
        ] {
            let (code, text) = try train(yaml)
            XCTAssertEqual(code, 1, String(text.prefix(300)))
            XCTAssertTrue(text.contains(part), String(text.prefix(300)))
        }
    }
}
