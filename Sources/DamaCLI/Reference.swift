import ArgumentParser
import Dama

struct Reference: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Compute the reference model's log-probabilities of a dataset's pairs.",
        discussion: """
            Reads the same datasets as `dama score` and writes one line per row: id, key (a hash of image, prompt and \
            responses), and for both responses sum, mean and per-token log-probabilities. In addition to NAME.jsonl it \
            writes NAME.rejects.jsonl and NAME.summary.json, which records the settings that the numbers depend on: \
            training with another model, template or image processing refuses them and names the difference.

            If the job was stopped or killed, run the same command again: it resumes from NAME.partial.

            The exit codes are those of `dama score`.
            """)

    @OptionGroup(title: "Model")
    var model: PolicyArguments
    @OptionGroup(title: "Dataset")
    var dataset: DatasetArguments
    @OptionGroup(title: "Dataset")
    var rows: RowJobArguments
    @Option(
        help: ArgumentHelp(
            "The format of the output: lines with all values (full), lines with the `logps` field of RLAIF-V's data (logps), "
                + "or a JSON array of whole rows for the trainer of DAMA's authors (released)."))
    var format: ReferenceOptions.Format = .full
    @Option(
        help: ArgumentHelp(
            "For --format released: the output of `dama score`, for chosen_logits and rejected_logits.",
            valueName: "file"))
    var scores: String?
    @Option(help: ArgumentHelp("The maximum number of tokens of image, prompt and one response.", valueName: "tokens"))
    var maxLength: Int?
    @Option(help: ArgumentHelp("How to handle longer rows: error (reject the row) or cut.", valueName: "what"))
    var overlong = "error"
    @Option(
        help: ArgumentHelp("The maximum number of tokens per run of the model, including padding.", valueName: "tokens")
    )
    var tokenBudget = 8192

    func run() throws {
        let display = ProgressDisplay()
        do throws(DamaError) {
            var options = ReferenceOptions(data: dataset.data, output: dataset.out)
            options.format = format
            options.scores = scores
            try rows.fill(&options, by: ReferenceOptions.table)
            let policy = try Policy(directory: model.model, options: policyOptions())
            Interruption.listen()
            let run = try policy.makeRunOptions()
            let watch = try Interruption.cancel(run)
            defer { watch.cancel() }
            let summary = try ReferenceJob(options, policy: policy).run(run: run, observer: rows.observer(display))
            display.close()
            try RowJobArguments.report(summary, cut: "cut", JobPaths(output: dataset.out))
        } catch {
            display.close()
            throw JobFailure.exit("reference", error, display.progress, maxBad: rows.maxBad)
        }
    }

    private func policyOptions() throws(DamaError) -> PolicyOptions {
        var options = try model.options()
        options.maximumLength = maxLength
        options.tokenBudget = tokenBudget
        guard let overlong = PolicyOptions.Overlong(rawValue: overlong) else {
            throw .invalidArgument("--overlong is \(self.overlong); expected error or cut")
        }
        options.overlong = overlong
        return options
    }
}

extension ReferenceOptions.Format: ExpressibleByArgument {}
