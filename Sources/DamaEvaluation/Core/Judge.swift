import DamaSupport

/// A language model, or a program, that judges answers.
public protocol Judge: Sendable {
    /// Identifies the judge and everything that its answers depend on. The name is stored in a job's files, so it must
    /// not contain secrets.
    var name: String { get }

    /// Returns the answer to one request. Called from several threads at once.
    ///
    /// - Parameter stop: Checked while the judge waits.
    /// - Throws: An error that stops the job, such as an unreachable server or another model than the one asked for;
    ///   ``DamaError/cancelled`` once `stop` is set.
    func answer(_ request: JudgeRequest, stop: StopSignal) throws(DamaError) -> JudgeAnswer
}

/// A question to a judge.
public struct JudgeRequest: Equatable, Sendable {
    /// A message of the conversation.
    public struct Message: Equatable, Sendable {
        /// `system`, `user` or `assistant`.
        public var role: String
        public var content: String

        public init(role: String, content: String) {
            self.role = role
            self.content = content
        }
    }

    public var messages: [Message]
    public var temperature = 0.0
    public var topP = 1.0
    public var maximumTokens = 1024
    /// The number of the run, and of the attempt within it, from 0. Equal requests of different numbers are asked anew.
    public var run = 0
    public var attempt = 0

    public init(_ messages: [Message]) { self.messages = messages }
}

/// A judge's answer.
public struct JudgeAnswer: Equatable, Sendable {
    public var text: String
    /// The model that answered, as the server names it.
    public var model: String?
    /// Why the answer ended: `stop`, `length`, or the server's own word.
    public var finish: String?
    public var inputTokens: Int?
    public var outputTokens: Int?

    public init(
        text: String, model: String? = nil, finish: String? = nil, inputTokens: Int? = nil, outputTokens: Int? = nil
    ) {
        self.text = text
        self.model = model
        self.finish = finish
        self.inputTokens = inputTokens
        self.outputTokens = outputTokens
    }
}
