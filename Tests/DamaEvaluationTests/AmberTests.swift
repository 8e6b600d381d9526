import DamaSupport
import DamaTestSupport
import XCTest

@testable import DamaEvaluation

/// Data of our own in AMBER's format, and what AMBER's inference.py at 534babf makes of it (Fixtures/make_amber.py).
final class AmberTests: XCTestCase {
    private static func path(_ name: String) -> String { Fixtures.path("amber/\(name)") }

    private let expected = try? Fixtures.json("amber/expected.json")

    /// The prepared data; the nouns of an answer are those that the official script was given.
    private func amber(part: String? = nil, variant: String? = nil) throws -> Amber {
        let directory = try TemporaryDirectory()
        let folder = try prepare(directory, ["en_own_vectors-1.2.3-py3-none-any.whl"])
        var nouns: [ExactText: [String]] = [:]
        for (text, list) in try XCTUnwrap(expected?["nouns"]?.object).members {
            nouns[ExactText(text)] = list.array?.compactMap(\.string)
        }
        let known = nouns
        return try Amber(folder, BenchmarkSettings(variant: variant, part: part)) { known[ExactText($0)] ?? [] }
    }

    @discardableResult
    private func prepare(_ directory: TemporaryDirectory, _ more: [String]) throws -> DataFolder {
        var preparation = DataPreparation(benchmark: "amber", inputs: Amber.inputs)
        preparation.acceptsAnyVersion = true
        let names = ["annotations.json", "relation.json", "safe_words.txt", "query_all.json"] + more
        _ = try preparation.run(from: names.map(Self.path), to: "\(directory.path)/data")
        return try DataFolder(path: "\(directory.path)/data", benchmark: "amber")
    }

    private func scores(_ amber: Amber) throws -> [(question: Int, score: AnswerScore)] {
        var scores: [(question: Int, score: AnswerScore)] = []
        for (position, row) in try XCTUnwrap(Fixtures.json("amber/responses.json").array).enumerated() {
            guard let answer = try? amber.answer(in: row, at: position) else { continue }
            let score = try amber.score(answer, run: 0, judge: nil, stop: StopSignal())
            scores.append((answer.question, score))
        }
        return scores
    }

    /// The official script's names of our counts.
    private static let names: [(official: String, ours: String)] =
        [
            ("chair_score", "hallucinated"), ("chair_num", "nouns"), ("safe_cover_score", "covered"),
            ("safe_cover_num", "truth_words"), ("hallu_cover_score", "imagined"), ("hallu_cover_num", "hallu_words"),
            ("non_hallu_score", "clean"), ("non_hallu_num", "descriptions"),
        ]
        + [
            ("", "discriminative"), ("as_", "state"), ("an_", "number"), ("aa_", "action"), ("asso_", "relation"),
            ("ha_", "existence"),
        ].flatMap { official, ours in
            [
                ("qa_correct_score", "right"), ("qa_correct_num", "questions"), ("qa_no_score", "right_no"),
                ("qa_no_num", "no"), ("qa_ans_no_score", "right_no"), ("qa_ans_no_num", "said_no"),
            ].map { (official + $0, "\(ours)_\($1)") }
        }

    func testTheCountsOfEveryAnswerAreThoseOfTheOfficialScript() throws {
        let rows = try XCTUnwrap(expected?["rows"]?.array)
        let scores = try scores(amber())
        XCTAssertEqual(scores.count, rows.count)
        XCTAssertEqual(rows.count, 350)
        for (row, (question, score)) in zip(rows, scores) {
            let totals = AmberTotals([score.counts])
            for (official, ours) in Self.names {
                XCTAssertEqual(totals.exact[ours], row[official]?.double ?? 0, "\(official) of \(question + 1)")
            }
        }
    }

