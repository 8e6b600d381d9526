import DamaModels
import DamaSupport

/// A row's prompt and responses. All forms that datasets use are read here.
struct RowTexts {
    /// The messages before the responses; `nil` if the row has none.
    var prompt: Conversation?

    /// The prompt of a row, without its responses.
    init(promptOf json: JSON, names: FieldNames) throws(Rejection) {
        if let value = names.value(.question, of: json) {
            if let text = value.string {
                prompt = Conversation(question: text)
                return
            }
            // Any other value is not a question; scoring does not need one.
            if value.array != nil || value.object != nil {
                let field = names.description(.question)
                let talk = try Conversation(value, standing: .user, field: field)
                try talk.checkIsPrompt(field)
                prompt = talk
                return
            }
        }
        guard let conversations = json["conversations"] else { return }
        let field = "\"conversations\""
        var talk = try Conversation(conversations, standing: .user, field: field)
        // An answer at the end is the response that the model was originally trained on.
        if talk.isAnswered { talk.messages.removeLast() }
        try talk.checkIsPrompt(field)
        prompt = talk
    }

    /// A response, and the messages before it if it has any.
    struct Response {
        var text: String
        var before: Conversation?

        init(_ value: JSON, field: String) throws(Rejection) {
            if let text = value.string {
                self.text = text
                return
            }
            guard value.object != nil || value.array != nil else {
                throw Rejection(.wrongType, "\(field) must be text, found \(value.kind)")
            }
            var talk = try Conversation(value, standing: .assistant, field: field)
            guard talk.isAnswered, let answer = talk.messages.popLast() else {
                throw Rejection(
                    .unsupportedConversation,
                    "\(field) does not end with a message of the assistant; it has \(talk.roles)")
            }
            guard !answer.content.contains(.image) else {
                throw Rejection(.unsupportedConversation, "\(field) holds an image in the response")
            }
            text = answer.content.compactMap { part in
                if case .text(let text) = part { text } else { nil }
            }.joined(separator: "\n")
            before = talk.messages.isEmpty ? nil : talk
        }
    }

    /// Takes the prompt from the responses if it is only there, as in TRL, and checks that all occurrences agree.
    mutating func join(_ chosen: Response?, _ rejected: Response?, names: FieldNames) throws(Rejection) {
        if prompt == nil, let implicit = chosen?.before ?? rejected?.before {
            guard let chosen, let rejected, chosen.before == rejected.before else {
                throw Rejection(
                    .unsupportedConversation,
                    "\(names.description(.chosen)) and \(names.description(.rejected)) answer different messages")
            }
            try implicit.checkIsPrompt(names.description(.chosen))
            prompt = implicit
        }
        guard let prompt else { return }
        for (response, field) in [(chosen, FieldNames.Field.chosen), (rejected, .rejected)] {
            guard let before = response?.before else { continue }
            guard before.agrees(with: prompt) else {
                throw Rejection(
                    .unsupportedConversation,
                    "\(names.description(field)) has other messages before the response than "
                        + names.description(.question)
                )
            }
        }
    }
}

extension Conversation {
    init(question: String) { messages = [ChatMessage(.user, question)] }
}
