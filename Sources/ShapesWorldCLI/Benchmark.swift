import ArgumentParser
import CommandLineSupport
import DamaSupport
import Foundation
import ShapesWorld

struct Benchmark: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Write scenes as a benchmark for `dama evaluate custom`, with `judge-answer` as its judge.")

    @Option(help: "Folder that `scenes` wrote.")
    var scenes: String
    @Option(help: "Folder to write questions.jsonl and metrics.json into.")
    var out: String

    func run() throws {
        var truth: [String: JSON] = [:]
        for line in try JSONLines.read("\(scenes)/truth.jsonl") {
            if let idx = line["idx"], let objects = line["objects"] { truth[idx.text] = objects }
        }
        var text = ""
        for line in try JSONLines.read("\(scenes)/questions.jsonl") {
            guard let idx = line["idx"], let objects = truth[idx.text], let members = line.object?.members else {
                throw ValidationError(
                    "\(scenes)/questions.jsonl: a question lacks idx, or its scene is not in truth.jsonl")
            }
            text += JSON.object(JSONObject(members + [("objects", objects)])).text + "\n"
        }
        try Files.makeDirectory(out)
        try Files.writeAtomically(Array(text.utf8), to: "\(out)/questions.jsonl")
        try Files.writeAtomically(Array((AnswerCounts.metrics.text + "\n").utf8), to: "\(out)/metrics.json")
    }
}

struct JudgeAnswer: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract:
            "Judge one answer: the request of `dama evaluate custom` on standard input, counts on standard output.")

    func run() throws {
        let request = try JSON(parsing: Array(FileHandle.standardInput.readDataToEndOfFile()))
        guard let content = request["messages"]?.array?.last?["content"]?.string,
            let json = try? JSON(parsing: content.utf8), let objects = json["question"]?["objects"],
            let answer = json["answer"]?.string
        else { throw ValidationError("expected a request whose message holds a question with objects, and an answer") }
        let scene = try Scene(json: objects)
        try StandardOutput.writeLine(AnswerCounts(Verdict(response: answer, scene: scene), scene).json.text)
    }
}

/// What the judge counts in one answer. ``JudgeSummary`` has the same figures of many.
struct AnswerCounts {
    let json: JSON

    init(_ verdict: Verdict, _ scene: Scene) {
        var summary = JudgeSummary()
        summary.add(verdict, scene: scene)
        let faults = Hallucination.allCases.map { kind in
            (key: "false_\(kind.rawValue)", value: JSON.int(Int64(summary.falseByKind[kind] ?? 0)))
        }
        let counts: [JSONObject.Member] = [
            ("responses", 1), ("faithful", .int(Int64(summary.faithful))),
            ("mentions", .int(Int64(summary.mentions))), ("true_mentions", .int(Int64(summary.trueMentions))),
            ("coverage", .double(summary.coverage)), ("words", .int(Int64(summary.words))),
            ("malformed", .int(Int64(summary.malformed))), ("empty", .int(Int64(summary.empty))),
        ]
        json = [
            "pass": .bool(summary.faithful == 1), "counts": .object(JSONObject(counts + faults)),
            "false_sentences": .array(
                verdict.mentions.filter { !$0.isTrue }.map { .string($0.sentence) }),
        ]
    }

    /// The metrics of ``JudgeSummary`` as ratios of the counts.
    static let metrics: JSON = [
        "response_level": ["numerator": "faithful", "denominator": "responses", "scale": 100],
        "mention_level": ["numerator": "true_mentions", "denominator": "mentions", "scale": 100],
        "coverage": ["numerator": "coverage", "denominator": "responses", "scale": 100],
        "mean_words": ["numerator": "words", "denominator": "responses"],
    ]
}
