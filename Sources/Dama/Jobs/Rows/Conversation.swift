import DamaModels
import DamaSupport

/// The messages of a field of a row, in the forms of LLaVA, ShareGPT, TRL and transformers. Which messages make sense is
/// up to the template; here nothing is left out and nothing is put in another order.
struct Conversation: Equatable {
    var messages: [ChatMessage]

    /// Reads a list of messages, or one message.
    ///
    /// - Parameters:
    ///   - standing: The role of a single message that does not name one.
    ///   - field: The field's name in messages.
    init(_ value: JSON, standing: ChatMessage.Role, field: String) throws(Rejection) {
        let elements = value.array ?? [value]
        guard !elements.isEmpty else { throw Rejection(.wrongType, "\(field) is an empty list of messages") }
        messages = []
        for element in elements {
            let role = try Self.role(of: element, standing: elements.count == 1 ? standing : nil, field)
            messages.append(ChatMessage(role, try Self.content(of: element, field)))
        }
    }

    private static func role(
        of message: JSON, standing: ChatMessage.Role?, _ field: String
    ) throws(Rejection) -> ChatMessage.Role {
        guard message.object != nil else {
            throw Rejection(.wrongType, "\(field) must hold messages, found \(message.kind)")
        }
        guard let name = message["role"] ?? message["from"] else {
            guard let standing else {
                throw Rejection(.wrongType, "\(field) holds a message without \"role\" or \"from\"")
            }
            return standing
        }
        guard let role = role(named: name.string) else {
            throw Rejection(
                .unsupportedConversation,
                "\(field) holds a message of the role \(name.text.prefix(40)); expected system, user, assistant or tool"
            )
        }
        return role
    }

    /// The role that datasets call `name`; `nil` for another word.
    static func role(named name: String?) -> ChatMessage.Role? {
        switch name {
        case "system", "developer": .system
        case "user", "human": .user
        case "assistant", "gpt", "model": .assistant
        case "tool": ChatMessage.Role(rawValue: "tool")
        default: nil
        }
    }

    /// A message's text, or its parts: texts, and places of images.
    private static func content(of message: JSON, _ field: String) throws(Rejection) -> [ChatMessage.Part] {
        guard let content = message["value"] ?? message["content"] else {
            throw Rejection(.wrongType, "\(field) holds a message without \"value\" or \"content\"")
        }
        if let text = content.string { return [.text(text)] }
        guard let elements = content.array else {
            throw Rejection(.wrongType, "\(field) holds a message whose content is \(content.kind), not text")
        }
        var parts: [ChatMessage.Part] = []
        for element in elements {
            if let text = element.string ?? element["text"]?.string {
                parts.append(.text(text))
            } else if let type = element["type"]?.string, ["image", "image_url"].contains(type) {
                parts.append(.image)
            } else if element["type"]?.string != "text" {
                throw Rejection(
                    .unsupportedConversation,
                    "\(field) holds a message part that is neither text nor image: \(element.text.prefix(60))")
            }
        }
        let hasText = parts.contains { if case .text = $0 { true } else { false } }
        guard hasText else { throw Rejection(.wrongType, "\(field) holds a message without text") }
        return parts
    }

    // MARK: Parts of a row

    /// Whether the last message is an answer.
    var isAnswered: Bool { messages.last?.role == .assistant }

    /// Checks that an answer can follow.
    func checkIsPrompt(_ field: String) throws(Rejection) {
        guard messages.contains(where: { $0.role == .user }), let last = messages.last, last.role != .system else {
            throw Rejection(.unsupportedConversation, "\(field) has \(roles); expected a question at its end")
        }
        guard !isAnswered else {
            throw Rejection(
                .unsupportedConversation,
                "\(field) ends with an answer (\(roles)); responses must be in fields of their own")
        }
    }

    /// The roles of the messages, for messages.
    var roles: String {
        let names = messages.prefix(6).map(\.role.rawValue).joined(separator: ", ")
        return "the messages \(names)\(messages.count > 6 ? ", …" : "")"
    }

    /// Whether `other` has the same texts of the same roles, apart from the places of images, which are often in only
    /// one of two copies. A system prompt that this conversation does not repeat agrees with any.
    func agrees(with other: Conversation) -> Bool {
        let own = messages[...]
        var others = other.messages[...]
        if own.first?.role != .system, others.first?.role == .system { others = others.dropFirst() }
        return own.count == others.count
            && zip(own, others).allSatisfy { $0.role == $1.role && $0.bareText == $1.bareText }
    }
}

extension ChatMessage {
    /// The text's bytes without the marks of images, and without the white space around it.
    var bareText: [UInt8] {
        let mark = Array(Self.imageMark.utf8)
        let bytes = Array(text.utf8)
        var result: [UInt8] = []
        var place = 0
        while place < bytes.count {
            if bytes[place] == mark[0], bytes[place...].starts(with: mark) {
                place += mark.count
            } else {
                result.append(bytes[place])
                place += 1
            }
        }
        let isSpace: (UInt8) -> Bool = { $0 == 0x20 || (0x09...0x0D).contains($0) }
        let end = result.lastIndex { !isSpace($0) }.map { $0 + 1 } ?? 0
        return Array(result[..<end].drop(while: isSpace))
    }
}
