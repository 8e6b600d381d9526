import ArgumentParser
import Dama

/// `dama generate --data`: what it takes beside the single prompt's options, and the job.
struct GenerateDataset: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "Answer all questions of a dataset (JSON Lines or one JSON array with image and question).",
            valueName: "file"))
    var data: String?
    @Option(help: ArgumentHelp("Where the responses go, as JSON Lines.", valueName: "file"))
    var out: String?
    @Option(help: ArgumentHelp("Responses to each question.", valueName: "n"))
    var samples = 1
    @Option(
        help: ArgumentHelp(
            "Folder that image paths are relative to and cannot leave (default: the dataset's).", valueName: "dir"))
    var imageRoot: String?
    @Option(
        help: ArgumentHelp(
            "Another name for a field, as in question=text; may be repeated.", valueName: "field=name"))
    var field: [String] = []
    @Option(help: ArgumentHelp("Stop when more rows than this are bad.", valueName: "n"))
    var maxBad: Int?
    @Option(help: ArgumentHelp("Questions answered together, and lost at most when killed.", valueName: "rows"))
    var batch = 8
    @Flag(help: "Begin again: forget what is unfinished, replace what is there.")
    var restart = false
    @Flag(help: "Show no progress.")
    var quiet = false

    func validate() throws {
        guard data == nil || out != nil else { throw ValidationError("--data needs --out, where the responses go") }
        guard data != nil || out == nil else { throw ValidationError("--out goes with --data") }
        guard data != nil || samples == 1 else { throw ValidationError("--samples goes with --data") }
    }

    func run(
        data: String, _ generation: GenerationOptions, stop: [String], model: PolicyArguments
    ) throws {
        let display = ProgressDisplay()
        let out = out ?? ""
        do throws(DamaError) {
            var options = GenerateOptions(data: data, output: out)
            options.imageRoot = imageRoot
            options.fields = try FieldNames(mappings: field)
            options.generation = generation
            options.stop = stop
            options.samples = samples
            options.rows.maximumRejected = maxBad
            options.rows.blockRows = batch
            options.rows.restart = restart
            let policy = try Policy(directory: model.model, options: model.options())
            Interruption.listen()
            let quiet = quiet
            let summary = try GenerateJob(options, policy: policy).run { progress throws(DamaError) in
                if Interruption.signalNumber != nil { throw .cancelled }
                if !quiet { display.show(progress) }
            }
            display.close()
            if summary.wasComplete { print("already done; --restart does it again") }
            var line = "\(summary.rows - summary.rowsRejected) of \(summary.rows) rows"
            if summary.rowsRejected > 0 {
                line += ", rejected \(summary.rowsRejected) (see \(JobPaths(output: out).rejects))"
            }
            if summary.rowsCut > 0 { line += ", ended by length \(summary.rowsCut)" }
            print("\(line)\n\(out)  \(JobPaths(output: out).summary)")
        } catch {
            display.close()
            throw JobFailure.exit("generate", error, display.progress, maxBad: maxBad)
        }
    }
}
