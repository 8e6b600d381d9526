import DamaSupport

/// LLaVA-Bench in the wild (Liu et al. 2023): 60 questions about 24 images. A judge, which sees a description instead
/// of the image, gives two scores: one to GPT-4's reference answer, and one to the model's. Scored as
/// `eval_gpt_review_bench.py` and `summarize_gpt_review.py` of LLaVA c121f04 do, or as RLHF-V's summary, which drops
/// failed reviews.
package struct LlavaBench: Benchmark {
    package static let name = "llava-bench"
    /// The first is LLaVA's summary, the second RLHF-V's.
    package static let variants = ["keep-failed", "drop-failed"]
    package static let inputs: [DataInput] =
        [
            (questionsName, "the questions"), (contextName, "the descriptions of the images"),
            (referencesName, "the reference answers"),
        ].map { name, purpose in
            DataInput(
                name, purpose,
                from: [
                    Download(
                        name, address: "https://huggingface.co/datasets/liuhaotian/llava-bench-in-the-wild")
                ])
        } + [JudgePrompts.officialLlavaBench]

    private static let questionsName = "questions.jsonl"
    private static let contextName = "context.jsonl"
    private static let referencesName = "answers_gpt4.jsonl"
    /// In the order in which the official script prints them.
    static let categories = ["complex", "conv", "detail"]

    package let questions: [BenchmarkQuestion]
    private let categories: [String]
    private let contexts: [String]
    private let references: [String]
    private let index: QuestionIndex
    private let dropsFailed: Bool
    private let isOfficial: Bool
    private let prompts: JudgePrompts
    /// The review of each question, with its scores; `nil` if a judge is asked.
    private let reviews: [Int: (LlavaBenchReview, JudgeAnswer)]?

    package init(_ folder: DataFolder, _ settings: BenchmarkSettings) throws(DamaError) {
        let captions = try Self.captions(folder)
        let references = try Self.references(folder)
        var questions: [BenchmarkQuestion] = []
        var (categories, contexts): ([String], [String]) = ([], [])
        for (position, row) in try folder.rows(Self.questionsName).enumerated() {
            guard let id = row["question_id"], let image = row["image"]?.string, let text = row["text"]?.string,
                let category = row["category"]?.string,
                Self.categories.contains(where: { $0.hasSameBytes(as: category) })
            else {
                throw .invalidArgument(
                    "\(folder.path)/\(Self.questionsName): question \(position + 1) lacks question_id, image, text, or "
                        + "a category of \(Self.categories.joined(separator: ", "))")
            }
            guard let caption = captions[ExactText(image)] else {
                throw .invalidArgument("\(folder.path)/\(Self.contextName) does not describe \(image)")
            }
            questions.append(BenchmarkQuestion(id: id, image: .string(image), text: text))
            categories.append(category)
            contexts.append(caption)
        }
        guard references.count == questions.count else {
            throw .invalidArgument(
                "\(folder.path)/\(Self.referencesName) holds \(references.count) answers; the benchmark has "
                    + "\(questions.count) questions")
        }
        self.questions = questions
        self.categories = categories
        self.contexts = contexts
        self.references = references
        let index = QuestionIndex(questions)
        self.index = index
        dropsFailed = settings.variant == Self.variants[1]
        isOfficial = settings.prompts == "official"
        let names = ["system"] + Self.categories.flatMap { ["role \($0)", "prompt \($0)"] }
        prompts = isOfficial ? try JudgePrompts(official: folder, names) : .ownLlavaBench
        reviews = try settings.judgeAnswers.map { path throws(DamaError) in
            try Self.reviews(path, index, count: questions.count)
        }
    }

    package var identity: JSONObject { reviews == nil ? ["prompts": prompts.identity] : [:] }
    package var needsJudge: Bool { reviews == nil }

    private static func captions(_ folder: DataFolder) throws(DamaError) -> [ExactText: String] {
        var captions: [ExactText: String] = [:]
        for row in try folder.rows(contextName) {
            guard let image = row["image"]?.string, let caption = row["caption"] else {
                throw .invalidArgument("\(folder.path)/\(contextName): a line lacks image or caption")
            }
            captions[ExactText(image)] =
                caption.string ?? (caption.array ?? []).compactMap(\.string).joined(separator: "\n")
        }
        return captions
    }

    /// The reference answers, in the questions' order, as the official script reads them.
    private static func references(_ folder: DataFolder) throws(DamaError) -> [String] {
        var texts: [String] = []
        for row in try folder.rows(referencesName) {
            guard let text = row["text"]?.string else {
                throw .invalidArgument("\(folder.path)/\(referencesName): answer \(texts.count + 1) lacks text")
            }
            texts.append(text)
        }
        return texts
    }

    /// Reviews that the official script wrote: lines with `question_id`, `content` and `tuple`. The official summaries
    /// read `tuple`, or `score` where it is missing.
    private static func reviews(
        _ path: String, _ index: QuestionIndex, count: Int
    ) throws(DamaError) -> [Int: (LlavaBenchReview, JudgeAnswer)] {
        var reviews: [Int: (LlavaBenchReview, JudgeAnswer)] = [:]
        for (position, row) in try JudgeAnswerFile.values(path).enumerated() {
            var question = position
            if let id = row["question_id"] {
                guard let found = try? index.position(of: id) else {
                    throw .invalidArgument("\(path): review \(position + 1) is of the unknown question \(id.text)")
                }
                question = found
            }
            let scores = (row["tuple"] ?? row["score"])?.array
            let text = row["content"]?.string
            guard scores != nil || text != nil, question < count else {
                throw .invalidArgument("\(path): review \(position + 1) has neither tuple nor content")
            }
            guard reviews[question] == nil else {
                throw .invalidArgument("\(path): review \(position + 1) is of a question that has one already")
            }
            let review = scores.map { LlavaBenchReview($0.map { $0.double ?? .nan }) } ?? LlavaBenchReview(text ?? "")
            reviews[question] = (review, JudgeAnswer(text: text ?? ""))
        }
        return reviews
    }

    package func answer(in row: JSON, at position: Int) throws(BadAnswer) -> BenchmarkAnswer {
        BenchmarkAnswer(
            question: try index.position(of: try row.first(of: ["id", "question_id"])),
            text: try row.text(of: ["response", "text", "answer"]))
    }

    package func score(
        _ answer: BenchmarkAnswer, run: Int, judge: (any Judge)?, stop: StopSignal
    ) throws(DamaError) -> AnswerScore {
        if let reviews {
            guard let (review, reply) = reviews[answer.question] else {
                throw .invalidArgument(
                    "the judge's answers hold no review of the question \(questions[answer.question].id.text)")
            }
            return score(review, answer.question, reply)
        }
        guard let judge else { throw .internal("LLaVA-Bench without a judge") }
        var request = JudgeRequest([
            .init(role: "system", content: prompts["system"]),
            .init(role: "user", content: try text(for: answer)),
        ])
        request.temperature = 0.2
        request.maximumTokens = 1024
        request.run = run
        let reply = try judge.answer(request, stop: stop)
        return score(LlavaBenchReview(reply.text), answer.question, reply)
    }

    private func text(for answer: BenchmarkAnswer) throws(DamaError) -> String {
        let (context, question) = (contexts[answer.question], questions[answer.question].text)
        let reference = references[answer.question]
        guard isOfficial else {
            return try PythonFormat.fill(prompts["template"], [context, question, reference, answer.text])
        }
        let category = categories[answer.question]
        let (role, rule) = (prompts["role \(category)"], prompts["prompt \(category)"])
        // The parts and their order are the official script's.
        let parts = [
            ("Context", context), ("Question", question), ("\(role) 1", reference + "\n\n[End of \(role) 1]"),
            ("\(role) 2", answer.text + "\n\n[End of \(role) 2]"), ("System", rule),
        ]
        return parts.map { "[\($0.0)]\n\($0.1)\n\n" }.joined()
    }

    private func score(_ review: LlavaBenchReview, _ question: Int, _ reply: JudgeAnswer) -> AnswerScore {
        var counts = review.counts("")
        counts += review.counts("\(categories[question])_")
        var members: [JSONObject.Member] = [
            ("reference_score", .double(review.reference)), ("model_score", .double(review.model)),
        ]
        if review.isFailed { members = [("failed", true)] }
        return AnswerScore(pass: nil, counts: counts, evidence: JSONObject(members + reply.evidence))
    }

    package func metrics(_ counts: Counts) -> [Metric] {
        let groups = [""] + Self.categories.filter { categories.contains($0) }.map { "\($0)_" }
        let metrics = groups.flatMap { group in
            dropsFailed
                ? LlavaBenchSummary.withoutFailed(counts, group) : LlavaBenchSummary.withFailed(counts, group)
        }
        let other = dropsFailed ? [] : LlavaBenchSummary.withoutFailed(counts, "").prefix(1)
        return metrics + [Metric("failed", counts["failed"])]
            + other.map { Metric("relative_score_without_failed", $0.value) }
    }
}
