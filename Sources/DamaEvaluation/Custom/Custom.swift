import DamaSupport

/// A benchmark of a user's own: questions with anything that a judge needs to know, and metrics as ratios of what the
/// judge counts.
///
/// The judge gets one message with a JSON object: `question` is the question's row, `answer` the text to judge. It
/// answers with a JSON object: `counts` (numbers by name), `pass` (optional), and anything else, which the results keep.
/// `metrics.json` names the ratios: `{"accuracy": {"numerator": "right", "denominator": "answers", "scale": 100}}`.
package struct Custom: Benchmark {
    package static let name = "custom"
    package static var passName: String? { "passed" }

    package static let inputs = [
        DataInput(
            "questions.jsonl", "the questions: idx, question, image, and what the judge needs",
            from: [Download("questions.jsonl", address: "you: a file of your own")]),
        DataInput(
            "metrics.json", "the metrics as ratios of counts",
            from: [Download("metrics.json", address: "you: a file of your own")]),
    ]

    /// How often a judge is asked again after an answer of another form.
    static let attempts = 3

    package let questions: [BenchmarkQuestion]
    package let needsJudge = true
    private let rows: [JSON]
    private let index: QuestionIndex
    private let ratios: [Ratio]

    private struct Ratio: Sendable {
        var name: String
        var numerator: String
        var denominator: String
        var scale: Double
    }

    package init(_ folder: DataFolder, _ settings: BenchmarkSettings) throws(DamaError) {
        rows = try folder.rows("questions.jsonl")
        var questions: [BenchmarkQuestion] = []
        for (position, row) in rows.enumerated() {
            do throws(BadAnswer) {
                questions.append(
                    BenchmarkQuestion(
                        id: try row.first(of: ["idx", "id"]), image: row["image"],
                        text: try row.text(of: ["question", "prompt"])))
            } catch {
                throw .invalidArgument("\(folder.path)/questions.jsonl: question \(position + 1): \(error.reason)")
            }
        }
        self.questions = questions
        index = QuestionIndex(questions)
        let place = "\(folder.path)/metrics.json"
        guard let members = try folder.json("metrics.json").object?.members, !members.isEmpty else {
            throw .invalidArgument("\(place) is not an object of metrics")
        }
        var ratios: [Ratio] = []
        for member in members {
            let reader = try ConfigReader(member.value, place: "\(place): \(member.key)")
            ratios.append(
                Ratio(
                    name: member.key, numerator: try reader.string("numerator"),
                    denominator: try reader.string("denominator"),
                    scale: try reader.double("scale", default: 1, in: 1e-9...1e9)))
        }
        self.ratios = ratios
    }

    package func answer(in row: JSON, at index: Int) throws(BadAnswer) -> BenchmarkAnswer {
        BenchmarkAnswer(
            question: try self.index.position(of: row.first(of: ["id", "idx"])),
            text: try row.text(of: ["response", "answer", "text"]))
    }

    package func score(
        _ answer: BenchmarkAnswer, run: Int, judge: (any Judge)?, stop: StopSignal
    ) throws(DamaError) -> AnswerScore {
        guard let judge else { throw .internal("a custom benchmark without a judge") }
        let question: JSON = ["question": rows[answer.question], "answer": .string(answer.text)]
        var request = JudgeRequest([.init(role: "user", content: question.text)])
        request.run = run
        var said = ""
        while request.attempt < Self.attempts {
            said = try judge.answer(request, stop: stop).text
            if let score = Self.score(said) { return score }
            request.attempt += 1
        }
        let start = String(decoding: said.utf8.prefix(200), as: UTF8.self)
        throw .model(
            "the judge's answer to question \(questions[answer.question].id.text) is no JSON object with \"counts\": "
                + quoted(start))
    }

    private static func score(_ text: String) -> AnswerScore? {
        guard let json = try? JSON(parsing: text.utf8), let counts = json["counts"].flatMap({ Counts($0) }),
            let members = json.object?.members
        else { return nil }
        return AnswerScore(
            pass: json["pass"]?.bool, counts: counts,
            evidence: JSONObject(members.filter { !ResultLine.ownNames.contains($0.key) }))
    }

    package func metrics(_ counts: Counts) -> [Metric] {
        ratios.map { Metric($0.name, counts[$0.numerator], over: counts[$0.denominator], scale: $0.scale) }
    }
}