    func testTheSumsAreThoseOfTheOfficialScriptToTheLastBit() throws {
        let counters = try XCTUnwrap(expected?["counters"])
        let totals = AmberTotals(try scores(amber()).map(\.score.counts))
        for (official, ours) in Self.names {
            XCTAssertEqual(totals.official(ours), counters[official]?.double, official)
        }
    }

    func testThePrintedNumbersAreThoseOfTheOfficialScript() throws {
        let types: [(String, String?)] = [
            ("a", nil), ("g", "generative"), ("d", "discriminative"), ("de", "existence"), ("da", "attribute"),
            ("dr", "relation"),
        ]
        XCTAssertEqual(types.compactMap(\.1), Amber.parts)
        for (type, part) in types {
            let amber = try amber(part: part)
            let metrics = amber.metrics(of: try scores(amber).map(\.score.counts))
            XCTAssertEqual(
                metrics.map(\.official), expected?["types"]?[type]?.array?.map(\.string), "evaluation type \(type)")
            // The exact value differs by the rounding and by the 0.001 in denominators of 30 or more.
            for metric in metrics where !metric.name.hasSuffix("f1") {
                let printed = try XCTUnwrap(metric.official.flatMap(Double.init))
                guard let value = metric.value else {
                    // The exact numbers have no precision where nobody said "No".
                    XCTAssertEqual([metric.name, metric.official], ["number_precision", "0.0"])
                    continue
                }
                XCTAssertEqual(value, printed, accuracy: 0.06, metric.name)
            }
        }
        let none = try amber().metrics(of: [])
        XCTAssertEqual(none.map(\.official), expected?["none"]?.array?.map(\.string))
        XCTAssertTrue(none.allSatisfy { $0.value == nil })
    }

    func testEvidenceNamesTheWords() throws {
        // Annotations: 1 has the truth and hallu that the evidence is checked against.
        let annotations = try XCTUnwrap(Fixtures.json("amber/annotations.json").array)
        var hallucinated = 0
        for (question, score) in try scores(amber()) where score.evidence["nouns"] != nil {
            let words = { (name: String) in score.evidence[name]?.array?.compactMap(\.string) ?? [] }
            XCTAssertEqual(Double(words("hallucinated").count), score.counts["hallucinated"])
            XCTAssertEqual(Double(words("covered").count), score.counts["covered"])
            XCTAssertEqual(Double(words("imagined").count), score.counts["imagined"])
            XCTAssertTrue(Set(words("hallucinated")).isSubset(of: words("nouns")))
            let truth = annotations[question]["truth"]?.array?.compactMap(\.string) ?? []
            XCTAssertTrue(Set(words("covered")).isSubset(of: truth))
            XCTAssertEqual(score.pass, words("hallucinated").isEmpty)
            hallucinated += words("hallucinated").count
        }
        XCTAssertGreaterThan(hallucinated, 100)
    }

    /// The nouns are the lemmas of the words that NLTK 3.9.1 tags NN…, with the small data of DamaWordsTests.
    func testNounsAreThoseOfNLTK() throws {
        let directory = try TemporaryDirectory()
        let words = "../../DamaWordsTests/Fixtures"
        for (fixture, name) in [
            ("tagger.zip", "averaged_perceptron_tagger.zip"), ("punkt_tab.zip", "punkt_tab.zip"),
            ("wordnet/index.noun", "index.noun"), ("wordnet/noun.exc", "noun.exc"),
        ] { try Files.copy(Fixtures.path("\(words)/\(fixture)"), to: "\(directory.path)/\(name)") }
        try prepare(directory, ["en_own_vectors-1.2.3-py3-none-any.whl"])
        let preparation = DataPreparation(benchmark: "amber", inputs: Amber.inputs)
        let downloads = ["averaged_perceptron_tagger.zip", "punkt_tab.zip", "index.noun", "noun.exc"]
        let report = try preparation.run(
            from: downloads.map { "\(directory.path)/\($0)" }, to: "\(directory.path)/data")
        XCTAssertEqual(report.made, ["words.bin"])
        let amber = try Amber(
            DataFolder(path: "\(directory.path)/data", benchmark: "amber"), BenchmarkSettings(part: "generative"))
        XCTAssertEqual(amber.identity["words"]?["rules"], "NLTK 3.9.1")

        let cases = try XCTUnwrap(Fixtures.json("\(words)/expected-3.9.1.json")["cases"]?.array)
        var count = 0
        for json in cases {
            let answer = try amber.answer(in: ["id": 1, "response": json["text"] ?? .null], at: 0)
            let score = try amber.score(answer, run: 0, judge: nil, stop: StopSignal())
            let tokens = try XCTUnwrap(json["tokens"]?.array)
            let tags = json["tags"]?.string?.split(separator: " ") ?? []
            let nouns = zip(tokens, tags).enumerated().filter { $0.element.1.hasPrefix("NN") }.map { index, word in
                json["lemmas"]?["\(index)"] ?? word.0
            }
            XCTAssertEqual(score.evidence["nouns"], .array(nouns), json["text"]?.string ?? "")
            count += nouns.count
        }
        XCTAssertGreaterThan(count, 100)
    }

