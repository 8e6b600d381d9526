import ArgumentParser
import Dama

struct Reference: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Compute the reference model's log-probabilities of a dataset's pairs, once.",
        discussion: """
            Reads the same datasets as `dama score` and writes a line for each row: id, key (a hash of image, prompt and \
            responses), and for both responses sum, mean and per-token log-probabilities. Beside NAME.jsonl it writes \
            NAME.rejects.jsonl and NAME.summary.json, which holds what the numbers depend on: training with another \
            model, template or image processing refuses them by name.

            Stopped or killed, it goes on from NAME.partial when it is run again with the same options.

            Exit codes: as `dama score`.
            """)

    @OptionGroup(title: "Model")
    var model: PolicyArguments
    @Option(help: ArgumentHelp("The dataset: JSON Lines or one JSON array.", valueName: "file"))
    var data: String
    @Option(
        help: ArgumentHelp(
            "Folder that image paths are relative to and cannot leave (default: the dataset's).", valueName: "dir"))
    var imageRoot: String?
    @Option(help: ArgumentHelp("Where the log-probabilities go, as JSON Lines.", valueName: "file"))
    var out: String
    @Option(help: "What a line holds: everything, or the `logps` field that RLAIF-V's and DAMA's trainers read.")
    var format: FormatChoice = .full
    @Option(help: ArgumentHelp("The most tokens of image, prompt and one response.", valueName: "tokens"))
    var maxLength: Int?
    @Option(help: ArgumentHelp("What happens to longer ones: error (the row is rejected) or cut.", valueName: "what"))
    var overlong = "error"
    @Option(help: ArgumentHelp("The most tokens, padding included, that run at once.", valueName: "tokens"))
    var tokenBudget = 8192
    @Option(
        help: ArgumentHelp(
            "Another name for a field, as in chosen=answer_good; may be repeated.", valueName: "field=name"))
    var field: [String] = []
    @Option(help: ArgumentHelp("Stop when more rows than this are bad.", valueName: "n"))
    var maxBad: Int?
    @Option(help: ArgumentHelp("Rows computed together, and lost at most when killed.", valueName: "rows"))
    var batch = 8
    @Flag(help: "Begin again: forget what is unfinished, replace what is there.")
    var restart = false
    @Flag(help: "Show no progress.")
    var quiet = false

    enum FormatChoice: String, ExpressibleByArgument, CaseIterable { case full, logps }

    func run() throws {
        let display = ProgressDisplay()
        do throws(DamaError) {
            var options = ReferenceOptions(data: data, output: out)
            options.imageRoot = imageRoot
            options.fields = try FieldNames(mappings: field)
            options.format = format == .full ? .full : .logps
            options.rows.maximumRejected = maxBad
            options.rows.blockRows = batch
            options.rows.restart = restart
            let policy = try Policy(directory: model.model, options: policyOptions())
            Interruption.listen()
            let quiet = quiet
            let summary = try ReferenceJob(options, policy: policy).run { progress throws(DamaError) in
                if Interruption.signalNumber != nil { throw .cancelled }
                if !quiet { display.show(progress) }
            }
            display.close()
            if summary.wasComplete { print("already done; --restart does it again") }
            var line = "\(summary.rows - summary.rowsRejected) of \(summary.rows) rows"
            if summary.rowsRejected > 0 {
                line += ", rejected \(summary.rowsRejected) (see \(JobPaths(output: out).rejects))"
            }
            if summary.rowsCut > 0 { line += ", cut \(summary.rowsCut)" }
            print("\(line)\n\(out)  \(JobPaths(output: out).summary)")
        } catch {
            display.close()
            throw JobFailure.exit("reference", error, display.progress, maxBad: maxBad)
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
