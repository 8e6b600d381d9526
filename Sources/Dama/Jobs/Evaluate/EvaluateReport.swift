import DamaEvaluation
import DamaSupport

/// The results of an evaluation: a line for each answer, in the order of the answers, and the benchmark's metrics.
struct EvaluateReport: RowReport {
    typealias Task = EvaluateTask

    let benchmark: any Benchmark
    /// The folder of its data.
    let data: String
    let runs: Int
    let maximumMissing: Int?

    func write(
        _ journal: borrowing RowJournal, to output: inout ResultFile, in folder: borrowing ResultFolder,
        checkpoint: () throws(DamaError) -> Void
    ) throws(DamaError) -> EvaluateSummary {
        let questions = benchmark.questions
        var counts: [[Counts]?] = Array(repeating: nil, count: questions.count)
        var summary = EvaluateSummary(questions: questions.count, rowsRejected: journal.rejectedCount)
        var row = 0
        try journal.forEachRow { outcome throws(DamaError) in
            row += 1
            if row % 1024 == 0 { try checkpoint() }
            guard case .done(let stored) = outcome else { return }
            let found = try EvaluatedRow(decoding: stored)
            guard questions.indices.contains(found.question), found.line.runs.count == runs else {
                throw .io("the journal holds a score of another benchmark; restart the job")
            }
            counts[found.question] = found.line.runs.map(\.counts)
            for score in found.line.runs {
                if let model = score.evidence["judge_model"]?.string { summary.judgeModels[model, default: 0] += 1 }
            }
            summary.answered += 1
            if found.line.isEmpty { summary.empty += 1 }
            try output.append(Array(stored.dropFirst(4)) + [UInt8(ascii: "\n")])
        }
        let missing = zip(questions, counts).filter { $0.1 == nil }.map(\.0.id.text)
        if let maximumMissing, missing.count > maximumMissing {
            throw .model(
                "\(missing.count) of \(questions.count) questions have no answer, more than the \(maximumMissing) "
                    + "allowed: \(missing.prefix(3).joined(separator: ", "))\(missing.count > 3 ? ", …" : "")")
        }
        // In the order of the questions: the metrics do not depend on that of the answers.
        summary.metrics = MetricTable(
            (0..<runs).map { run in benchmark.metrics(of: counts.compactMap { $0?[run] }) })
        return summary
    }

    func json(_ summary: EvaluateSummary, output: JSON, rejects: JSON, settings: JSON) -> JSON {
        [
            "benchmark": .string(type(of: benchmark).name), "data": .string(Files.resolved(data)),
            "questions": .int(Int64(summary.questions)), "answered": .int(Int64(summary.answered)),
            "missing": .int(Int64(summary.missing)), "empty": .int(Int64(summary.empty)),
            "rows_rejected": .int(Int64(summary.rowsRejected)), "judge_models": summary.judgeModelsJSON,
            "metrics": summary.metrics.json, "output": output,
            "rejects": rejects, "settings": settings,
        ]
    }

    func summary(_ json: JSON) -> EvaluateSummary? { EvaluateSummary(json) }
}

/// The results of a finished evaluation.
public struct EvaluateSummary: Equatable, Sendable {
    /// The benchmark's questions, of the part that was evaluated.
    public var questions: Int
    public var answered = 0
    /// Answers without text; they are scored as the benchmark scores them.
    public var empty = 0
    public var rowsRejected: Int
    /// The models that answered as the judge, by the names that servers gave, and how many scores rest on each.
    public var judgeModels: [String: Int] = [:]
    package var metrics = MetricTable([])
    /// Whether an earlier run had already finished the same job.
    public var wasComplete = false

    /// Questions without an answer.
    public var missing: Int { questions - answered }

    init(questions: Int, rowsRejected: Int) {
        self.questions = questions
        self.rowsRejected = rowsRejected
    }

    init?(_ json: JSON) {
        guard let questions = json["questions"]?.int, let answered = json["answered"]?.int,
            let empty = json["empty"]?.int, let rejected = json["rows_rejected"]?.int,
            let metrics = json["metrics"].flatMap({ MetricTable($0) })
        else { return nil }
        self.questions = questions
        self.answered = answered
        self.empty = empty
        rowsRejected = rejected
        for member in json["judge_models"]?.object?.members ?? [] {
            judgeModels[member.key] = member.value.int
        }
        self.metrics = metrics
        wasComplete = true
    }

    var judgeModelsJSON: JSON {
        .object(
            JSONObject(judgeModels.sorted { $0.key < $1.key }.map { (key: $0.key, value: .int(Int64($0.value))) }))
    }

    /// The metrics in the benchmark's order: the value of one run, or the mean of several.
    public var values: [EvaluationMetric] { metrics.rows }
}
