import ArgumentParser
import Foundation
import ShapesWorld

struct Pairs: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Write images and preference pairs with planted hallucinations.")

    @Option(help: "Folder to write images/, pairs.jsonl and truth.jsonl into.")
    var out: String
    @Option(help: "Number of pairs.")
    var count = 500
    @Option(help: "train, preference, validation or test; no two share a layout.")
    var split = Split.preference
    @Option(help: "Seed of the scenes.")
    var seed: UInt64 = 7
    @Option(help: "Pixels along each side.")
    var side = 96

    func validate() throws { try check(count: count) }

    func run() throws {
        try FileManager.default.createDirectory(atPath: "\(out)/images", withIntermediateDirectories: true)
        let export = PairExport(
            generator: PairGenerator(scenes: SceneGenerator(seed: seed, split: split)),
            renderer: try Renderer(side: side))
        try export.write(count: count, to: out)
    }
}

struct Scenes: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Write images and questions about them, for generating and judging responses.")

    @Option(help: "Folder to write images/, questions.jsonl and truth.jsonl into.")
    var out: String
    @Option(help: "Number of scenes.")
    var count = 300
    @Option(help: "train, preference, validation or test; no two share a layout.")
    var split = Split.test
    @Option(help: "Seed of the scenes.")
    var seed: UInt64 = 11
    @Option(help: "Pixels along each side.")
    var side = 96

    func validate() throws { try check(count: count) }

    func run() throws {
        try FileManager.default.createDirectory(atPath: "\(out)/images", withIntermediateDirectories: true)
        let export = SceneExport(
            generator: SceneGenerator(seed: seed, split: split), renderer: try Renderer(side: side))
        try export.write(count: count, to: out)
    }
}
