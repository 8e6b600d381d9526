import DamaSupport
import DamaTestSupport
import XCTest

@testable import DamaEvaluation

/// Prompts are cut out of a script that is known by its hash.
final class OfficialScriptTests: JudgedTestCase {
    private let source = "# é\nprompt = '''Grade {}\nand \\'{}\\'.'''\nmore = prompt + \"\\nAgain: \"\n"

    private func script(_ literals: KeyValuePairs<String, Int>) -> OfficialScript {
        OfficialScript(
            name: "s.py", address: "https://example.org/s.py",
            versions: [
                .init("older", String(repeating: "0", count: 64), [:]),
                .init("a1b2", SHA256.hex(of: Array(source.utf8)), literals),
            ])
    }

    func testPromptsAreCutByThePreparation() throws {
        let path = try folder.write(Array(source.utf8), to: "whatever.txt")
        let input = JudgePrompts.input(script(["prompt": 14, "again": 57])) { _ throws(DamaError) in [("x", "y")] }
        let output = folder.path + "/data"
        let report = try DataPreparation(benchmark: "b", inputs: [input]).run(from: [path], to: output)
        XCTAssertEqual(report.made, [JudgePrompts.fileName])
        let data = try DataFolder(path: output, benchmark: "b")
        let prompts = try JudgePrompts(official: data, ["prompt", "again"])
        XCTAssertEqual(prompts["prompt"], "Grade {}\nand '{}'.")
        XCTAssertEqual(prompts["again"], "\nAgain: ")
        XCTAssertEqual(prompts["x"], "y")
        XCTAssertEqual(prompts["none"], "")
        XCTAssertEqual(prompts.identity["name"], "official, from s.py")
        // Of {"prompt":"Grade {}\nand '{}'.","again":"\nAgain: ","x":"y"}, by sha256sum.
        XCTAssertEqual(
            prompts.identity["sha256"]?.string, "0cef1c393dbf5ff2a18b43ff5b2e981f32da8d88b8044cd195bd94911accb17d")
        assertFails(.invalidArgument, "lacks a prompt; prepare it again") {
            _ = try JudgePrompts(official: data, ["another"])
        }
    }

    func testOtherVersionsAndOtherPlaces() throws {
        let path = try folder.write(Array((source + "\n").utf8), to: "s.py")
        assertFails(.invalidArgument, "no known version of s.py; its prompts cannot be found") {
            _ = try self.script([:]).prompts(path)
        }
        let same = try folder.write(Array(source.utf8), to: "s.py")
        assertFails(.model, "byte 3: expected a string literal") { _ = try self.script(["prompt": 3]).prompts(same) }
    }

    /// The prompts of this library have the places that the benchmarks fill, and say what the parsers look for.
    func testOwnPrompts() throws {
        let values = ["A", "B", "C", "D"]
        let mmhal = try PythonFormat.fill(JudgePrompts.ownMMHal["template"], values)
        let llava = try PythonFormat.fill(JudgePrompts.ownLlavaBench["template"], values)
        for (text, prompt) in [(mmhal, JudgePrompts.ownMMHal), (llava, JudgePrompts.ownLlavaBench)] {
            for value in values { XCTAssertTrue(text.contains(value)) }
            XCTAssertEqual(prompt.name, "libdama 1")
        }
        // The prompt itself is no rating.
        XCTAssertNil(MMHalRating(mmhal).found)
        XCTAssertTrue(JudgePrompts.ownMMVet["prompt"].hasSuffix("| 0.0"))
    }
}
