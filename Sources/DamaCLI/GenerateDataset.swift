import ArgumentParser
import Dama

/// The options of `dama generate --data` beyond those for a single prompt, and the job.
struct GenerateDataset: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "Answer all questions of a dataset: JSON Lines or one JSON array with image and question.",
            valueName: "file"))
    var data: String?
    @Option(help: ArgumentHelp("The output file for the responses, as JSON Lines.", valueName: "file"))
    var out: String?
    @Option(help: ArgumentHelp("The number of responses to each question.", valueName: "n"))
    var samples = 1
    @OptionGroup
    var rows: RowJobArguments

    func validate() throws {
        guard data == nil || out != nil else {
            throw ValidationError("--data requires --out, the output file for the responses")
        }
        guard data != nil || out == nil else { throw ValidationError("--out requires --data") }
        guard data != nil || samples == 1 else { throw ValidationError("--samples requires --data") }
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
