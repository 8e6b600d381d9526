import DamaSupport

/// POPE (Li et al. 2023): is an object in the picture? Three sets of yes/no questions, which differ in how the absent
/// objects were chosen. Scored as `llava/eval/eval_pope.py` of LLaVA c121f04 does, and `evaluate.py` of POPE.
///
/// An answer counts as "no" if its first sentence (up to the first point), without commas, has the word No, no or not
/// between blanks; any other answer counts as "yes", the positive class.
package struct Pope: Benchmark {
    package static let name = "pope"
    package static let parts = ["random", "popular", "adversarial"]
    package static var passName: String? { "right" }

    package static let inputs: [DataInput] =
        parts.map { part in
            DataInput(
                "\(part).jsonl", "the questions and labels of the set \"\(part)\"",
                from: [
                    Download(
                        "coco_pope_\(part).json",
                        address: "https://github.com/AoiDragon/POPE/tree/main/output/coco")
                ], isOptional: true)
        } + [
            DataInput(
                llavaName, "the questions' ids in LLaVA's answers",
                from: [
                    Download(
                        "llava_pope_test.jsonl",
                        address: "eval.zip, named in docs/Evaluation.md of https://github.com/haotian-liu/LLaVA")
                ], isOptional: true)
        ]

    private static let llavaName = "llava_questions.jsonl"

    package let questions: [BenchmarkQuestion]
    private let labels: [Bool]
    private let sets: [String]
    private let index: QuestionIndex
    /// Whether one set is evaluated: its questions can then be named by the set's own ids.
    private let ownIndex: QuestionIndex?

    package init(_ folder: DataFolder, _ settings: BenchmarkSettings) throws(DamaError) {
        let wanted = settings.part.map { [$0] } ?? Self.parts.filter { folder.has("\($0).jsonl") }
        guard !wanted.isEmpty else {
            throw .invalidArgument("\(folder.path) has none of the sets \(Self.parts.joined(separator: ", "))")
        }
        let llavaIDs = try Self.llavaIDs(folder)
        var questions: [BenchmarkQuestion] = []
        var (labels, sets, ownIDs): ([Bool], [String], [JSON]) = ([], [], [])
        for part in wanted {
            for (position, row) in try folder.rows("\(part).jsonl").enumerated() {
                guard let id = row["question_id"], let image = row["image"]?.string, let text = row["text"]?.string,
                    let label = row["label"]?.string
                else {
                    throw .invalidArgument(
                        "\(folder.path)/\(part).jsonl: question \(position + 1) lacks question_id, image, text or label"
                    )
                }
                let known = llavaIDs[part].flatMap { position < $0.count ? $0[position] : nil }
                questions.append(
                    BenchmarkQuestion(id: known ?? .string("\(part)/\(id.text)"), image: .string(image), text: text))
                labels.append(!label.hasSameBytes(as: "no"))
                sets.append(part)
                ownIDs.append(id)
            }
        }
        self.questions = questions
        self.labels = labels
        self.sets = sets
        index = QuestionIndex(questions)
        ownIndex = wanted.count == 1 && llavaIDs.isEmpty ? QuestionIndex(ids: ownIDs) : nil
    }

    /// For each set, its questions' ids in LLaVA's file, whose questions have the sets' order.
    private static func llavaIDs(_ folder: DataFolder) throws(DamaError) -> [String: [JSON]] {
        guard folder.has(llavaName) else { return [:] }
        var ids: [String: [JSON]] = [:]
        for row in try folder.rows(llavaName) {
            guard let id = row["question_id"], let set = row["category"]?.string else {
                throw .invalidArgument("\(folder.path)/\(llavaName): a question lacks question_id or category")
            }
            ids[set, default: []].append(id)
        }
        return ids
    }

    package func answer(in row: JSON, at index: Int) throws(BadAnswer) -> BenchmarkAnswer {
        let id = try row.first(of: ["id", "question_id"])
        let text = try row.text(of: ["response", "text", "answer"])
        if let ownIndex, let position = try? ownIndex.position(of: id) {
            return BenchmarkAnswer(question: position, text: text)
        }
        return BenchmarkAnswer(question: try self.index.position(of: id), text: text)
    }

    package func score(
        _ answer: BenchmarkAnswer, run: Int, judge: (any Judge)?, stop: StopSignal
    ) throws(DamaError) -> AnswerScore {
        let (says, isYes) = (Self.saysYes(answer.text), labels[answer.question])
        let cell =
            switch (says, isYes) {
            case (true, true): "true_yes"
            case (true, false): "false_yes"
            case (false, false): "true_no"
            case (false, true): "false_no"
            }
        return AnswerScore(
            pass: says == isYes, counts: [cell: 1, "\(sets[answer.question])_\(cell)": 1],
            evidence: ["says": says ? "yes" : "no"])
    }

    static func saysYes(_ text: String) -> Bool {
        let first = text.utf8.prefix { $0 != UInt8(ascii: ".") }.filter { $0 != UInt8(ascii: ",") }
        return !first.split(separator: UInt8(ascii: " "))
            .contains { word in ["No", "not", "no"].contains { $0.utf8.elementsEqual(word) } }
    }

    package func metrics(_ counts: Counts) -> [Metric] {
        let present = Self.parts.filter { sets.contains($0) }
        guard present.count > 1 else { return Self.metrics(counts, "", isOfficial: true) }
        // The official script prints the sets alone.
        return Self.metrics(counts, "", isOfficial: false)
            + present.flatMap { Self.metrics(counts, "\($0)_", isOfficial: true) }
    }

    private static func metrics(_ counts: Counts, _ prefix: String, isOfficial: Bool) -> [Metric] {
        let (trueYes, falseYes) = (counts["\(prefix)true_yes"], counts["\(prefix)false_yes"])
        let (trueNo, falseNo) = (counts["\(prefix)true_no"], counts["\(prefix)false_no"])
        let all = trueYes + falseYes + trueNo + falseNo
        func ratio(_ a: Double, _ b: Double) -> Double? { b == 0 ? nil : a / b }
        let (precision, recall) = (ratio(trueYes, trueYes + falseYes), ratio(trueYes, trueYes + falseNo))
        let f1 = precision.flatMap { p in recall.flatMap { r in ratio(2 * p * r, p + r) } }
        return [
            ("f1", f1), ("accuracy", ratio(trueYes + trueNo, all)), ("precision", precision), ("recall", recall),
            ("yes_ratio", ratio(trueYes + falseYes, all)),
        ].map { name, value in
            Metric(prefix + name, value, official: isOfficial ? value.map { FixedPoint.text($0, digits: 3) } : nil)
        }
    }
}
