import ArgumentParser
import Dama

/// `dama generate --data`: what it takes beside the single prompt's options, and the job.
struct GenerateDataset: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "Answer all questions of a dataset: JSON Lines or one JSON array with image and question.",
            valueName: "file"))
    var data: String?
    @Option(help: ArgumentHelp("Where the responses go, as JSON Lines.", valueName: "file"))
    var out: String?
    @Option(help: ArgumentHelp("Responses to each question.", valueName: "n"))
    var samples = 1
    @OptionGroup
    var rows: RowJobArguments

    func validate() throws {
        guard data == nil || out != nil else { throw ValidationError("--data needs --out, where the responses go") }
        guard data != nil || out == nil else { throw ValidationError("--out goes with --data") }
        guard data != nil || samples == 1 else { throw ValidationError("--samples goes with --data") }
    }

    func run(
        data: String, _ generation: GenerationOptions, stop: [String], model: PolicyArguments
    ) throws {
        let display = ProgressDisplay()
        do throws(DamaError) {
            var options = GenerateOptions(data: data, output: out ?? "")
            options.generation = generation
            options.stop = stop
            options.samples = samples
            try rows.fill(&options, by: GenerateOptions.table)
            let policy = try Policy(directory: model.model, options: model.options())
            Interruption.listen()
            let run = try policy.makeRunOptions()
            let watch = try Interruption.cancel(run)
            defer { watch.cancel() }
            let summary = try GenerateJob(options, policy: policy).run(run: run, observer: rows.observer(display))
            display.close()
            try RowJobArguments.report(summary, cut: "ended by length", JobPaths(output: options.rows.output))
        } catch {
            display.close()
            throw JobFailure.exit("generate", error, display.progress, maxBad: rows.maxBad)
        }
    }
}
