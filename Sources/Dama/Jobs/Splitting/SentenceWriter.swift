import DamaImage
import DamaModels
import DamaSupport

/// Whoever writes a response's sub-sentences, one on a line: a language model here, elsewhere, or a program.
public protocol SentenceWriter: Sendable {
    /// Names the model and all that its answers depend on. It goes into a job's files, so it holds no secret.
    var name: String { get }

    /// The answer for one response, lines as they came. Called from several threads at once.
    ///
    /// - Parameter stop: looked at while the writer waits.
    /// - Throws: what stops the job: a server that cannot be reached, a program that is not there;
    ///   ``DamaError/cancelled`` once `stop` is set.
    func write(_ response: String, stop: StopSignal) throws(DamaError) -> String
}

extension SentenceWriter {
    /// The answer for one response, waited for whatever it takes.
    public func write(_ response: String) throws(DamaError) -> String { try write(response, stop: StopSignal()) }
}

/// A language model of a Hugging Face directory, run here, greedily.
public struct PolicyWriter: SentenceWriter {
    public let name: String
    private let policy: Policy
    /// One answer at a time: the model uses all processors for one already.
    private let turn = Slots(count: 1)

    /// - Parameter policy: a model of text alone that follows instructions, with its own chat template.
    public init(_ policy: Policy) throws(DamaError) {
        guard !policy.takesImages else {
            throw .unsupported("\(policy.directory) takes an image; the splitter needs a model of text alone")
        }
        self.policy = policy
        name = "model \(try policy.decoder.fingerprint)"
    }

    public func write(_ response: String, stop: StopSignal) throws(DamaError) -> String {
        var options = GenerationOptions()
        options.maximumTokens = SplitPrompt.maximumTokens(for: response)
        let run = try policy.makeRunOptions()
        let request = GenerationRequest(prompt: SplitPrompt.text(for: response))
        return try turn.run(stop) { () throws(DamaError) in
            try stop.whileHeard(by: { run.cancel() }) { () throws(DamaError) in
                // The worked examples end a list with an empty line, and so does the model.
                let texts = try policy.generate([request], options, stop: ["\n\n", "Text:"], run: run)
                guard let answer = texts.first else { throw .internal("a model gave no text for a prompt") }
                return answer.text
            }
        }
    }
}

/// A model behind an OpenAI-compatible address.
public struct EndpointWriter: SentenceWriter {
    public let name: String
    private let endpoint: ChatEndpoint
    private let slots: Slots

    /// - Parameter concurrency: the most requests under way at once.
    /// The most requests under way at once where nothing else is said.
    public static let standardConcurrency = 4

    public init(_ endpoint: ChatEndpoint, concurrency: Int = standardConcurrency) throws(DamaError) {
        guard (1...256).contains(concurrency) else {
            throw .invalidArgument("requests at once: expected 1 to 256, found \(concurrency)")
        }
        self.endpoint = endpoint
        slots = Slots(count: concurrency)
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
