import DamaEvaluation
import DamaSupport

/// What a ``ChatEndpoint`` is asked: a conversation, and how tokens are chosen.
public struct ChatRequest: Sendable, Equatable {
    public var messages: [ChatEndpoint.Message]
    public var maximumTokens: Int
    /// 0 is greedy.
    public var temperature = 0.0
    /// `nil` leaves it to the server, whose default is 1.
    public var topP: Double?

    public init(_ messages: [ChatEndpoint.Message], maximumTokens: Int) {
        self.messages = messages
        self.maximumTokens = maximumTokens
    }

    /// The members of the request for `model`, with those of `more` in place of members of the same name. A `null` in
    /// `more` removes a member.
    func body(model: String, more: JSONObject) -> JSON {
        var members: [JSONObject.Member] = [
            ("model", .string(model)), ("temperature", Self.number(temperature)),
            ("max_tokens", .int(Int64(maximumTokens))),
        ]
        if let topP { members.append(("top_p", Self.number(topP))) }
        members.append(
            (
                "messages",
                .array(messages.map { ["role": .string($0.role), "content": .string($0.content)] })
            ))
        for member in more.members {
            members.removeAll { $0.key.hasSameBytes(as: member.key) }
            if member.value != .null { members.append(member) }
        }
        return .object(JSONObject(members))
    }

    /// A whole number without a fraction: some servers read `1` where they refuse `1.0`.
    private static func number(_ value: Double) -> JSON { Int64(exactly: value).map { .int($0) } ?? .double(value) }
}

extension JudgeAnswer {
    /// What a server answered; `nil` without `choices[0].message.content`.
    init?(completion json: JSON) {
        let choice = json["choices"]?.array?.first
        guard let text = choice?["message"]?["content"]?.string else { return nil }
        self.init(
            text: text, model: json["model"]?.string, finish: choice?["finish_reason"]?.string,
            inputTokens: json["usage"]?["prompt_tokens"]?.int, outputTokens: json["usage"]?["completion_tokens"]?.int)
    }
}