    func testRepliesAreReadByTheirFirstWordIfWanted() {
        for (text, exact, firstWord) in [
            ("Yes", "yes", "yes"), ("No", "no", "no"), ("yes", "other", "yes"), ("No.", "other", "no"),
            (" No", "other", "no"), ("Yes\n", "other", "yes"), ("**NO**, there is none.", "other", "no"),
            ("Not sure", "other", "other"), ("None", "other", "other"), ("", "other", "other"),
            ("1. No", "other", "no"), ("I say no", "other", "other"), ("No\u{301}", "other", "other"),
        ] {
            XCTAssertEqual(AmberReply(text, .exact).rawValue, exact, text)
            XCTAssertEqual(AmberReply(text, .firstWord).rawValue, firstWord, text)
        }
    }

    func testTheVariantChangesTheQuestionsAlone() throws {
        let exact = try amber()
        let firstWord = try amber(variant: "first-word")
        let (a, b) = (try scores(exact).map(\.score.counts), try scores(firstWord).map(\.score.counts))
        XCTAssertEqual(exact.metrics(of: a).prefix(4), firstWord.metrics(of: b).prefix(4))
        let (few, many) = (AmberTotals(a).exact, AmberTotals(b).exact)
        XCTAssertEqual(few["discriminative_questions"], many["discriminative_questions"])
        XCTAssertGreaterThan(many["discriminative_said_no"], few["discriminative_said_no"])
    }

    func testRowsThatAreNoAnswersAreNamed() throws {
        let amber = try amber(part: "existence")
        func reason(_ row: JSON) -> String? {
            do {
                _ = try amber.answer(in: row, at: 0)
                return nil
            } catch {
                return error.reason
            }
        }
        let id = try XCTUnwrap(amber.questions.first?.id)
        XCTAssertNil(reason(["id": id, "response": ""]))
        XCTAssertNil(reason(["id": .string(id.text), "response": "No"]))
        XCTAssertEqual(reason(["id": 1, "response": "No"]), "question 1 is not one of the part existence")
        XCTAssertEqual(reason(["id": 999, "response": "No"])?.contains("has no question 999"), true)
        XCTAssertEqual(reason(["id": id])?.contains("\"response\""), true)
        XCTAssertEqual(reason(["id": id, "response": 1])?.contains("is not a string"), true)
    }

    func testQuestionsAreThoseOfThePart() throws {
        XCTAssertEqual(try amber().questions.count, 350)
        let generative = try amber(part: "generative")
        XCTAssertEqual(generative.questions.map(\.id), (1...230).map { JSON.int($0) })
        XCTAssertEqual(generative.questions[60].image, "OWN_10.jpg")
        XCTAssertEqual(generative.questions[60].text, "Describe this image.")
    }
}
