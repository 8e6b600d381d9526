import DamaSupport
import DamaTestSupport
import DamaWords
import XCTest

/// What the builder takes, and what it refuses.
final class WordDataBuilderTests: XCTestCase {
    private func write(_ names: [String]) throws -> WordDataBuilder.Summary {
        try write(paths: names.map { Fixtures.path($0) })
    }

    private func write(paths: [String]) throws -> WordDataBuilder.Summary {
        let folder = try TemporaryDirectory()
        let summary = try WordDataBuilder.write(from: paths, to: "\(folder.path)/words")
        XCTAssertEqual(try Files.digest("\(folder.path)/words").sha256, summary.sha256)
        return summary
    }

    func testArchivesFoldersAndFilesGiveTheSameBytes() throws {
        let summary = try write(["tagger.zip", "punkt_tab.zip", "wordnet"])
        XCTAssertEqual(
            summary.sources.map(\.name),
            [
                "averaged_perceptron_tagger.pickle", "abbrev_types.txt", "collocations.tab", "sent_starters.txt",
                "ortho_context.tab", "index.noun", "noun.exc",
            ])
        XCTAssertTrue(summary.sources[1].path.hasSuffix("punkt_tab.zip/punkt_tab/english/abbrev_types.txt"))
        // Other names and another order; a file that is there twice.
        let folder = try TemporaryDirectory()
        try folder.write(Files.read(Fixtures.path("punkt_tab.zip")), to: "b.zip")
        try folder.write(Files.read(Fixtures.path("tagger.zip")), to: "a.zip")
        let again = try write(paths: [
            Fixtures.path("wordnet/noun.exc"), folder.path, Fixtures.path("wordnet/index.noun"),
            Fixtures.path("wordnet"),
        ])
        XCTAssertEqual(again.sha256, summary.sha256)
        // Of the pickle and the JSON files, the JSON files are taken.
        let both = try write(["tagger.zip", "tagger_json.zip", "punkt_tab.zip", "wordnet"])
        XCTAssertEqual(both.sources.first?.name, "averaged_perceptron_tagger_eng.weights.json")
        XCTAssertEqual(both.sources.count, 9)
    }

    func testWhatIsMissingIsNamedWithItsAddress() {
        assertFails(.invalidArgument, "missing: NLTK's tagger, https://github.com/nltk/nltk_data/") {
            _ = try self.write(["punkt_tab.zip", "wordnet"])
        }
        assertFails(.invalidArgument, "missing: Punkt's English tables") {
            _ = try self.write(["tagger.zip", "wordnet"])
        }
        assertFails(.invalidArgument, "missing: WordNet 3.0's index.noun and noun.exc") {
            _ = try self.write(["tagger.zip", "punkt_tab.zip", "wordnet/noun.exc"])
        }
        assertFails(.invalidArgument, "make_words.py is no zip archive and has none of the names") {
            _ = try self.write(["make_words.py"])
        }
        assertFails(.io, "cannot open ") { _ = try self.write(["nothing.zip"]) }
    }

    func testWrongFilesAreErrors() throws {
        let folder = try TemporaryDirectory()
        let punkt = Fixtures.path("punkt_tab.zip")
        let other = try folder.write(Array("mice mouse\n".utf8), to: "noun.exc")
        assertFails(.invalidArgument, "noun.exc differ; give one of them") {
            _ = try self.write(paths: [other, punkt, Fixtures.path("tagger.zip"), Fixtures.path("wordnet")])
        }
        func assertRefused(
            _ files: [String: [UInt8]], _ code: DamaError.Code, _ message: String, line: UInt = #line
        ) throws {
            let paths = try files.map { try folder.write($0.value, to: $0.key) }
            assertFails(code, message) { _ = try self.write(paths: paths + [punkt]) }
            for path in paths { try FileManager.default.removeItem(atPath: path) }
        }
        let index = try Files.read(Fixtures.path("wordnet/index.noun"))
        let exceptions = try Files.read(Fixtures.path("wordnet/noun.exc"))
        let command = [0x80, 2] + Array("cposix\nsystem\nU\u{2}lsq\u{1}\u{85}R.".utf8)
        try assertRefused(
            ["tagger.pickle": command, "index.noun": index, "noun.exc": exceptions], .unsupported,
            "tagger.pickle: the pickle refers to posix.system; a tagger of NLTK has dictionaries and a set")
        try assertRefused(
            ["tagger.pickle": [0x80, 2] + Array("}.".utf8), "index.noun": index, "noun.exc": exceptions], .model,
            "the pickle is no tagger of NLTK")
        func json(_ weight: String, _ tag: String = "NN") -> [String: [UInt8]] {
            [
                "averaged_perceptron_tagger_eng.weights.json": Array("{\"bias\": {\"NN\": \(weight)}}".utf8),
                "averaged_perceptron_tagger_eng.tagdict.json": Array("{\"the\": \"\(tag)\"}".utf8),
                "averaged_perceptron_tagger_eng.classes.json": Array("[\"NN\"]".utf8),
                "index.noun": index, "noun.exc": exceptions,
            ]
        }
        try assertRefused(json("0.0001"), .unsupported, "the weight 0.0001; expected at most three decimals")
        try assertRefused(json("1e300"), .unsupported, "the weight 1e+300; expected at most three decimals")
        try assertRefused(json("null"), .model, "a feature whose weights are no numbers of tags")
        try assertRefused(json("1", "DT"), .model, #"the tagger's word "the" has the tag "DT", which is no class"#)
        var files = json("0.125")
        files["index.noun"] = Array("dog v 1 0 1 0 1\n".utf8)
        try assertRefused(files, .model, #"index.noun: the line "dog v 1 0 1 0 1" describes no noun"#)
    }
}
