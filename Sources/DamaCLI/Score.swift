import ArgumentParser
import CommandLineSupport
import Dama

struct Score: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Score the pairs of a dataset for hardness with CLIP or SigLIP.",
        discussion: """
            Reads JSON Lines or one JSON array with the fields image (or image_path), chosen and rejected, and writes \
            one line per row: id, delta, alpha_data, the sub-sentences of both responses with score and probability, \
            and flags. In addition to NAME.jsonl it writes NAME.rejects.jsonl (rejected rows, with line and reason), \
            NAME.summary.json and NAME.run.json.

            With --shard i/n it scores one of n shares of the rows, perhaps on another machine; `dama merge` joins them.

            If the job was stopped or killed, run the same command again: it resumes from NAME.partial and ends with \
            the same bytes.

            Exit codes: 0 done; 1 failed; 3 more rejected rows than --max-bad; 64 wrong usage; 130 and 143 stopped by \
            Ctrl-C and SIGTERM.
            """)

    @Option(help: ArgumentHelp("Folder of a CLIP, SigLIP or OpenCLIP model.", valueName: "dir"))
    var model: String
    @OptionGroup(title: "Dataset")
    var dataset: DatasetArguments
    @OptionGroup(title: "Dataset")
    var rows: RowJobArguments
    @OptionGroup(title: "Images")
    var images: ImageArguments
    @Option(help: "The source of delta: probabilities, Eqs. (5) and (6), or the ratio of scores, Table 2.")
    var delta: DeltaChoice = .probabilities
    @Option(help: ArgumentHelp("Use this mean of delta in Eq. (7) instead of the dataset's.", valueName: "number"))
    var meanDelta: Double?
    @Option(
        help: ArgumentHelp(
            "Write a page that draws the distribution of delta and says what it means for the labels.",
            valueName: "file"))
    var report: String?
    @OptionGroup(title: "Splitting")
    var splitting: SplittingOptions
    @Option(help: ArgumentHelp("Threads for inference; 0 for one per processor.", valueName: "n"))
    var threads = 0
    @Option(help: ArgumentHelp("Memory for cached embeddings, in MiB.", valueName: "mib"))
    var cache = 64
    @Option(
        help: ArgumentHelp(
            "Score share i of n shares of the rows, from 0; `dama merge` joins them. --out is that of the whole.",
            valueName: "i/n"))
    var shard: Shard?
    @Option(
        help: ArgumentHelp(
            "The ONNX Runtime library (default: $DAMA_ONNXRUNTIME, then the system's).", valueName: "file"))
    var onnxruntime: String?

    enum DeltaChoice: String, ExpressibleByArgument, CaseIterable { case probabilities, scores }

    func run() throws {
        let display = ProgressDisplay()
        do throws(DamaError) {
            let options = try options()
            var encoderOptions = DualEncoder.Options()
            encoderOptions.threads = threads
            encoderOptions.imageDecoding = images.decoding
            encoderOptions.runtimePath = onnxruntime
            let encoder = try DualEncoder(directory: model, options: encoderOptions)
            Interruption.listen()
            let run = try encoder.makeRunOptions()
            let watch = try Interruption.cancel(run)
            defer { watch.cancel() }
            let summary = try ScoreJob(options, encoder: encoder, splitter: splitting.splitter(onnxruntime))
                .run(run: run, observer: rows.observer(display))
            display.close()
            try Self.report(summary, display.progress, ScoreJob.output(of: options), page: report)
        } catch {
            display.close()
            throw JobFailure.exit("score", error, display.progress, maxBad: rows.maxBad)
        }
    }

    private func options() throws(DamaError) -> ScoreOptions {
        var options = ScoreOptions(data: dataset.data, output: dataset.out)
        options.deltaSource = delta == .scores ? .scores : .probabilities
        options.meanDelta = meanDelta
        options.shard = shard
        options.cacheBytes = try RowJobArguments.bytes(cache, "--cache", from: 0)
        options.report = report
        try rows.fill(&options, by: ScoreOptions.table)
        return options
    }

    // MARK: The end

    /// Reports what is in the output and beside it.
    static func report(
        _ summary: ScoreSummary, _ progress: JobProgress?, _ output: String, page: String? = nil
    ) throws(DamaError) {
        let paths = JobPaths(output: output)
        if summary.wasComplete { try StandardOutput.writeLine("already done; --restart runs it again") }
        var line = "scored \(summary.rowsScored) of \(summary.rows) rows"
        if summary.rowsRejected > 0 { line += ", rejected \(summary.rowsRejected) (see \(paths.rejects))" }
        if let progress, progress.rowsPerSecond > 0, !summary.wasComplete {
            line += ", \(ProgressDisplay.short(progress.rowsPerSecond)) rows/s"
        }
        try StandardOutput.writeLine(line)
        guard summary.rowsScored > 0 else {
            try StandardOutput.writeLine("\(paths.output)  \(paths.summary)")
            return
        }
        try StandardOutput.writeLine(
            "mean delta \(summary.meanDelta), from \(summary.smallestDelta) to \(summary.largestDelta)")
        if let count = summary.rowsBelowZero {
            let share = FixedPoint.text(100 * Double(count) / Double(summary.rowsScored), digits: 1)
            try StandardOutput.writeLine("delta is below 0 in \(count) rows (\(share) %)")
        }
        let files = [paths.output, paths.summary] + [page].compactMap { $0 }
        try StandardOutput.writeLine(files.joined(separator: "  "))
    }
}

extension Shard: ExpressibleByArgument {
    public init?(argument: String) { self.init(argument) }
}
