import ArgumentParser
import Dama

/// The options for the judge of a benchmark.
struct JudgeArguments: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "The judge: the address of an OpenAI-compatible chat/completions (http://…), whose key is read from "
                + "$DAMA_JUDGE_KEY; command:COMMAND, a program that reads a request as one JSON object and writes its "
                + "answer; or local:DIR, a language model in a folder.",
            valueName: "judge"))
    var judge: String?
    @Option(help: ArgumentHelp("The model's name, for an address.", valueName: "name"))
    var judgeModel: String?
    @Option(
        help: ArgumentHelp(
            "The model that must answer, as the server names it (default: --judge-model, or a dated snapshot of it).",
            valueName: "name"))
    var judgeExpect: String?
    @Flag(help: "Accept whatever model answers.")
    var judgeAnyModel = false
    @Option(
        help: ArgumentHelp(
            "Members to add to each request to an address, such as {\"seed\": 7}.", valueName: "json object"))
    var judgeFields: String?
    @Option(
        help: ArgumentHelp(
            "Chat template of the model for local: a name or a text (default: the model's own, if it is supported).",
            valueName: "template"))
    var judgeTemplate: String?
    @Option(help: ArgumentHelp("Store answers in this file, and reuse them.", valueName: "file"))
    var judgeCache: String?
    @Option(
        help: ArgumentHelp(
            "A file with a judge's answers, as the official script writes it; no judge is asked.", valueName: "file"))
    var judgeAnswers: String?
    @Option(help: ArgumentHelp("The time limit for one answer, in seconds.", valueName: "seconds"))
    var judgeTimeout = 60.0
    @Option(help: ArgumentHelp("The maximum number of concurrent requests or programs.", valueName: "n"))
    var judgeConcurrency = EndpointWriter.standardConcurrency
    @Option(help: ArgumentHelp("The most requests to an address in a minute.", valueName: "n"))
    var judgeRate: Double?
    @Option(
        help: ArgumentHelp(
            "The judge's prompts: own, or official for those of the official script in the data (default: own).",
            valueName: "name"))
    var prompts: String?
    @Option(
        help: ArgumentHelp("Ask the judge this often; metrics get a mean and a standard deviation.", valueName: "n"))
    var runs = 1

    func validate() throws {
        guard judge != nil || judgeModel == nil else {
            throw ValidationError("--judge-model requires --judge, the address of a server")
        }
        guard judge == nil || judgeAnswers == nil else {
            throw ValidationError("--judge-answers replaces the judge: omit --judge or --judge-answers")
        }
        guard judgeExpect == nil || !judgeAnyModel else {
            throw ValidationError("--judge-expect and --judge-any-model exclude each other")
        }
    }

    /// Sets the job's options for its judge.
    func fill(_ options: inout EvaluateOptions) {
        options.judgeAnswers = judgeAnswers
        options.prompts = prompts
        options.runs = runs
        // With fewer threads the judge would be asked less often than it may be.
        if judge != nil, options.workers == 0 { options.workers = judgeConcurrency }
    }

    /// The judge, whose answers are kept; `nil` without `--judge`.
    func makeJudge(_ runtimePath: String?) throws(DamaError) -> (any Judge)? {
        guard let judge else { return nil }
        return CachedJudge(try named(judge, runtimePath), cache: try JudgeCache(path: judgeCache))
    }

    private func named(_ judge: String, _ runtimePath: String?) throws(DamaError) -> any Judge {
        switch LanguageSource(judge) {
        case .command(let command):
            return try CommandJudge(command, timeout: judgeTimeout, concurrency: judgeConcurrency)
        case .endpoint(let address):
            var endpoint = try LanguageSource.endpoint(
                address, model: judgeModel, option: "--judge", key: "DAMA_JUDGE_KEY", timeout: judgeTimeout)
            endpoint.fields = judgeFields
            if let judgeRate { endpoint.rate = try RequestRate(perMinute: judgeRate) }
            let echo = judgeExpect.map { ModelEcho.exactly($0) } ?? (judgeAnyModel ? .any : .askedOrSnapshot)
            return try EndpointJudge(endpoint, concurrency: judgeConcurrency, echo: echo)
        case .other(let text) where text.hasPrefix("local:"):
            var options = PolicyOptions()
            options.runtimePath = runtimePath
            options.template = judgeTemplate
            return try PolicyJudge(try Policy(directory: String(text.dropFirst(6)), options: options))
        case .other(let text):
            throw .invalidArgument(
                "--judge \(ChatEndpoint.redacted(text)): expected an http:// or https:// address, command:COMMAND or "
                    + "local:DIR")
        }
    }
}
