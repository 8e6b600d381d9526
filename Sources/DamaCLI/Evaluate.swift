import ArgumentParser
import CommandLineSupport
import Dama

struct Evaluate: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Score a model's answers to a benchmark, and print the benchmark's metrics.",
        discussion: """
            dama evaluate prepare BENCHMARK --from FILE… --out DIR
            dama evaluate questions BENCHMARK --data DIR --out questions.jsonl
            dama generate --model MODEL --data questions.jsonl --image-root IMAGES --out responses.jsonl
            dama evaluate BENCHMARK --data DIR --responses responses.jsonl --out results.jsonl
            dama evaluate compare base.summary.json results.summary.json
            """,
        subcommands: [EvaluateRun.self, EvaluateQuestions.self, EvaluatePrepare.self, EvaluateCompare.self],
        defaultSubcommand: EvaluateRun.self)
}

/// The name of a benchmark.
struct BenchmarkArgument: ParsableArguments {
    @Argument(
        help: ArgumentHelp(
            "One of \(EvaluationData.benchmarks.joined(separator: ", ")).", valueName: "benchmark"))
    var benchmark: String
}

struct EvaluateRun: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "run",
        abstract: "Score answers (the default).",
        discussion: """
            Writes one line per answer: id, pass, counts, and what the score rests on. In addition to NAME.jsonl it \
            writes NAME.rejects.jsonl and NAME.summary.json with the metrics, exact and as the official script prints \
            them. If the job was stopped or killed, run the same command again: it resumes from NAME.partial.

            The exit codes are those of `dama score`.
            """)

    @OptionGroup(title: "Benchmark")
    var benchmark: BenchmarkArgument
    @Option(help: ArgumentHelp("The folder that `dama evaluate prepare` made.", valueName: "dir"))
    var data: String
    @Option(
        help: ArgumentHelp(
            "The answers: lines of `dama generate`, or the benchmark's official form.", valueName: "file"))
    var responses: String
    @Option(help: ArgumentHelp("The output file, as JSON Lines.", valueName: "file"))
    var out: String
    @Option(help: ArgumentHelp("Another way to score; docs/evaluate.md lists each benchmark's.", valueName: "name"))
    var variant: String?
    @Option(help: ArgumentHelp("Evaluate this part of the benchmark alone.", valueName: "name"))
    var part: String?
    @OptionGroup(title: "Judge")
    var judging: JudgeArguments
    @Option(help: ArgumentHelp("Fail if more questions than this have no answer.", valueName: "n"))
    var maxMissing: Int?
    @Option(help: ArgumentHelp("Stop when more rows than this are rejected.", valueName: "n"))
    var maxBad: Int?
    @Option(
        help: ArgumentHelp(
            "Threads that score; 0 for --judge-concurrency, or without a judge one per processor, at most 8.",
            valueName: "n"))
    var workers = 0
    @Flag(help: "Start over: discard unfinished work, and replace the files of an earlier job.")
    var restart = false
    @Option(
        help: ArgumentHelp(
            "Any option of the job by its name in C and Python; may be repeated.", valueName: "name=value"))
    var set: [String] = []
    @Option(help: ArgumentHelp("The ONNX Runtime library, for a local judge.", valueName: "file"))
    var onnxruntime: String?
    @Flag(help: "Do not show progress.")
    var quiet = false

    func run() throws {
        let display = ProgressDisplay()
        do throws(DamaError) {
            var options = EvaluateOptions(
                benchmark: benchmark.benchmark, responses: responses, data: data, output: out)
            options.variant = variant
            options.part = part
            options.maximumMissing = maxMissing
            options.rows.maximumRejected = maxBad
            options.rows.workers = workers
            options.rows.restart = restart
            judging.fill(&options)
            try NamedSettings.apply(set, to: &options, by: EvaluateOptions.table)
            Interruption.listen()
            let judge = try judging.makeJudge(onnxruntime)
            let summary = try EvaluateJob(options, judge: judge).run { progress throws(DamaError) in
                if Interruption.signalNumber != nil { throw .cancelled }
                if !quiet { display.show(progress) }
            }
            display.close()
            try report(summary)
        } catch {
            display.close()
            throw JobFailure.exit("evaluate", error, display.progress, maxBad: maxBad)
        }
    }

    private func report(_ summary: EvaluateSummary) throws(DamaError) {
        let paths = JobPaths(output: out)
        if summary.wasComplete { try StandardOutput.writeLine("already done; --restart runs it again") }
        var line = "\(summary.answered) of \(summary.questions) questions answered"
        if summary.empty > 0 { line += ", \(summary.empty) empty" }
        if summary.rowsRejected > 0 { line += ", rejected \(summary.rowsRejected) rows (see \(paths.rejects))" }
        try StandardOutput.writeLine(line)
        let width = summary.values.map(\.name.utf8.count).max() ?? 0
        for metric in summary.values {
            let name = metric.name + String(repeating: " ", count: width - metric.name.utf8.count)
            let value = metric.official ?? metric.value.map { FixedPoint.text($0, digits: 3) } ?? "undefined"
            let spread = metric.standardDeviation.map { " ± \(FixedPoint.text($0, digits: 3))" } ?? ""
            try StandardOutput.writeLine("\(name)  \(value)\(spread)")
        }
        try StandardOutput.writeLine("\(paths.output)  \(paths.summary)")
    }
}
