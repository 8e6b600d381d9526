import ArgumentParser
import CommandLineSupport
import DamaSupport
import Foundation
import ShapesWorld

struct SamplePairs: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Make preference pairs from a policy's own responses: the best and the worst of each scene.",
        discussion: """
            Reads what `scenes` wrote and what `dama generate --samples` answered. Image paths stay relative to the scenes' \
            folder: give it to `dama score`, `dama reference` and `dama train` as the image root.
            """)

    @Option(help: "Folder that `scenes` wrote: questions.jsonl and truth.jsonl.")
    var scenes: String
    @Option(help: "JSON Lines with id and the list `responses`.")
    var responses: String
    @Option(help: "Folder to write pairs.jsonl and truth.jsonl into.")
    var out: String
    @Option(help: "The share of labels that are wrong, in expectation.")
    var flips = 0.05
    @Option(
        help: """
            Which labels are wrong: any (random), those of the half whose responses differ least (hard), or those of a \
            judge that prefers the longer response (length).
            """)
    var noise = LabelNoise.random
    @Option(help: "Seed of the flipped labels, and of the pairs left out to balance lengths.")
    var seed: UInt64 = 0
    @Option(help: "File to write the figures into as well, as JSON.")
    var summary: String?

    func validate() throws {
        let limit = noise == .random ? 1 : 0.5
        guard (0...limit).contains(flips) else {
            throw ValidationError("--flips is \(flips); expected 0 to \(limit) with --noise \(noise.rawValue)")
        }
    }

    func run() throws {
        let truth = try SceneTable(truth: "\(scenes)/truth.jsonl")
        let answers = try ResponseTable(path: responses)
        var questions: [PairSampler.Question] = []
        for line in try JSONLines.read("\(scenes)/questions.jsonl") {
            guard let idx = line["idx"], let image = line["image"]?.string, let text = line["question"]?.string else {
                throw ValidationError("\(scenes)/questions.jsonl: a line lacks idx, image or question")
            }
            guard let scene = truth[idx] else {
                throw ValidationError("\(scenes)/truth.jsonl has no scene \(idx.text)")
            }
            guard let found = answers[idx] else { continue }
            questions.append(.init(id: idx, image: image, text: text, scene: scene, responses: found))
        }
        var sampler = PairSampler()
        sampler.flips = flips
        sampler.noise = noise
        sampler.seed = seed
        let (pairs, statistics) = sampler.pairs(of: questions)
        try FileManager.default.createDirectory(atPath: out, withIntermediateDirectories: true)
        func write(_ lines: [JSON], _ name: String) throws {
            try Files.writeAtomically(Array(lines.map { $0.text + "\n" }.joined().utf8), to: "\(out)/\(name)")
        }
        try write(pairs.map(\.row), "pairs.jsonl")
        try write(pairs.map(\.truth), "truth.jsonl")
        if let summary { try Files.writeAtomically(Array((statistics.json.text + "\n").utf8), to: summary) }
        try StandardOutput.writeLine(statistics.text)
    }
}

extension LabelNoise: ExpressibleByArgument {}
