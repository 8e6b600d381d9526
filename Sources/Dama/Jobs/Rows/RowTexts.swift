import DamaSupport

/// A row's prompt and responses. All forms that datasets use are read here.
struct RowTexts {
    var system: String?
    var question: String?

    /// The prompt of a row, without its responses.
    init(promptOf json: JSON, names: FieldNames) throws(Rejection) {
        if let value = names.value(.question, of: json) {
            if let text = value.string {
                question = text
                return
            }
            // Any other value is not a question; scoring does not need one.
            if value.array != nil || value.object != nil {
                let prompt = try Conversation(value, standing: .user, field: names.description(.question))
                guard prompt.answer == nil else {
                    throw Rejection(
                        .unsupportedConversation,
                        "\(names.description(.question)) ends with an answer; responses must be in fields of their own")
                }
                (system, question) = (prompt.system, prompt.question)
                return
            }
        }
        guard let conversations = json["conversations"] else { return }
        let talk = try Conversation(conversations, standing: .user, field: "\"conversations\"")
        // An answer at the end is the response that the model was originally trained on.
        (system, question) = (talk.system, talk.question)
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
            guard let answer = talk.answer else {
                throw Rejection(.unsupportedConversation, "\(field) does not end with a message of the assistant")
            }
            text = answer
            talk.answer = nil
            before = talk.system == nil && talk.question == nil ? nil : talk
        }
    }

    /// Takes the prompt from the responses if it is only there, as in TRL, and checks that all occurrences agree.
    mutating func join(_ chosen: Response?, _ rejected: Response?, names: FieldNames) throws(Rejection) {
        let implicit = chosen?.before ?? rejected?.before
        if question == nil, let implicit {
            guard let chosen, let rejected, chosen.before == rejected.before else {
                throw Rejection(
                    .unsupportedConversation,
                    "\(names.description(.chosen)) and \(names.description(.rejected)) answer different messages")
            }
            question = implicit.question
            system = system ?? implicit.system
        }
        for (response, field) in [(chosen, FieldNames.Field.chosen), (rejected, .rejected)] {
            guard let before = response?.before else { continue }
            guard Self.same(before.question, question), Self.same(before.system, system) else {
                throw Rejection(
                    .unsupportedConversation,
                    "\(names.description(field)) has other messages before the response than "
                        + names.description(.question)
                )
            }
        }
    }

    /// Compares two questions without the image's place. A prompt that is not repeated (`nil`) agrees with any.
    private static func same(_ a: String?, _ b: String?) -> Bool {
        func bare(_ text: String?) -> [UInt8] {
            let mark = Array("<image>".utf8)
            var (rest, result): (ArraySlice<UInt8>, [UInt8]) = (Array((text ?? "").utf8)[...], [])
            while !rest.isEmpty {
                if rest.starts(with: mark) {
                    rest = rest.dropFirst(mark.count)
                } else {
                    result.append(rest.removeFirst())
                }
            }
            let isSpace: (UInt8) -> Bool = { $0 == 0x20 || (0x09...0x0D).contains($0) }
            return Array(result.drop(while: isSpace).reversed().drop(while: isSpace))
        }
        return a == nil || bare(a) == bare(b)
    }
}
