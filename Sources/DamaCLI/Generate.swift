import ArgumentParser
import CommandLineSupport
import Dama
import Glibc

struct Generate: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Continue a prompt, or answer a dataset's questions, with a model.",
        discussion: """
            With --prompt (or standard input) the text is written to standard output as it is generated, or with \
            --num-beams when the search has ended. Ctrl-C stops it.

            With --data one line is written per row of the dataset: id, response and finish (end_token, stop or length); \
            with --samples above 1, the lists responses and finish. In addition to NAME.jsonl it writes \
            NAME.rejects.jsonl and NAME.summary.json. If the job was stopped or killed, run the same command again: it \
            resumes from NAME.partial.

            Exit codes: 0 done; 1 failed; 3 more rejected rows than --max-bad; 64 wrong usage; 130 and 143 stopped by \
            Ctrl-C and SIGTERM.
            """)

    @OptionGroup(title: "Model")
    var policy: PolicyArguments
    @Option(help: ArgumentHelp("An image file, for a model that takes images.", valueName: "file"))
    var image: String?
    @Option(
        parsing: .unconditional, help: ArgumentHelp("The question (default: standard input).", valueName: "text"))
    var prompt: String?
    @Option(help: ArgumentHelp("The maximum number of tokens to generate.", valueName: "n"))
    var maxTokens = 256
    @Option(help: ArgumentHelp("The sampling temperature; 0 always takes the most likely token.", valueName: "number"))
    var temperature = 0.0
    @Option(
        help: ArgumentHelp("Sample from the most likely tokens that reach this total probability.", valueName: "number")
    )
    var topP = 1.0
    @Option(help: ArgumentHelp("Sample from this many most likely tokens; 0 for all.", valueName: "n"))
    var topK = 0
    @Option(
        parsing: .unconditionalSingleValue,
        help: ArgumentHelp("Stop before this text; can be repeated.", valueName: "text"))
    var stop: [String] = []
    @Option(help: ArgumentHelp("The random seed, used with a temperature above 0.", valueName: "n"))
    var seed: UInt64 = 0
    @OptionGroup(title: "Beam search")
    var search: BeamArguments
    @OptionGroup(title: "A whole dataset")
    var dataset: GenerateDataset

    func validate() throws {
        guard dataset.data == nil || (image == nil && prompt == nil) else {
            throw ValidationError("--data provides images and questions: omit --image and --prompt")
        }
    }

    func run() throws {
        var options = GenerationOptions()
        options.maximumTokens = maxTokens
        options.sampling = SamplingOptions(temperature: temperature, topK: topK, topP: topP)
        options.seed = seed
        search.fill(&options)
        if let data = dataset.data { return try dataset.run(data: data, options, stop: stop, model: policy) }
        let prompt = try prompt ?? input()
        do throws(DamaError) {
            // Invalid options are reported before the model is loaded.
            try options.validate()
            let policy = try Policy(directory: policy.model, options: policy.options())
            Interruption.listen()
            let run = try policy.makeRunOptions()
            let watch = try Interruption.cancel(run)
            defer { watch.cancel() }
            var endsInNewline = false
            let found = try policy.generate(
                [GenerationRequest(image: image.map { .path($0) }, prompt: prompt)], options, stop: stop, run: run
            ) { _, text throws(DamaError) in
                if Interruption.signalNumber != nil { throw .cancelled }
                try StandardOutput.write(text)
                endsInNewline = text.utf8.last == UInt8(ascii: "\n")
            }
            if !endsInNewline { try StandardOutput.write("\n") }
            if found.first?.finish == .length, Terminal.isTerminal {
                Terminal.write("(ended by length: --max-tokens or the model's positions)\n")
            }
        } catch {
            if error.code == .cancelled, let number = Interruption.signalNumber {
                // Ends the line of the text so far; if that cannot be written, nothing more can be reported.
                try? StandardOutput.write("\n")
                throw ExitCode(128 + number)
            }
            Terminal.write("dama generate: \(error.message)\n")
            throw ExitCode.failure
        }
    }

    private func input() throws -> String {
        guard isatty(0) == 0 else { throw ValidationError("expected --prompt, or the text on standard input") }
        var text = ""
        while let line = readLine(strippingNewline: false) { text += line }
        return text.hasSuffix("\n") ? String(text.dropLast()) : text
    }
}
