import ArgumentParser
import CommandLineSupport
import Dama

struct Train: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Align a multimodal or language model with preference pairs.",
        discussion: """
            Reads a YAML file with the fields model, data and out, and optional ones (docs/train.md). Writes to the \
            folder out: metrics.jsonl, tensorboard/, checkpoints/, rejects.jsonl, and at the end model/ and summary.json.

            If the job was stopped or killed, run the same command again: it resumes from its last checkpoint and ends \
            with the same weights.

            Exit codes: 0 done; 1 failed; 64 wrong usage; 130 and 143 stopped by Ctrl-C and SIGTERM.
            """)

    @Option(help: ArgumentHelp("The configuration, in YAML.", valueName: "file"))
    var config: String
    @Option(
        parsing: .unconditionalSingleValue,
        help: ArgumentHelp(
            "Set a field and override the file: --set method.beta=0.2; can be repeated.",
            valueName: "field=value"))
    var set: [String] = []
    @Flag(help: "Start over: discard unfinished work, and replace the files of an earlier job.")
    var restart = false
    @Flag(help: "Do not show progress.")
    var quiet = false
    @Flag(help: "Print how much memory a step takes, and stop: nothing is opened but the model's config.json.")
    var plan = false
    @Flag(help: "With --plan: print it as JSON, in bytes.")
    var json = false
    @Option(help: ArgumentHelp("With --plan: the tokens of a prompt, without those of its image.", valueName: "count"))
    var promptTokens = 64
    @Option(help: ArgumentHelp("With --plan: the tokens of each response.", valueName: "count"))
    var responseTokens = 128

    func run() throws {
        let display = ProgressDisplay()
        var last: TrainProgress?
        do throws(DamaError) {
            var settings = try TrainSettings(path: config, overrides: set)
            settings.job.restart = restart
            if plan {
                let found = try settings.memoryPlan(promptTokens: promptTokens, responseTokens: responseTokens)
                return try StandardOutput.writeLine(json ? found.json.text : found.text)
            }
            let policy = try Policy(directory: settings.model, options: settings.policy)
            let job = TrainJob(settings.job, policy: policy)
            Interruption.listen()
            let run = try policy.makeRunOptions()
            let watch = try Interruption.cancel(run)
            defer { watch.cancel() }
            let summary = try job.run(run: run) { event throws(DamaError) in
                if Interruption.signalNumber != nil { throw .cancelled }
                if case .progress(let progress) = event { last = progress }
                if !quiet { show(event, display) }
            }
            display.close()
            try report(summary, last)
        } catch {
            display.close()
            if error.code == .cancelled, let number = Interruption.signalNumber {
                let done = last.map { "\($0.batch) of \($0.batches) batches are done" } ?? "no work is lost"
                Terminal.write("stopped: \(done); run the same command again to resume\n")
                throw ExitCode(128 + number)
            }
            Terminal.write("dama train: \(error.message)\n")
            throw ExitCode.failure
        }
    }

    private func show(_ event: TrainEvent, _ display: ProgressDisplay) {
        switch event {
        case .notice(let line):
            display.close()
            Terminal.write("\(line)\n")
        case .reference(let progress): display.show(progress, prefix: "reference: ")
        case .progress(let progress):
            var text = "\(progress.batch)/\(progress.batches) batches"
            if let metrics = progress.metrics {
                text += ", loss \(Self.short(metrics.loss)), accuracy \(Self.short(metrics.accuracy))"
                text += ", alpha_M \(Self.short(metrics.alphaModel))"
            }
            if progress.batchesPerSecond > 0 {
                text += ", \(Self.short(progress.batchesPerSecond)) batches/s"
                if let left = progress.secondsLeft, progress.batch < progress.batches {
                    text += ", \(ProgressDisplay.duration(left)) left"
                }
            }
            display.show(
                text, done: progress.batch, of: progress.batches, seconds: progress.seconds,
                isLast: progress.batch == progress.batches)
        }
    }

    /// Rounded to three decimals.
    private static func short(_ number: Double) -> String {
        guard number.isFinite, abs(number) < 1e12 else { return "\(number)" }
        return "\((number * 1000).rounded() / 1000)"
    }

    private func report(_ summary: TrainSummary, _ last: TrainProgress?) throws(DamaError) {
        if summary.wasComplete { try StandardOutput.writeLine("already done; --restart runs it again") }
        var line = "\(summary.steps) steps over \(summary.pairs) pairs"
        if summary.skipped > 0 { line += ", \(summary.skipped) skipped because the loss or gradient was not finite" }
        if summary.rowsRejected > 0 { line += ", \(summary.rowsRejected) rows rejected" }
        if let last, last.batchesPerSecond > 0 { line += ", \(Self.short(last.batchesPerSecond)) batches/s" }
        try StandardOutput.writeLine(line)
        if let exported = summary.exported { try StandardOutput.writeLine(exported) }
    }
}
