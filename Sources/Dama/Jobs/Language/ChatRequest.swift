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

/// What a server answered.
public struct ChatAnswer: Sendable, Equatable {
    public var text: String
    /// The model that the server says has answered; `nil` if it says nothing.
    public var model: String?
    /// Why the text ends, in the server's word: usually `stop` or `length`.
    public var finish: String?
    /// Tokens of the request, as the server counts them.
    public var inputTokens: Int?
    /// Tokens of the answer, as the server counts them.
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

    /// `nil` without `choices[0].message.content`.
    init?(_ json: JSON) {
        let choice = json["choices"]?.array?.first
        guard let text = choice?["message"]?["content"]?.string else { return nil }
        self.init(
            text: text, model: json["model"]?.string, finish: choice?["finish_reason"]?.string,
            inputTokens: json["usage"]?["prompt_tokens"]?.int, outputTokens: json["usage"]?["completion_tokens"]?.int)
    }
}
