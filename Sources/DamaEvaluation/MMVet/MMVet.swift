import DamaSupport

/// MM-Vet (Yu et al. 2023): 218 questions about images, each of which needs some of six capabilities. A judge grades
/// each answer from 0 to 1. Scored as `mm-vet_evaluator.py` of MM-Vet acde843 does; the paper's numbers are means of
/// five runs.
package struct MMVet: Benchmark {
    package static let name = "mm-vet"
    package static let inputs: [DataInput] = [
        DataInput(
            dataName, "the questions, their answers and capabilities",
            from: [
                Download(dataName, address: "mm-vet.zip, named in README.md of https://github.com/yuweihao/MM-Vet")
            ]),
        JudgePrompts.input(.mmvet),
    ]

    private static let dataName = "mm-vet.json"

    package let questions: [BenchmarkQuestion]
    private let references: [String]
    /// For each question, what it needs, each once.
    private let capabilities: [[String]]
    private let index: QuestionIndex
    private let isOfficial: Bool
    private let prompts: JudgePrompts
    /// The grades of each question; `nil` if a judge is asked.
    private let grades: [Int: [Grade]]?

    private struct Grade {
        var grade: Double
        var answer: JudgeAnswer
    }

    package init(_ folder: DataFolder, _ settings: BenchmarkSettings) throws(DamaError) {
        var questions: [BenchmarkQuestion] = []
        var (references, capabilities): ([String], [[String]]) = ([], [])
        for member in try folder.json(Self.dataName).object?.members ?? [] {
            guard let image = member.value["imagename"]?.string, let text = member.value["question"]?.string,
                let reference = member.value["answer"]?.string, let needed = member.value["capability"]?.array
            else {
                throw .invalidArgument(
                    "\(folder.path)/\(Self.dataName): \(member.key) lacks imagename, question, answer or capability")
            }
            questions.append(BenchmarkQuestion(id: .string(member.key), image: .string(image), text: text))
            references.append(reference)
            var names: [String] = []
            for name in needed.compactMap(\.string) where !names.contains(name) { names.append(name) }
            capabilities.append(names)
        }
        guard !questions.isEmpty else { throw .invalidArgument("\(folder.path)/\(Self.dataName) has no questions") }
        self.questions = questions
        self.references = references
        self.capabilities = capabilities
        let index = QuestionIndex(questions)
        self.index = index
        isOfficial = settings.prompts == "official"
        prompts = isOfficial ? try JudgePrompts(official: folder, ["prompt", "reminder"]) : .ownMMVet
        grades = try settings.judgeAnswers.map { path throws(DamaError) in try Self.grades(path, index) }
    }

    package var identity: JSONObject { grades == nil ? ["prompts": prompts.identity] : [:] }
    package var needsJudge: Bool { grades == nil }
    package var maximumRuns: Int? { grades.map { $0.values.map(\.count).min() ?? 0 } }

    /// The grades that the official script keeps: `{id: {"model": […], "content": […], "score": […]}}`, an entry a run.
    private static func grades(_ path: String, _ index: QuestionIndex) throws(DamaError) -> [Int: [Grade]] {
        guard let values = try? JudgeAnswerFile.values(path), values.count == 1, let members = values[0].object?.members
        else { throw .invalidArgument("\(path) is not the script's file of grades: one JSON object by question") }
        var grades: [Int: [Grade]] = [:]
        for member in members {
            guard let position = try? index.position(of: .string(member.key)) else {
                throw .invalidArgument("\(path): the benchmark has no question \(JSON.string(member.key).text)")
            }
            guard let scores = member.value["score"]?.array?.map(\.double), !scores.isEmpty else {
                throw .invalidArgument("\(path): \(JSON.string(member.key).text) has no scores")
            }
            let texts = member.value["content"]?.array ?? []
            let models = member.value["model"]?.array ?? []
            var found: [Grade] = []
            for (run, score) in scores.enumerated() {
                guard let score, score >= 0, score <= 1 else {
                    throw .invalidArgument("\(path): a score of \(JSON.string(member.key).text) is not from 0 to 1")
                }
                found.append(
                    Grade(
                        grade: score,
                        answer: JudgeAnswer(
                            text: run < texts.count ? texts[run].string ?? "" : "",
                            model: run < models.count ? models[run].string : nil)))
            }
            grades[position] = found
        }
        return grades
    }

    /// The official file of answers is one object: the text of each question's answer by its id.
    package func rows(of object: JSONObject) -> [JSON]? {
        guard !object.members.isEmpty, object["id"] == nil, object.members.allSatisfy({ $0.value.string != nil }) else {
            return nil
        }
        return object.members.map { ["id": .string($0.key), "response": $0.value] }
    }

    package func answer(in row: JSON, at position: Int) throws(BadAnswer) -> BenchmarkAnswer {
        BenchmarkAnswer(
            question: try index.position(of: try row.first(of: ["id", "question_id"])),
            text: try row.text(of: ["response", "text", "answer"]))
    }

    package func score(
        _ answer: BenchmarkAnswer, run: Int, judge: (any Judge)?, stop: StopSignal
    ) throws(DamaError) -> AnswerScore {
        if let grades {
            guard let found = grades[answer.question], run < found.count else {
                throw .invalidArgument(
                    "the judge's answers hold no grade of the question \(questions[answer.question].id.text)")
            }
            return score(found[run].grade, answer.question, evidence: found[run].answer.evidence)
        }
        guard let judge else { throw .internal("MM-Vet without a judge") }
        let text = prompts["prompt"] + "\n" + line(for: answer)
        var last = JudgeAnswer(text: "")
        for (attempt, temperature) in MMVetGrade.temperatures.enumerated() {
            let more = attempt > 0 ? prompts["reminder"] : ""
            var request = JudgeRequest([.init(role: "user", content: text + more)])
            request.temperature = temperature
            // A number needs three tokens; other judges than the official one may write more.
            request.maximumTokens = isOfficial ? 3 : 16
            (request.run, request.attempt) = (run, attempt)
            last = try judge.answer(request, stop: stop)
            if let (grade, _) = MMVetGrade.parse(last.text) {
                let attempts: [JSONObject.Member] = attempt > 0 ? [("attempts", .int(Int64(attempt + 1)))] : []
                return score(grade, answer.question, evidence: attempts + last.evidence)
            }
        }
        var failed = score(0, answer.question, evidence: [("failed", true)] + last.evidence)
        failed.counts["failed"] = 1
        return failed
    }

    /// The line of the table that the judge completes.
    private func line(for answer: BenchmarkAnswer) -> String {
        let reference = Self.spaced(Self.spaced(references[answer.question], "<AND>"), "<OR>")
        return [questions[answer.question].text, reference, answer.text, ""].joined(separator: " | ")
    }

    /// `text` with a blank before and behind each `mark`.
    private static func spaced(_ text: String, _ mark: String) -> String {
        var (rest, result): (ArraySlice<UInt8>, [UInt8]) = (Array(text.utf8)[...], [])
        while let byte = rest.first {
            if rest.starts(with: mark.utf8) {
                result += " \(mark) ".utf8
                rest = rest.dropFirst(mark.utf8.count)
            } else {
                result.append(byte)
                rest = rest.dropFirst()
            }
        }
        return String(decoding: result, as: UTF8.self)
    }

    private func score(_ grade: Double, _ question: Int, evidence: [JSONObject.Member]) -> AnswerScore {
        AnswerScore(
            pass: nil, counts: MMVetSummary.counts(grade, capabilities[question]), evidence: JSONObject(evidence))
    }

    package func metrics(_ counts: Counts) -> [Metric] {
        let failed = counts["failed"]
        return MMVetSummary.metrics(
            counts, Self.byFrequency(capabilities.flatMap { $0 }),
            sets: Self.byFrequency(capabilities.map(MMVetSummary.set)))
            // A failed answer has the grade 0 above.
            + [
                Metric("failed", failed),
                Metric("total_without_failed", counts["score"], over: counts["answers"] - failed),
            ]
    }

    /// The names, the most frequent first, and those of equal frequency in their order.
    private static func byFrequency(_ names: [String]) -> [String] {
        var (order, counts): ([String], [String: Int]) = ([], [:])
        for name in names {
            if counts[name] == nil { order.append(name) }
            counts[name, default: 0] += 1
        }
        let frequency = counts
        return order.enumerated().sorted { a, b in
            let (first, second) = (frequency[a.element, default: 0], frequency[b.element, default: 0])
            return first != second ? first > second : a.offset < b.offset
        }.map(\.element)
    }
}
