import DamaSupport

/// AMBER (Wang et al. 2023): descriptions of pictures, and yes/no questions about them. Scored as `inference.py` of
/// AMBER 534babf does, number for number.
package struct Amber: Benchmark {
    package static let name = "amber"
    package static let inputs = AmberInputs.all
    package static let variants = AmberReply.Rule.allCases.map(\.rawValue)
    package static let parts = Part.allCases.map(\.rawValue)
    package static var passName: String? { "right, or without hallucination" }

    /// What can be evaluated alone: the official script's `--evaluation_type` g, d, de, da and dr.
    enum Part: String, CaseIterable, Sendable {
        case generative, discriminative, existence, attribute, relation

        func contains(_ item: AmberAnnotations.Item) -> Bool {
            switch (self, item) {
            case (.generative, .description), (.discriminative, .question): true
            case (.existence, .question(.existence, _)), (.relation, .question(.relation, _)): true
            case (.attribute, .question(.state, _)), (.attribute, .question(.number, _)),
                (.attribute, .question(.action, _)):
                true
            default: false
            }
        }
    }

    package let questions: [BenchmarkQuestion]
    package let identity: JSONObject
    private let annotations: AmberAnnotations
    /// For each question, the position of its annotation.
    private let items: [Int]
    private let index: QuestionIndex
    private let part: Part?
    private let rule: AmberReply.Rule
    /// `nil` if there is no description to score.
    private let generative: AmberGenerative?

    package init(_ folder: DataFolder, _ settings: BenchmarkSettings) throws(DamaError) {
        try self.init(folder, settings, nouns: nil)
    }

    /// - Parameter nouns: Finds the nouns of a text, instead of the folder's word data.
    init(
        _ folder: DataFolder, _ settings: BenchmarkSettings, nouns: (@Sendable (String) -> [String])?
    ) throws(DamaError) {
        part = settings.part.flatMap(Part.init)
        rule = settings.variant.flatMap(AmberReply.Rule.init) ?? .exact
        let name = "\(folder.path)/\(AmberInputs.annotations)"
        annotations = try AmberAnnotations(try folder.json(AmberInputs.annotations), name: name)
        let (part, all) = (part, annotations.items)
        items = all.indices.filter { part?.contains(all[$0]) ?? true }
        questions = try Self.questions(items, folder)
        index = QuestionIndex(questions)
        guard part == nil || part == .generative else {
            (generative, identity) = (nil, [:])
            return
        }
        for name in [DataFolder.words, AmberInputs.similarWords] where !folder.has(name) {
            guard name == DataFolder.words, nouns != nil else {
                throw .invalidArgument(
                    "\(folder.path) has no \(name), which the descriptions need; prepare it, or evaluate the part "
                        + "discriminative alone")
            }
        }
        let table = try SimilarWords(try folder.json(AmberInputs.similarWords))
        let words = try AmberWords(
            relation: try folder.json(AmberInputs.relation), safeWords: try folder.text(AmberInputs.safeWords),
            similar: table,
            names: ("\(folder.path)/\(AmberInputs.relation)", "\(folder.path)/\(AmberInputs.similarWords)"))
        if let nouns {
            identity = ["similar_words": table.identity]
            generative = try AmberGenerative(annotations, name: name, words, nouns: nouns)
        } else {
            let wordData = try folder.wordData()
            identity = ["similar_words": table.identity, "words": wordData.identity]
            generative = try AmberGenerative(annotations, name: name, words, nouns: wordData.nounLemmas)
        }
    }

    private static func questions(_ items: [Int], _ folder: DataFolder) throws(DamaError) -> [BenchmarkQuestion] {
        let name = "\(folder.path)/\(AmberInputs.queries)"
        guard let rows = try folder.json(AmberInputs.queries).array else {
            throw .invalidArgument("\(name) is not an array of questions")
        }
        var byID = [Int: JSON](minimumCapacity: rows.count)
        for row in rows { if let id = row["id"]?.int { byID[id] = row } }
        var questions: [BenchmarkQuestion] = []
        questions.reserveCapacity(items.count)
        for item in items {
            guard let row = byID[item + 1], let image = row["image"]?.string, let text = row["query"]?.string else {
                throw .invalidArgument("\(name) has no question \(item + 1), or one without image or query")
            }
            questions.append(BenchmarkQuestion(id: .int(Int64(item + 1)), image: .string(image), text: text))
        }
        return questions
    }

    package func answer(in row: JSON, at index: Int) throws(BadAnswer) -> BenchmarkAnswer {
        let id = try row.first(of: ["id", "idx"])
        let text = try row.text(of: ["response"])
        do throws(BadAnswer) {
            return BenchmarkAnswer(question: try self.index.position(of: id), text: text)
        } catch {
            guard let part, let number = id.int, annotations.items.indices.contains(number - 1) else { throw error }
            throw BadAnswer(.unknownQuestion, "question \(number) is not one of the part \(part.rawValue)")
        }
    }

    package func score(
        _ answer: BenchmarkAnswer, run: Int, judge: (any Judge)?, stop: StopSignal
    ) throws(DamaError) -> AnswerScore {
        let item = items[answer.question]
        guard case .question(let dimension, let isYes) = annotations.items[item] else {
            guard let generative else { throw .internal("a description in the part \(part?.rawValue ?? "")") }
            return generative.score(answer.text, item: item)
        }
        let reply = AmberReply(answer.text, rule)
        return AnswerScore(
            pass: reply.isRight(isYes), counts: reply.counts(dimension, isYes: isYes),
            evidence: ["dimension": .string(dimension.rawValue), "says": .string(reply.rawValue)])
    }

    package func metrics(_ counts: Counts) -> [Metric] { metrics(of: [counts]) }

    /// The official script's sums grow answer by answer. It takes the answers in the order of their file, this library
    /// in that of their ids, which is that of the official files.
    package func metrics(of answers: [Counts]) -> [Metric] {
        let metrics = AmberMetrics(AmberTotals(answers))
        var found: [Metric] = []
        if part == nil || part == .generative { found += metrics.generative }
        if part == nil || part == .discriminative { found += metrics.questions("", ["discriminative"]) }
        if part == nil || part == .discriminative || part == .existence {
            found += metrics.questions("existence", ["existence"], addend: 0.001)
        }
        if part == nil || part == .discriminative || part == .attribute {
            found += metrics.questions("attribute", ["state", "number", "action"])
            for dimension in ["state", "number", "action"] { found += metrics.questions(dimension, [dimension]) }
        }
        if part == nil || part == .discriminative || part == .relation {
            found += metrics.questions("relation", ["relation"])
        }
        return found
    }
}
