import DamaEvaluation
import DamaModels
import DamaSupport

/// A judge from a Hugging Face directory, run locally.
public struct PolicyJudge: Judge {
    public let name: String
    private let policy: Policy
    private let model: String
    /// One answer at a time: the model already uses all processors for one.
    private let turn = Slots(count: 1)

    /// - Parameter policy: A text-only model that follows instructions, with its own chat template.
    public init(_ policy: Policy) throws(DamaError) {
        guard !policy.takesImages else {
            throw .unsupported("\(policy.directory) takes an image; the judge needs a text-only model")
        }
        self.policy = policy
        model = try policy.modelName()
        // Another template gives other answers.
        name = "\(model), format \(policy.formatDigest)"
    }

    /// An answer at a temperature above 0 is drawn with the request's run and attempt as the seed, so it is repeatable.
    /// `<image>` in a message, which has a meaning in prompts, is written as `[image]`.
    public func answer(_ request: JudgeRequest, stop: StopSignal) throws(DamaError) -> JudgeAnswer {
        var options = GenerationOptions()
        options.maximumTokens = request.maximumTokens
        options.sampling = SamplingOptions(temperature: request.temperature, topP: request.topP)
        options.seed =
            UInt64(truncatingIfNeeded: request.run) << 32 ^ UInt64(truncatingIfNeeded: request.attempt)
        let messages = request.messages.map { message in
            ChatMessage(.init(rawValue: message.role), Self.withoutMarks(message.content))
        }
        let prompt = try policy.prepare([GenerationRequest(images: [], messages: messages)])
        let run = try policy.makeRunOptions()
        return try turn.run(stop) { () throws(DamaError) in
            try stop.whileHeard(by: { run.cancel() }) { () throws(DamaError) in
                guard let text = try policy.generate(prepared: prompt, options, run: run).first else {
                    throw .internal("the model returned no text for a prompt")
                }
                var answer = JudgeAnswer(text: text.text)
                answer.model = model
                answer.finish = text.finish == .length ? "length" : "stop"
                answer.outputTokens = text.tokens.count
                return answer
            }
        }
    }

    private static func withoutMarks(_ text: String) -> String {
        let mark = Array(ChatMessage.imageMark.utf8)
        var rest = Array(text.utf8)[...]
        var result: [UInt8] = []
        while let byte = rest.first {
            if rest.starts(with: mark) {
                result += "[image]".utf8
                rest = rest.dropFirst(mark.count)
            } else {
                result.append(byte)
                rest = rest.dropFirst()
            }
        }
        return String(decoding: result, as: UTF8.self)
    }
}
