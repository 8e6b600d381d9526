import DamaSupport

/// MMHal-Bench (Sun et al. 2023): 96 questions of eight kinds about images. A judge, which does not see the image,
/// rates each answer from 0 to 6; below 3 it has a hallucination. Scored as `eval_gpt_mmhal.py` of LLaVA-RLHF 830a083
/// does.
///
/// A question's kind follows from its place: the kinds take turns.
package struct MMHal: Benchmark {
    package static let name = "mmhal"
    package static var passName: String? { "without hallucination" }
    package static let inputs: [DataInput] = [
        DataInput(
            dataName, "the questions, with what is in the images and the reference answers",
            from: [
                Download(
                    dataName,
                    versions: [
                        ("2023-09", "28ed24e19ffef292597c35f1dad37760b2e0a088b3b40ca3b50f105fc1b951bb")
                    ], address: "https://huggingface.co/datasets/Shengcao1006/MMHal-Bench")
            ]),
        JudgePrompts.input(.mmhal),
    ]

    private static let dataName = "response_template.json"
    private static let kinds = [
        "attribute", "adversarial", "comparison", "counting", "relation", "environment", "holistic", "other",
    ]

    package let questions: [BenchmarkQuestion]
    private let contents: [String]
    private let references: [String]
    private let index: QuestionIndex
    private let prompts: JudgePrompts
    /// The judge's answer to each question; `nil` if a judge is asked.
    private let answers: [JudgeAnswer]?

    package init(_ folder: DataFolder, _ settings: BenchmarkSettings) throws(DamaError) {
        var questions: [BenchmarkQuestion] = []
        var (contents, references): ([String], [String]) = ([], [])
        for (position, row) in (try folder.json(Self.dataName).array ?? []).enumerated() {
            let parts = row["image_content"]?.array.map { $0.compactMap(\.string) }
            guard let text = row["question"]?.string, let reference = row["gt_answer"]?.string, let parts,
                let source = row["image_src"]?.string
            else {
                throw .invalidArgument(
                    "\(folder.path)/\(Self.dataName): question \(position) lacks question, gt_answer, image_content or "
                        + "image_src")
            }
            // The published images are named by the last part of their addresses.
            let image = source.utf8.split(separator: UInt8(ascii: "/")).last.map { String(Substring($0)) }
            questions.append(
                BenchmarkQuestion(id: .int(Int64(position)), image: image.map { .string($0) }, text: text))
            contents.append(parts.joined(separator: ", "))
            references.append(reference)
        }
        guard !questions.isEmpty else { throw .invalidArgument("\(folder.path)/\(Self.dataName) has no questions") }
        self.questions = questions
        self.contents = contents
        self.references = references
        index = QuestionIndex(questions)
        prompts = settings.prompts == "official" ? try JudgePrompts(official: folder, ["template"]) : .ownMMHal
        answers = try settings.judgeAnswers.map { path throws(DamaError) in
            try Self.answers(path, count: questions.count)
        }
    }

    package var identity: JSONObject { answers == nil ? ["prompts": prompts.identity] : [:] }
    package var needsJudge: Bool { answers == nil }

    /// A file of the official script: an API's answers, or records with `gpt4_review`, in the questions' order.
    private static func answers(_ path: String, count: Int) throws(DamaError) -> [JudgeAnswer] {
        var answers: [JudgeAnswer] = []
        for (position, value) in try JudgeAnswerFile.values(path).enumerated() {
            let content = value["choices"]?.array?.first?["message"]?["content"]
            guard let text = (content ?? value["gpt4_review"])?.string ?? value.string else {
                throw .invalidArgument(
                    "\(path): answer \(position) of the judge has neither choices[0].message.content nor gpt4_review")
            }
            answers.append(JudgeAnswer(text: text, model: value["model"]?.string))
        }
        guard answers.count == count else {
            throw .invalidArgument(
                "\(path) holds \(answers.count) answers of a judge; the benchmark has \(count) questions")
        }
        return answers
    }

    /// Official records have no id: their order is that of the questions. LLaVA-RLHF's hold `model_answer`, RLAIF-V's
    /// `answer` or `text` beside the question.
    package func answer(in row: JSON, at position: Int) throws(BadAnswer) -> BenchmarkAnswer {
        let text = try row.text(of: ["response", "model_answer", "answer", "text"])
        if row["id"] == nil, row["question_id"] == nil, row["model_answer"] != nil || row["question"] != nil {
            guard questions.indices.contains(position) else {
                throw BadAnswer(
                    .unknownQuestion, "record \(position) is beyond the benchmark's \(questions.count) questions")
            }
            if let question = row["question"]?.string, !question.hasSameBytes(as: questions[position].text) {
                throw BadAnswer(
                    .unknownQuestion,
                    "record \(position) has another question than the benchmark, whose order it must have")
            }
            return BenchmarkAnswer(question: position, text: text)
        }
        return BenchmarkAnswer(
            question: try index.position(of: try row.first(of: ["id", "question_id"])), text: text)
    }

    package func score(
        _ answer: BenchmarkAnswer, run: Int, judge: (any Judge)?, stop: StopSignal
    ) throws(DamaError) -> AnswerScore {
        let reply: JudgeAnswer
        if let answers {
            reply = answers[answer.question]
        } else {
            guard let judge else { throw .internal("MMHal-Bench without a judge") }
            let text = try PythonFormat.fill(
                prompts["template"],
                [
                    contents[answer.question], questions[answer.question].text, references[answer.question],
                    answer.text,
                ])
            var request = JudgeRequest([.init(role: "user", content: text)])
            request.run = run
            reply = try judge.answer(request, stop: stop)
        }
        return Self.score(MMHalRating(reply.text), question: answer.question, evidence: reply.evidence)
    }

    static func score(
        _ rating: MMHalRating, question: Int, evidence: [JSONObject.Member] = []
    ) -> AnswerScore {
        let kind = kinds[question % kinds.count]
        let (score, isFaithful) = (rating.official, MMHalRating.isFaithful(rating.official))
        var counts: Counts = [
            "answers": 1, "score": Double(score), "hallucinated": isFaithful ? 0 : 1,
            "informativeness": Double(MMHalRating.informativeness(score)), "\(kind)_answers": 1,
            "\(kind)_score": Double(score),
        ]
        var members: [JSONObject.Member] = [("rating", rating.found.map { .int(Int64($0)) } ?? .null)]
        if rating.found == nil {
            counts["failed"] = 1
            members.append(("failed", true))
        }
        return AnswerScore(pass: isFaithful, counts: counts, evidence: JSONObject(members + evidence))
    }

    package func metrics(_ counts: Counts) -> [Metric] { Self.metrics(counts) }

    static func metrics(_ counts: Counts) -> [Metric] {
        func mean(_ name: String, _ sum: String, of count: String, _ text: (Double) -> String) -> Metric {
            let value = counts[count] == 0 ? nil : counts[sum] / counts[count]
            return Metric(name, value, official: value.map(text))
        }
        let twoDigits = { (value: Double) in FixedPoint.text(value, digits: 2) }
        let failed = counts["failed"]
        let rated = counts["answers"] - failed
        return [
            mean("average_score", "score", of: "answers", twoDigits),
            mean("hallucination_rate", "hallucinated", of: "answers", twoDigits),
        ]
            // Printed by Python's str(round(…, 2)).
            + kinds.map { kind in
                mean(kind, "\(kind)_score", of: "\(kind)_answers") {
                    FixedPoint.rounded($0, digits: 2).description
                }
            }
            + [
                Metric(
                    "informativeness",
                    counts["answers"] == 0 ? nil : counts["informativeness"] / counts["answers"] / 3 * 100,
                    official: counts["answers"] == 0
                        ? nil : twoDigits(counts["informativeness"] / counts["answers"] / 3 * 100)),
                Metric("failed", failed),
                // A failed answer has the score 0 and counts as a hallucination above.
                Metric("average_score_without_failed", counts["score"], over: rated, scale: 1),
                Metric("hallucination_rate_without_failed", counts["hallucinated"] - failed, over: rated, scale: 1),
            ]
    }
}
