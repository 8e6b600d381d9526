import ArgumentParser
import Dama

/// The options for the splitter of responses.
struct SplittingOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "The splitter of responses: built-in; llm, the model in --splitter-model; command:COMMAND, a program that "
                + "reads a response and writes one sub-sentence per line; or the address of an OpenAI-compatible "
                + "chat/completions (http://…), whose key is read from $DAMA_SPLITTER_KEY.",
            valueName: "splitter"))
    var splitter = "built-in"
    @Option(
        help: ArgumentHelp(
            "Folder of the language model for llm; the model's name for an address.", valueName: "dir or name"))
    var splitterModel: String?
    @Option(
        help: ArgumentHelp(
            "Chat template of the model for llm: a name or a text (default: the model's own, if it is supported).",
            valueName: "template"))
    var splitterTemplate: String?
    @Option(help: ArgumentHelp("Store answers in this file, and reuse them.", valueName: "file"))
    var splitterCache: String?
    @Option(help: ArgumentHelp("The time limit for one answer, in seconds.", valueName: "seconds"))
    var splitterTimeout = 60.0
    @Option(help: ArgumentHelp("The maximum number of concurrent requests or programs.", valueName: "n"))
    var splitterConcurrency = 4

    func splitter(_ runtimePath: String?) throws(DamaError) -> any ResponseSplitter {
        if splitter == "built-in" { return NamedSplitter.builtIn }
        return LanguageModelSplitter(try writer(runtimePath), cache: try SplitCache(path: splitterCache))
    }

    private func writer(_ runtimePath: String?) throws(DamaError) -> any SentenceWriter {
        if splitter == "llm" {
            guard let splitterModel else {
                throw .invalidArgument("--splitter llm requires --splitter-model, the folder of a language model")
            }
            var options = PolicyOptions()
            options.runtimePath = runtimePath
            options.template = splitterTemplate
            return try PolicyWriter(try Policy(directory: splitterModel, options: options))
        }
        switch LanguageSource(splitter) {
        case .command(let command):
            return try CommandWriter(command, timeout: splitterTimeout, concurrency: splitterConcurrency)
        case .endpoint(let address):
            let endpoint = try LanguageSource.endpoint(
                address, model: splitterModel, option: "--splitter", key: "DAMA_SPLITTER_KEY", timeout: splitterTimeout)
            return try EndpointWriter(endpoint, concurrency: splitterConcurrency)
        case .other(let text):
            throw .invalidArgument(
                "--splitter \(ChatEndpoint.redacted(text)): expected built-in, llm, command:COMMAND or an http:// or "
                    + "https:// address")
        }
    }
}
