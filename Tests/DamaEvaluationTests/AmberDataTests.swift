import DamaSupport
import DamaTestSupport
import XCTest

@testable import DamaEvaluation

/// What `prepare` makes for AMBER, and data that AMBER cannot be evaluated with.
final class AmberDataTests: XCTestCase {
    private let directory = try? TemporaryDirectory()
    private var data: String { "\(directory?.path ?? "")/data" }

    private func fixture(_ name: String) -> String { Fixtures.path("amber/\(name)") }

    private func prepare(_ paths: [String], anyVersion: Bool = true) throws -> DataPreparation.Report {
        var preparation = DataPreparation(benchmark: "amber", inputs: Amber.inputs)
        preparation.acceptsAnyVersion = anyVersion
        return try preparation.run(from: paths, to: data)
    }

    private var basic: [String] {
        ["annotations.json", "relation.json", "safe_words.txt", "query_all.json"].map(fixture)
    }

    private func open(part: String? = nil) throws -> Amber {
        try Amber(DataFolder(path: data, benchmark: "amber"), BenchmarkSettings(part: part)) { _ in [] }
    }

    /// Writes a file of the own data anew, under its name.
    private func write(_ name: String, _ text: String) throws -> String {
        try XCTUnwrap(directory).write(Array(text.utf8), to: name)
    }

    func testQuestionsNeedNeitherWordsNorVectors() throws {
        let report = try prepare(basic)
        XCTAssertEqual(report.made.count, 4)
        XCTAssertTrue(report.missing.allSatisfy(\.isOptional))
        XCTAssertTrue(report.missing.allSatisfy { !$0.downloads.isEmpty })
        XCTAssertEqual(try open(part: "discriminative").questions.count, 120)
        assertFails(.invalidArgument, "has no similar_words.json, which the descriptions need") { _ = try open() }
        assertFails(.invalidArgument, "has no words.bin, which the descriptions need") {
            _ = try Amber(DataFolder(path: data, benchmark: "amber"), BenchmarkSettings(part: "generative"))
        }
    }

    func testAnotherVersionIsRefused() {
        assertFails(.invalidArgument, "which is no known version of annotations.json") {
            _ = try prepare(basic, anyVersion: false)
        }
    }

    func testAWheelBecomesATableThatNamesIt() throws {
        _ = try prepare(basic)
        // Any version of the vectors will do, in a later call too.
        let wheel = fixture("en_own_vectors-1.2.3-py3-none-any.whl")
        XCTAssertEqual(try prepare([wheel], anyVersion: false).made, ["similar_words.json"])
        let table = try Files.readJSON("\(data)/similar_words.json")
        let source: JSON = [
            "name": "en_own_vectors", "version": "1.2.3", "sha256": .string(try Files.digest(wheel).sha256),
        ]
        XCTAssertEqual(table["source"], source)
        XCTAssertEqual(table["pairs"], try Fixtures.json("amber/vectors.json")["pairs"])
        XCTAssertEqual(try open().identity["similar_words"]?["source"], source)
    }

    func testATableOfOnesOwn() throws {
        for text in [#"[["kettle", "teapot"]]"#, #"{"pairs": [["kettle", "teapot"]]}"#] {
            _ = try prepare(basic + [try write("similar_words.json", text)])
            XCTAssertEqual(try Files.readJSON("\(data)/similar_words.json")["pairs"], [["kettle", "teapot"]])
            _ = try open()
        }
        _ = try prepare(basic + [try write("similar_words.json", #"[["kettle", "house"]]"#)])
        assertFails(.invalidArgument, #"has the pair "kettle", "house", which is not among the"#) { _ = try open() }
        for (text, message) in [
            ("{}", "has no pairs"), (#"[["kettle"]]"#, #"has the pair ["kettle"]; expected two words"#),
            (#"{"threshold": 0.7, "pairs": []}"#, "has the threshold 0.7, not 0.8"),
        ] {
            assertFails(.invalidArgument, message) {
                _ = try prepare(basic + [try write("similar_words.json", text)])
            }
        }
    }

    func testTheTableNeedsTheWords() throws {
        assertFails(.invalidArgument, "is made for the words of relation.json; prepare that first") {
            _ = try prepare([fixture("en_own_vectors-1.2.3-py3-none-any.whl")])
        }
    }

    func testTheTwoQuestionFilesTogetherAreAll() throws {
        let all = try XCTUnwrap(Files.readJSON(fixture("query_all.json")).array)
        let halves = [
            try write("query_generative.json", JSON.array(Array(all[..<230])).text),
            try write("query_discriminative.json", JSON.array(Array(all[230...])).text),
        ]
        _ = try prepare(Array(basic.dropLast()) + halves)
        XCTAssertEqual(try Files.readJSON("\(data)/queries.json"), .array(all))
        assertFails(.invalidArgument, "needs query_all.json, or query_generative.json and") {
            _ = try prepare([halves[0]])
        }
    }

    func testDataThatIsNotAsAmbersIsNamed() throws {
        let good = #"{"id": 1, "type": "generative", "truth": ["kettle"], "hallu": ["owl"]}"#
        for (text, message) in [
            ("{}", "annotations.json is an object; expected an array"),
            ("[\(good), \(good)]", "annotation 2 has the id 1; expected its position"),
            (#"[{"id": 1, "type": "relation", "truth": "maybe"}]"#, "annotation 1 lacks type, truth or hallu"),
            (#"[{"id": 1, "type": "other", "truth": "yes"}]"#, "annotation 1 lacks type, truth or hallu"),
            (good.replacing("\"owl\"", with: "7").wrapped, "annotation 1 lacks type, truth or hallu"),
            (good.replacing("owl", with: "sleeve").wrapped, #"the word "sleeve" is not one of relation.json"#),
            (good.replacing("owl", with: "house").wrapped, #"the word "house" is not one of relation.json"#),
        ] {
            let paths = [try write("annotations.json", text), try write("similar_words.json", "[]")]
            _ = try prepare(Array(basic.dropFirst()) + paths)
            assertFails(.invalidArgument, message) { _ = try open() }
        }
        for (text, message) in [
            ("[]", "relation.json is an array; expected an object of word lists"),
            (#"{"a": "b"}"#, #""a" has no list of words"#), (#"{"a": [], "a": []}"#, #"has the word "a" twice"#),
        ] {
            _ = try prepare([fixture("annotations.json"), try write("relation.json", text)])
            assertFails(.invalidArgument, message) { _ = try open() }
        }
    }
}

extension String {
    fileprivate var wrapped: String { "[\(self)]" }
}
