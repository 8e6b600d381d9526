import ArgumentParser
import Dama

struct Score: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Score the pairs of a dataset for hardness with a CLIP model.",
        discussion: """
            Reads JSON Lines or one JSON array with the fields image (or image_path), chosen and rejected, and writes \
            a line for each row: id, delta, alpha_data, the sub-sentences of both responses with score and \
            probability, and flags. Beside NAME.jsonl it writes NAME.rejects.jsonl (rows left out, with line and \
            reason), NAME.summary.json and NAME.run.json.

            Stopped or killed, it goes on from NAME.partial when it is run again with the same options, and ends with \
            the same bytes.

            Exit codes: 0 done; 1 failed; 3 more bad rows than --max-bad; 64 wrong usage; 130 and 143 stopped by \
            Ctrl-C and SIGTERM.
            """)

    @Option(help: ArgumentHelp("Folder of a CLIP model as Hugging Face lays it out.", valueName: "dir"))
    var model: String
    @Option(help: ArgumentHelp("The dataset: JSON Lines or one JSON array.", valueName: "file"))
    var data: String
    @Option(
        help: ArgumentHelp(
            "Folder that image paths are relative to and cannot leave (default: the dataset's).", valueName: "dir"))
    var imageRoot: String?
    @Option(help: ArgumentHelp("Where the scores go, as JSON Lines.", valueName: "file"))
    var out: String
    @Option(help: "What delta is computed from: probabilities, Eqs. (5) and (6), or the ratio of scores, Table 2.")
    var delta: DeltaChoice = .probabilities
    @Option(help: ArgumentHelp("Use this mean of delta in Eq. (7) instead of the dataset's.", valueName: "number"))
    var meanDelta: Double?
    @Option(
        help: ArgumentHelp(
            "Another name for a field, as in chosen=answer_good; may be repeated. The fields are idx, image, question, "
                + "chosen, rejected, chosen_sub_sentences, rejected_sub_sentences.", valueName: "field=name"))
    var field: [String] = []
    @OptionGroup(title: "Splitting")
    var splitting: SplittingOptions
    @Option(help: ArgumentHelp("Stop when more rows than this are bad.", valueName: "n"))
    var maxBad: Int?
    @Option(help: ArgumentHelp("Threads of inference; 0 for one for each processor.", valueName: "n"))
    var threads = 0
    @Option(help: ArgumentHelp("Threads for reading and decoding; 0 for as many as processors.", valueName: "n"))
    var workers = 0
    @Option(help: ArgumentHelp("Rows computed together, and lost at most when killed.", valueName: "rows"))
    var batch = 32
    @Option(help: ArgumentHelp("Memory for embeddings that may come again, in MiB.", valueName: "mib"))
    var cache = 64
    @Option(help: ArgumentHelp("The most bytes of one row, in MiB.", valueName: "mib"))
    var rowLimit = 8
    @Option(help: ArgumentHelp("The most bytes of one image file, in MiB.", valueName: "mib"))
    var imageLimit = 64
    @Option(
        help: ArgumentHelp(
            "The file of ONNX Runtime (default: $DAMA_ONNXRUNTIME, then the system's).", valueName: "file"))
    var onnxruntime: String?
    @Flag(help: "Begin again: forget what is unfinished, replace what is there.")
    var restart = false
    @Flag(help: "Show no progress.")
    var quiet = false

    enum DeltaChoice: String, ExpressibleByArgument, CaseIterable { case probabilities, scores }

    func run() throws {
        var options = ScoreOptions(data: data, output: out)
        let display = ProgressDisplay()
        do throws(DamaError) {
            try fill(&options)
            var encoderOptions = CLIPEncoder.Options()
            encoderOptions.threads = threads
            encoderOptions.runtimePath = onnxruntime
            let encoder = try CLIPEncoder(directory: model, options: encoderOptions)
            Interruption.listen()
            let quiet = quiet
            let summary = try ScoreJob(options, encoder: encoder, splitter: splitting.splitter(onnxruntime)).run {
                progress throws(DamaError) in
                if Interruption.signalNumber != nil { throw .cancelled }
                if !quiet { display.show(progress) }
            }
            display.close()
            report(summary, display.progress)
        } catch {
            display.close()
            throw JobFailure.exit("score", error, display.progress, maxBad: maxBad)
        }
    }

    private func fill(_ options: inout ScoreOptions) throws(DamaError) {
        options.imageRoot = imageRoot
        options.fields = try FieldNames(mappings: field)
        options.deltaSource = delta == .scores ? .scores : .probabilities
        options.meanDelta = meanDelta
        options.rows.maximumRejected = maxBad
        options.rows.workers = workers
        options.rows.blockRows = batch
        options.rows.restart = restart
        options.cacheBytes = try bytes(cache, "--cache", from: 0)
        options.rows.rowLimit = try bytes(rowLimit, "--row-limit", from: 1)
        options.imageByteLimit = try bytes(imageLimit, "--image-limit", from: 1)
    }

    private func bytes(_ mebibytes: Int, _ name: String, from least: Int) throws(DamaError) -> Int {
        guard (least...1 << 20).contains(mebibytes) else {
            throw .invalidArgument("\(name): expected \(least) to \(1 << 20) MiB, found \(mebibytes)")
        }
        return mebibytes << 20
    }

    // MARK: The end

    private func report(_ summary: ScoreSummary, _ progress: JobProgress?) {
        let paths = JobPaths(output: out)
        if summary.wasComplete { print("already done; --restart does it again") }
        var line = "scored \(summary.rowsScored) of \(summary.rows) rows"
        if summary.rowsRejected > 0 { line += ", rejected \(summary.rowsRejected) (see \(paths.rejects))" }
        if let progress, progress.rowsPerSecond > 0, !summary.wasComplete {
            line += ", \(ProgressDisplay.short(progress.rowsPerSecond)) rows/s"
        }
        print(line)
        print("mean delta \(summary.meanDelta), from \(summary.smallestDelta) to \(summary.largestDelta)")
        print("\(paths.output)  \(paths.summary)")
    }
}
