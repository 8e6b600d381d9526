import DamaSupport

/// The messages of a row: an optional system prompt, one question, one answer.
///
/// A row with any other list of messages is rejected. Using only a part of it would score or train a conversation that
/// nobody wrote.
struct Conversation: Equatable {
    var system: String?
    var question: String?
    var answer: String?

    enum Role {
        case system, user, assistant

        init?(_ name: String) {
            switch name {
            case "system", "developer": self = .system
            case "user", "human": self = .user
            case "assistant", "gpt", "model": self = .assistant
            default: return nil
            }
        }
    }

    /// Reads a list of messages, or one message.
    ///
    /// - Parameters:
    ///   - standing: The role of a single message that does not name one.
    ///   - field: The field's name in messages.
    init(_ value: JSON, standing: Role, field: String) throws(Rejection) {
        let messages = value.array ?? [value]
        guard !messages.isEmpty else { throw Rejection(.wrongType, "\(field) is an empty list of messages") }
        for (index, message) in messages.enumerated() {
            let role = try Self.role(of: message, standing: messages.count == 1 ? standing : nil, field)
            let text = try Self.text(of: message, field)
            switch role {
            case .system where index == 0: system = text
            case .user where question == nil && answer == nil: question = text
            case .assistant where answer == nil && (question != nil || index == 0): answer = text
            default: throw Self.unsupported(field, messages)
            }
        }
    }

    /// More than one turn, or messages out of order.
    private static func unsupported(_ field: String, _ messages: [JSON]) -> Rejection {
        let roles = messages.prefix(6).map { $0["role"]?.string ?? $0["from"]?.string ?? "?" }
        return Rejection(
            .unsupportedConversation,
            "\(field) has the messages \(roles.joined(separator: ", "))\(messages.count > 6 ? ", …" : ""); expected "
                + "one question and one response, after an optional system prompt")
    }

    private static func role(of message: JSON, standing: Role?, _ field: String) throws(Rejection) -> Role {
        guard message.object != nil else {
            throw Rejection(.wrongType, "\(field) must hold messages, found \(message.kind)")
        }
        guard let name = message["role"] ?? message["from"] else {
            guard let standing else {
                throw Rejection(.wrongType, "\(field) holds a message without \"role\" or \"from\"")
            }
            return standing
        }
        guard let role = name.string.flatMap(Role.init) else {
            throw Rejection(
                .unsupportedConversation,
                "\(field) holds a message of the role \(name.text.prefix(40)); expected system, user or assistant")
        }
        return role
    }

    /// The text of a message, or of its parts. The position of images among the parts does not matter: the template
    /// puts the row's image where the model expects it.
    static func text(of message: JSON, _ field: String) throws(Rejection) -> String {
        guard let content = message["value"] ?? message["content"] else {
            throw Rejection(.wrongType, "\(field) holds a message without \"value\" or \"content\"")
        }
        if let text = content.string { return text }
        guard let parts = content.array else {
            throw Rejection(.wrongType, "\(field) holds a message whose content is \(content.kind), not text")
        }
        var texts: [String] = []
        var images = 0
        for part in parts {
            if let text = part.string ?? part["text"]?.string {
                texts.append(text)
            } else if let type = part["type"]?.string, ["image", "image_url", "text"].contains(type) {
                images += type == "text" ? 0 : 1
            } else {
                throw Rejection(
                    .unsupportedConversation,
                    "\(field) holds a message part that is neither text nor image: \(part.text.prefix(60))")
            }
        }
        guard images <= 1 else {
            throw Rejection(.severalImages, "\(field) holds a message with \(images) images; a row has one")
        }
        guard !texts.isEmpty else { throw Rejection(.wrongType, "\(field) holds a message without text") }
        return texts.joined(separator: "\n")
    }
}
