import ArgumentParser
import CommandLineSupport
import ShapesWorld

struct ShapesWorldCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "shapes-world",
        abstract: "A world of rendered shapes in which every claim of a response can be checked.",
        subcommands: [
            Pairs.self, Scenes.self, SamplePairs.self, Judge.self, Benchmark.self, JudgeAnswer.self, Report.self,
            ExportTraining.self,
        ])
}

extension Split: ExpressibleByArgument {}

/// Rejects a negative number of things to write.
func check(count: Int) throws {
    guard count >= 0 else { throw ValidationError("--count is \(count); expected 0 or more") }
}

StandardOutput.checkAtExit()
ShapesWorldCommand.main()
