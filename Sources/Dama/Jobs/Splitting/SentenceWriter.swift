import DamaImage
import DamaModels
import DamaSupport

/// Writes a response's sub-sentences, one per line: a local language model, a remote one, or a program.
public protocol SentenceWriter: Sendable {
    /// Identifies the model and everything that its answers depend on. The name is stored in a job's files, so it must
    /// not contain secrets.
    var name: String { get }

    /// Returns the answer for one response, with its lines unchanged. Called from several threads at once.
    ///
    /// - Parameters:
    ///   - response: The response to split.
    ///   - stop: Checked while the writer waits.
    /// - Throws: An error that stops the job, such as an unreachable server or a missing program;
    ///   ``DamaError/cancelled`` once `stop` is set.
    func write(_ response: String, stop: StopSignal) throws(DamaError) -> String
}

extension SentenceWriter {
    /// Returns the answer for one response, however long it takes.
    public func write(_ response: String) throws(DamaError) -> String { try write(response, stop: StopSignal()) }
}

/// A language model from a Hugging Face directory, run locally with greedy decoding.
public struct PolicyWriter: SentenceWriter {
    public let name: String
    private let policy: Policy
    /// One answer at a time: the model already uses all processors for one.
    private let turn = Slots(count: 1)

    /// - Parameter policy: A text-only model that follows instructions, with its own chat template.
    public init(_ policy: Policy) throws(DamaError) {
        guard !policy.takesImages else {
            throw .unsupported("\(policy.directory) takes an image; the splitter needs a text-only model")
        }
        self.policy = policy
        // Another template gives other answers.
        name = "\(try policy.modelName()), format \(policy.formatDigest)"
    }

    public func write(_ response: String, stop: StopSignal) throws(DamaError) -> String {
        var options = GenerationOptions()
        options.maximumTokens = SplitPrompt.maximumTokens(for: response)
        let run = try policy.makeRunOptions()
        let request = GenerationRequest(prompt: SplitPrompt.text(for: response))
        return try turn.run(stop) { () throws(DamaError) in
            try stop.whileHeard(by: { run.cancel() }) { () throws(DamaError) in
                // The worked examples end each list with an empty line, and so does the model.
                let texts = try policy.generate([request], options, stop: ["\n\n", "Text:"], run: run)
                guard let answer = texts.first else { throw .internal("the model returned no text for a prompt") }
                return answer.text
            }
        }
    }
}

/// A model served at an OpenAI-compatible address.
public struct EndpointWriter: SentenceWriter {
    public let name: String
    private let endpoint: ChatEndpoint
    private let slots: Slots

    /// The default maximum number of concurrent requests.
    public static let standardConcurrency = 4

    /// - Parameters:
    ///   - endpoint: The server and its model.
    ///   - concurrency: The maximum number of concurrent requests.
    public init(_ endpoint: ChatEndpoint, concurrency: Int = standardConcurrency) throws(DamaError) {
        self.endpoint = endpoint
        slots = try Slots(concurrency: concurrency)
        name = "endpoint \(try endpoint.name)"
    }

    public func write(_ response: String, stop: StopSignal) throws(DamaError) -> String {
        try slots.run(stop) { () throws(DamaError) in
            try endpoint.complete(
                SplitPrompt.messages(for: response), maximumTokens: SplitPrompt.maximumTokens(for: response),
                stop: stop)
        }
    }
}
