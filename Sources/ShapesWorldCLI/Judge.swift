import ArgumentParser
import CommandLineSupport
import DamaSupport
import Foundation
import ShapesWorld

struct Judge: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Compare responses with their scenes: rates of hallucination, coverage, length.")

    @Option(help: "JSON Lines with idx and objects, as `pairs` and `scenes` write them.")
    var truth: String
    @Option(help: "JSON Lines with the scene's idx or id and a response, or a list of them.")
    var responses: String
    @Option(help: "Field that holds the text or the texts (default: responses or response).")
    var field: String?
    @Option(help: "File to write the figures into as well, as JSON.")
    var out: String?
    @Option(help: "File to write each response's mentions into, as JSON Lines.")
    var details: String?

    func run() throws {
        let scenes = try SceneTable(truth: truth)
        var summary = JudgeSummary()
        var lines = ""
        for line in try JSONLines.read(responses) {
            let (idx, texts) = try ResponseTable.texts(of: line, field: field, path: responses)
            guard let scene = scenes[idx] else {
                throw ValidationError("\(responses): idx \(idx.text) is not in \(truth)")
            }
            for text in texts {
                let verdict = Verdict(response: text, scene: scene)
                summary.add(verdict, scene: scene)
                if details != nil { lines += describe(verdict, idx: idx, scene: scene).text + "\n" }
            }
        }
        try StandardOutput.writeLine(summary.text)
        if let out { try Files.writeAtomically(Array((summary.json.text + "\n").utf8), to: out) }
        if let details { try Files.writeAtomically(Array(lines.utf8), to: details) }
    }

    private func describe(_ verdict: Verdict, idx: JSON, scene: Scene) -> JSON {
        let mentions = verdict.mentions.map { mention -> JSON in
            let fault = mention.fact.map { scene.diagnosis(of: $0)?.rawValue ?? "" } ?? "malformed"
            return ["sentence": .string(mention.sentence), "true": .bool(mention.isTrue), "fault": .string(fault)]
        }
        return [
            "idx": idx, "mentions": .array(mentions), "false": .int(Int64(verdict.falseCount)),
            "covered": .int(Int64(verdict.covered)), "objects": .int(Int64(verdict.objects)),
        ]
    }
}

extension JudgeSummary {
    var json: JSON {
        [
            "responses": .int(Int64(responses)), "response_level": .double(responseLevel),
            "mention_level": .double(mentionLevel), "coverage": .double(coverage), "mean_words": .double(meanWords),
            "mentions": .int(Int64(mentions)), "malformed": .int(Int64(malformed)), "empty": .int(Int64(empty)),
            "false_by_kind": .object(
                JSONObject(
                    Hallucination.allCases.map {
                        (key: $0.rawValue, value: .int(Int64(falseByKind[$0] ?? 0)))
                    })),
        ]
    }

    var text: String {
        let faults = Hallucination.allCases.map { "\($0.rawValue) \(falseByKind[$0] ?? 0)" }.joined(separator: ", ")
        return """
            responses free of hallucination  \((100 * responseLevel).fixed(2)) %  of \(responses)
            mentions that are true           \((100 * mentionLevel).fixed(2)) %  of \(mentions)
            objects covered                  \((100 * coverage).fixed(2)) %
            words in a response              \(meanWords.fixed(1))
            malformed sentences \(malformed), empty responses \(empty); false: \(faults)
            """
    }
}
