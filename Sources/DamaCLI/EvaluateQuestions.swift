import ArgumentParser
import CommandLineSupport
import Dama

struct EvaluateQuestions: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "questions",
        abstract: "Write a benchmark's questions as a dataset for `dama generate --data`.")

    @OptionGroup(title: "Benchmark")
    var benchmark: BenchmarkArgument
    @Option(help: ArgumentHelp("The folder that `dama evaluate prepare` made.", valueName: "dir"))
    var data: String
    @Option(help: ArgumentHelp("The questions of this part alone.", valueName: "name"))
    var part: String?
    @Option(help: ArgumentHelp("The file to write, as JSON Lines.", valueName: "file"))
    var out: String

    func run() throws {
        do throws(DamaError) {
            let count = try EvaluationQuestions.write(
                benchmark: benchmark.benchmark, data: data, part: part, to: out)
            try StandardOutput.writeLine("\(count) questions  \(out)")
        } catch {
            Terminal.write("dama evaluate questions: \(error.message)\n")
            throw ExitCode.failure
        }
    }
}
