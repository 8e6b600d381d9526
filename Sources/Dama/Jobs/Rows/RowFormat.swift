import DamaModels
import DamaSupport

/// The form of a dataset's rows. All forms become the same fields.
public enum RowFormat: String, CaseIterable, Sendable {
    /// Each row by its fields: as any of the others.
    case automatic = "auto"
    /// The fields of ``FieldNames`` alone.
    case fields
    /// LLaVA: `conversations` with `from` and `value`, `image`; for pairs `chosen` and `rejected`.
    case llava
    /// RLAIF-V and the authors' data: `question`, `chosen`, `rejected` in the row or in the JSON of `text`; `image` or
    /// `image_path`.
    case rlaifV = "rlaif_v"
    /// TRL: `chosen` and `rejected`, texts or messages; `prompt` unless both begin with it; `images` or `image`.
    case trl
    /// LLaMA-Factory and ms-swift: `conversations` with `chosen` and `rejected`; `messages` with `rejected_response` or
    /// `rejected_messages`; or Alpaca's `instruction` and `input` with `chosen` and `rejected`. `system`, `images`.
    case sharegpt

    /// The row with the fields that ``PairRecord`` reads.
    ///
    /// - Parameter json: the row, with the fields of the JSON in `text`.
    /// - Throws: ``Rejection/Kind/missingField`` naming the field of a named format that the row lacks.
    func usual(_ json: JSON) throws(Rejection) -> JSON {
        switch self {
        case .fields: return json
        case .automatic:
            // Rows that have the usual fields are read as they are.
            guard json["question"] == nil, json["prompt"] == nil else { return json }
            return try Self.shareGPT(json) ?? json
        case .llava:
            try require(json, ["conversations"])
            return json
        case .rlaifV:
            try require(json, ["question"])
            try require(json, ["image", "image_path"])
            return json
        case .trl:
            if json["prompt"] == nil { try require(json, ["chosen"]) }
            return json
        case .sharegpt:
            try require(json, ["conversations", "messages", "instruction"])
            return try Self.shareGPT(json) ?? json
        }
    }

    private func require(_ json: JSON, _ names: [String]) throws(Rejection) {
        guard !names.contains(where: { json[$0] != nil }) else { return }
        throw Rejection(
            .missingField,
            "the format \"\(rawValue)\" needs the field \(names.map { "\"\($0)\"" }.joined(separator: " or "))")
    }

    // MARK: ShareGPT

    /// The row in the usual fields; `nil` if it has none of the forms of LLaMA-Factory and ms-swift.
    private static func shareGPT(_ json: JSON) throws(Rejection) -> JSON? {
        let system = json["system"]?.string.map { ["role": "system", "content": .string($0)] as JSON }
        if json["chosen"] == nil, let messages = json["messages"]?.array {
            guard json["rejected_response"] != nil || json["rejected_messages"] != nil || json["rejected"] != nil
            else { return replacing(json, ["conversations": .array(with(system, messages))]) }
            return try swift(json, messages, system)
        }
        if let conversations = json["conversations"]?.array {
            return replacing(json, ["conversations": .array(with(system, conversations))])
        }
        if let messages = json["messages"]?.array {
            return replacing(json, ["conversations": .array(with(system, messages))])
        }
        guard let instruction = json["instruction"]?.string else { return nil }
        return replacing(json, ["conversations": .array(with(system, history(json) + [user(instruction, json)]))])
    }

    /// ms-swift: the last of `messages` is the chosen response.
    private static func swift(_ json: JSON, _ messages: [JSON], _ system: JSON?) throws(Rejection) -> JSON {
        guard let chosen = messages.last, role(chosen) == .assistant else {
            throw Rejection(
                .unsupportedConversation,
                "\"messages\" does not end with the chosen response, a message of the assistant")
        }
        let rejected = json["rejected_response"] ?? json["rejected"] ?? json["rejected_messages"]?.array?.last
        return replacing(
            json,
            [
                "conversations": .array(with(system, Array(messages.dropLast()))), "chosen": chosen,
                "rejected": rejected ?? .null,
            ])
    }

    private static func role(_ message: JSON) -> ChatMessage.Role? {
        Conversation.role(named: (message["role"] ?? message["from"])?.string)
    }

    /// Alpaca's question: the instruction, and the input on a line of its own.
    private static func user(_ instruction: String, _ json: JSON) -> JSON {
        let input = json["input"]?.string ?? ""
        return ["role": "user", "content": .string(input.isEmpty ? instruction : "\(instruction)\n\(input)")]
    }

    /// Alpaca's earlier turns, pairs of question and answer.
    private static func history(_ json: JSON) -> [JSON] {
        (json["history"]?.array ?? []).flatMap { turn in
            zip(["user", "assistant"], turn.array ?? []).map { role, text in
                ["role": .string(role), "content": text] as JSON
            }
        }
    }

    /// The messages behind the row's system prompt, unless they have their own.
    private static func with(_ system: JSON?, _ messages: [JSON]) -> [JSON] {
        guard let system, messages.first.flatMap(role) != .system else { return messages }
        return [system] + messages
    }

    private static func replacing(_ json: JSON, _ fields: JSONObject) -> JSON {
        let others = (json.object?.members ?? []).filter { member in
            !fields.members.contains { $0.key == member.key }
        }
        return .object(JSONObject(others + fields.members))
    }
}
