import ArgumentParser
import CommandLineSupport
import Dama

struct EvaluateCompare: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "compare",
        abstract: "Compare evaluations of one benchmark over the questions that all of them answered.",
        discussion: """
            Prints each metric with its percentile interval from resampled questions, its difference to the first \
            evaluation with the interval of the difference (the same resamples for all), and for a benchmark of right \
            and wrong answers McNemar's exact test.

            Exit codes: 0 done; 1 failed; 64 wrong usage; 130 and 143 stopped by Ctrl-C and SIGTERM.
            """)

    @Argument(
        help: ArgumentHelp(
            "Summaries of finished evaluations, beside their results; differences are to the first.",
            valueName: "summary"))
    var summaries: [String]
    @Option(
        help: ArgumentHelp(
            "The benchmark's folder that `dama evaluate prepare` made (default: the first evaluation's).",
            valueName: "dir"))
    var data: String?
    @Option(help: ArgumentHelp("Write the numbers as CSV.", valueName: "file"))
    var csv: String?
    @Option(help: ArgumentHelp("Write a page with tables and bars.", valueName: "file"))
    var html: String?
    @Option(help: ArgumentHelp("Write everything as JSON, for scripts/report.", valueName: "file"))
    var json: String?
    @Option(help: ArgumentHelp("Resamples of the questions.", valueName: "n"))
    var resamples = 10_000
    @Option(help: ArgumentHelp("The random seed.", valueName: "n"))
    var seed: UInt64 = 0
    @Option(help: ArgumentHelp("The probability mass of the intervals.", valueName: "share"))
    var confidence = 0.95
    @Flag(help: "Compare evaluations with different data, variants, parts, prompts or judges too, and name these.")
    var allowDifferent = false

    func validate() throws {
        guard summaries.count > 1 else { throw ValidationError("expected at least two summaries") }
    }

    func run() throws {
        do throws(DamaError) {
            var options = ComparisonOptions(summaries: summaries)
            options.data = data
            options.resamples = resamples
            options.seed = seed
            options.confidence = confidence
            options.allowsDifferent = allowDifferent
            Interruption.listen()
            let stop = StopSignal()
            let watch = try Interruption.set(stop)
            defer { watch.cancel() }
            let found = try EvaluationComparison(options, stop: stop)
            for (path, text) in [(csv, found.csv), (html, found.page), (json, found.jsonText + "\n")] {
                if let path { try Files.writeAtomically(Array(text.utf8), to: path) }
            }
            try StandardOutput.write(found.text)
        } catch {
            if error.code == .cancelled, let number = Interruption.signalNumber { throw ExitCode(128 + number) }
            Terminal.write("dama evaluate compare: \(error.message)\n")
            throw ExitCode.failure
        }
    }
}
