import ArgumentParser
import Foundation
import ShapesWorld

struct ExportTraining: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Write images as raw bytes, with true and false sentences, for training models.")

    @Option(help: "Folder to write images.bin and scenes.jsonl into.")
    var out: String
    @Option(help: "Number of scenes.")
    var count = 30_000
    @Option(help: "train, preference, validation or test; no two share a layout.")
    var split = Split.train
    @Option(help: "Seed of the scenes.")
    var seed: UInt64 = 1
    @Option(help: "Pixels along each side.")
    var side = 96

    @Option(help: "Added to the probability of every habit of error in the captions.")
    var habitShift = 0.0

    func validate() throws { try check(count: count) }

    func run() throws {
        try FileManager.default.createDirectory(atPath: out, withIntermediateDirectories: true)
        var export = TrainingExport(
            generator: SceneGenerator(seed: seed, split: split), renderer: try Renderer(side: side))
        export.habitShift = habitShift
        try export.write(count: count, to: out)
    }
}
