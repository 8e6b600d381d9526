import DamaSupport

/// What a row says: its prompt, and what answers it. One place for all forms that datasets have.
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
            // A number is no question, but who scores asks for none.
            if value.array != nil || value.object != nil {
                let prompt = try Conversation(value, standing: .user, field: names.description(.question))
                guard prompt.answer == nil else {
                    throw Rejection(
                        .unsupportedConversation,
                        "\(names.description(.question)) ends with an answer; the responses stand in fields of their own"
                    )
                }
                (system, question) = (prompt.system, prompt.question)
                return
            }
        }
        guard let conversations = json["conversations"] else { return }
        let talk = try Conversation(conversations, standing: .user, field: "\"conversations\"")
        // An answer at the end is the one that the model was once trained with.
        (system, question) = (talk.system, talk.question)
    }

    /// A response, and the messages before it where it brings them along.
    struct Response {
        var text: String
        var before: Conversation?

        init(_ value: JSON, field: String) throws(Rejection) {
            if let text = value.string {
                self.text = text
                return
            }
            guard value.object != nil || value.array != nil else {
                throw Rejection(.wrongType, "\(field) has to be a text, found \(value.kind)")
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

    /// Takes the prompt from the responses where it stands there alone, as TRL has it, and checks that it is the same one
    /// wherever it stands.
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
                    "\(names.description(field)) repeats other messages than \(names.description(.question)) has")
            }
        }
    }

    /// The question with and without the image's place is one question; so is none that is repeated.
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
