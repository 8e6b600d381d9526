import DamaArchive
import DamaSupport
import DamaTestSupport
import XCTest

@testable import DamaEvaluation

/// The data of Fixtures/object-halbench (make_object_halbench.py): 300 answers, and the results of RLAIF-V's script at
/// 83d917b.
struct ObjectFixture {
    let folder: TemporaryDirectory
    let expected: JSON

    init() throws {
        folder = try TemporaryDirectory()
        expected = try Fixtures.json("object-halbench/expected.json")
    }

    static func path(_ name: String) -> String { Fixtures.path("object-halbench/\(name)") }

    static func rows(_ name: String) throws -> [JSON] { try JudgeAnswerFile.values(path(name)) }

    /// Prepares the data of a benchmark, with COCO's annotations from their archive or loose.
    @discardableResult
    func prepare(
        _ benchmark: any Benchmark.Type, loose: Bool = false, more: [String] = []
    ) throws -> DataPreparation.Report {
        var preparation = DataPreparation(benchmark: benchmark.name, inputs: benchmark.inputs)
        // The table of synonyms is a small one.
        preparation.acceptsAnyVersion = true
        var paths = ["nltk_data", "synonyms_refine.txt"].map { Self.path($0) } + more
        if benchmark.name == ObjectHalBench.name { paths.append(Self.path("obj_halbench_300_with_image.jsonl")) }
        let archive = try ZipFile(path: Self.path("annotations_trainval2014.zip"))
        if loose {
            for member in archive.names {
                let name = String(member.split(separator: "/").last ?? "")
                paths.append(try folder.write(archive.contents(of: member), to: name))
            }
        } else {
            paths.append(archive.path)
        }
        return try preparation.run(from: paths, to: output(benchmark))
    }

    func output(_ benchmark: any Benchmark.Type) -> String { "\(folder.path)/\(benchmark.name)" }

    func open<B: Benchmark>(_ benchmark: B.Type, _ settings: BenchmarkSettings = .init()) throws -> B {
        try benchmark.init(DataFolder(path: output(benchmark), benchmark: benchmark.name), settings)
    }

    /// Scores all rows and compares them with the script's, row by row and in sum.
    ///
    /// - Returns: The metrics by name.
    func check(
        _ benchmark: some Benchmark, _ variant: String, rows: [JSON], judge: (any Judge)? = nil
    ) throws -> [String: Metric] {
        let expected = try XCTUnwrap(expected[variant])
        let wanted = Dictionary(
            uniqueKeysWithValues: try XCTUnwrap(expected["rows"]?.array).map { ($0["image_id"]?.int, $0) })
        XCTAssertEqual(wanted.count, rows.count)
        var sum = Counts()
        for (position, row) in rows.enumerated() {
            let answer = try benchmark.answer(in: row, at: position)
            let score = try benchmark.score(answer, run: 0, judge: judge, stop: StopSignal())
            let id = try XCTUnwrap(benchmark.questions[answer.question].id.int)
            let one = try XCTUnwrap(wanted[id])
            for member in ["generated", "hallucinated", "truth"] {
                XCTAssertEqual(score.evidence[member], one[member], "\(member) of \(id)")
            }
            XCTAssertEqual(score.pass, one["chair_s"]?.int == 0, "\(id)")
            sum += score.counts
        }
        let metrics = Dictionary(uniqueKeysWithValues: benchmark.metrics(sum).map { ($0.name, $0) })
        let values = try XCTUnwrap(expected["metrics"])
        for (name, member, scale) in [
            ("chair_s", "CHAIRs", 100.0), ("response_hallucination", "CHAIRs_refine", 100), ("chair_i", "CHAIRi", 100),
            ("mention_hallucination", "CHAIRi", 100), ("object_recall", "obj_rec", 100),
            ("average_length", "avg_word_len", 1), ("response_correct", "correct_rate", 100),
            ("object_correct", "object_correct_rate", 100), ("sentences", "sentence_num", 1),
            ("coco_sentences", "coco_sentence_num", 1), ("coco_words", "coco_word_count", 1),
            ("truth_words", "gt_word_count", 1),
        ] {
            guard let metric = metrics[name] else { continue }
            XCTAssertEqual(metric.value, try XCTUnwrap(values[member]?.double) * scale, name)
        }
        return metrics
    }
}

/// Gives the replies of the fixture, in turn for each answer.
final class FixtureJudge: Judge {
    let name = "fixture"
    private let replies: JSON
    private let ids: [JSON]

    init(_ rows: [JSON]) throws {
        replies = try Fixtures.json("object-halbench/replies.json")
        ids = rows.compactMap { $0["image_id"] }
    }

    func answer(_ request: JudgeRequest, stop: StopSignal) throws(DamaError) -> JudgeAnswer {
        let text = request.messages.last?.content ?? ""
        let mark = "What is here, "
        let digits = text.components(separatedBy: mark).last?.prefix { $0.isNumber } ?? ""
        guard request.temperature == 0.2, request.topP == 1, request.maximumTokens == 512, request.messages.count == 1,
            let number = Int(digits), ids.indices.contains(number),
            let texts = replies[ids[number].string ?? ids[number].text]?.array, texts.indices.contains(request.attempt),
            let reply = texts[request.attempt].string
        else { throw .invalidArgument("unexpected request: \(request)") }
        return JudgeAnswer(text: reply, model: "m")
    }
}
