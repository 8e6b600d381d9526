import DamaJinja
import DamaSupport
import DamaText

/// A chat template as one model uses it: with its special tokens, and messages in the form that the template reads.
///
/// The prompt is the text of the messages with the start of a response. A response is all that the text of the messages
/// with the response adds to it, as in TRL: the response in the template's form, the mark that ends its turn, and white
/// space after that. If a file's template adds no special token (llava-hf's LLaVA-1.5), the end token
/// follows.
struct ChatFormat: Sendable {
    let template: ChatTemplate
    /// The system prompt of conversations without one; `nil` leaves it to the template.
    let system: String?
    /// The text of the image token; `nil` for a text-only model.
    let imageToken: String?
    /// What `strftime_now` takes for today.
    let date: CalendarDate
    /// The special tokens by the names of transformers, such as `bos_token`.
    let tokens: [String: String]
    private let program: JinjaTemplate
    private(set) var forms = Forms()
    /// What ends a response, or why the template has no response.
    private var ending: Result<Ending, DamaError> = .success(Ending())

    /// The forms of a message's content.
    enum Form {
        /// A list of `{"type": "text", "text": …}` and `{"type": "image"}`, as processors take it.
        case parts
        /// A text, with the image token at the place of each image.
        case text

        var other: Form { self == .parts ? .text : .parts }
    }

    struct Forms {
        var user = Form.text
        var assistant = Form.text
        var system = Form.text
    }

    /// The differences between what a template writes and a response.
    struct Ending {
        /// The start of a next response, which some templates write without being asked.
        var excess = ""
        /// The end token, if the template leaves it to the trainer.
        var addition = ""
    }

    /// - Parameters:
    ///   - endTokens: the ids that end a text.
    /// - Throws: ``DamaError/Code/model`` and ``DamaError/Code/unsupported`` for a program that cannot be read, and
    ///   ``DamaError/Code/invalidArgument`` for one that cannot write a question, an image or the system prompt.
    init(
        _ template: ChatTemplate, tokenizer: Tokenizer, endTokens: [Int], imageToken: String?, system: String?,
        date: CalendarDate
    ) throws(DamaError) {
        self.template = template
        self.imageToken = imageToken
        self.system = system
        self.date = date
        var tokens = tokenizer.roleTexts
        let ends = endTokens.compactMap { tokenizer.token(of: Int32(clamping: $0)) }
        // A tokenizer without an end token has that of the configuration.
        if tokens["eos_token"] == nil { tokens["eos_token"] = ends.first }
        if let imageToken { tokens["image_token"] = imageToken }
        self.tokens = tokens
        do throws(DamaError) {
            program = try JinjaTemplate(template.program)
        } catch {
            throw DamaError(error.code, "\(template.title): \(error.message)")
        }
        forms.user = try userForm()
        forms.assistant = forms.user
        if let form = [forms.user, forms.user.other].first(where: { writesAnswer($0) }) { forms.assistant = form }
        forms.system = [forms.user, forms.user.other].first { writesSystem($0) } ?? forms.user
        if system != nil { _ = try render([ChatMessage(.user, Self.question)], answer: nil) }
        ending = ending(tokenizer, ends: ends)
    }

    // MARK: Texts

    /// The text that a response follows.
    ///
    /// - Parameter messages: with their image places; see `placing(images:token:)`.
    /// - Throws: ``DamaError/Code/invalidArgument`` naming the template, for messages that it refuses.
    func prompt(_ messages: [ChatMessage]) throws(DamaError) -> String {
        try render(messages, answer: nil)
    }

    /// The prompt with a response.
    ///
    /// - Parameter prompt: the result of ``prompt(_:)``.
    /// - Throws: as ``prompt(_:)``, and the errors of ``checkResponses()``.
    func text(_ messages: [ChatMessage], response: String, after prompt: String) throws(DamaError) -> String {
        let ending = try ending.get()
        let whole = try render(messages, answer: response)
        guard whole.utf8.starts(with: prompt.utf8) else {
            throw .invalidArgument("\(template.title): \(Self.noPrefix)")
        }
        let bytes = Array(whole.utf8)
        let isExcess = bytes.suffix(ending.excess.utf8.count).elementsEqual(ending.excess.utf8)
        let kept = isExcess ? String(decoding: bytes.dropLast(ending.excess.utf8.count), as: UTF8.self) : whole
        return kept + ending.addition
    }

    /// Checks that the template has a response: that the prompt is the beginning of the prompt with its response, and
    /// that there is an end token if the template needs one.
    func checkResponses() throws(DamaError) { _ = try ending.get() }

    /// Whether the tokenizer's own special tokens are added to a text.
    ///
    /// As transformers: `apply_chat_template` of a tokenizer never adds them, since the template writes them; a processor
    /// does unless the text starts with the start token. A built-in template or a text with places is as a processor's.
    func addsSpecialTokens(to text: String) -> Bool {
        guard imageToken != nil || !template.isFile else { return false }
        guard let start = tokens["bos_token"], !start.isEmpty else { return true }
        return !text.utf8.starts(with: start.utf8)
    }

    static let noPrefix =
        "the prompt with the start of a response is not the beginning of the conversation with the response, so the "
        + "response cannot be told apart; the template cannot be used for log-probabilities and training"

    // MARK: Running

    func render(_ messages: [ChatMessage], answer: String?) throws(DamaError) -> String {
        var messages = messages
        if let system, messages.first?.role != .system { messages.insert(ChatMessage(.system, [.text(system)]), at: 0) }
        if let answer { messages.append(ChatMessage(.assistant, [.text(answer)])) }
        return try render(
            messages.map { message in
                let form =
                    switch message.role {
                    case .assistant: forms.assistant
                    case .system: forms.system
                    default: forms.user
                    }
                return value(message, form)
            }, isPrompt: answer == nil)
    }

    func render(_ messages: [Value], isPrompt: Bool) throws(DamaError) -> String {
        let variables: [(String, Value)] =
            tokens.map { ($0.key, .string(Text($0.value))) } + [
                ("messages", .list(messages)), ("add_generation_prompt", .bool(isPrompt)), ("tools", .none),
                ("documents", .none),
            ]
        do throws(DamaError) {
            return try program.render(variables, date: date)
        } catch {
            throw .invalidArgument("\(template.title): \(error.message)")
        }
    }

    func value(_ message: ChatMessage, _ form: Form) -> Value {
        let content: Value
        switch form {
        case .parts:
            content = .list(
                message.content.map { part in
                    switch part {
                    case .image: .dict(Mapping([("type", .string("image"))]))
                    case .text(let text):
                        .dict(Mapping([("type", .string("text")), ("text", .string(Text(text)))]))
                    }
                })
        case .text: content = .string(Text(text(message)))
        }
        return .dict(Mapping([("role", .string(Text(message.role.rawValue))), ("content", content)]))
    }

    /// A message as one text. Images before and after all text are on lines of their own, as in LLaVA.
    private func text(_ message: ChatMessage) -> String {
        let token = imageToken ?? ChatMessage.imageMark
        let isText: (ChatMessage.Part) -> Bool = { if case .text = $0 { true } else { false } }
        let first = message.content.firstIndex(where: isText) ?? message.content.endIndex
        let last = message.content.lastIndex(where: isText) ?? message.content.endIndex
        var result = ""
        for (index, part) in message.content.enumerated() {
            switch part {
            case .text(let text): result += text
            case .image: result += index < first ? token + "\n" : index > last ? "\n" + token : token
            }
        }
        return result
    }

    /// Everything that the texts depend on.
    var identity: JSON {
        var members: [JSONObject.Member] = [
            ("program", .string(SHA256.hex(of: Array(template.program.utf8)))),
            ("tokens", .object(JSONObject(tokens.sorted { $0.key < $1.key }.map { ($0.key, .string($0.value)) }))),
            ("system", system.map { .string($0) } ?? .null), ("is_file", .bool(template.isFile)),
        ]
        if Text(template.program).count(of: "strftime_now") > 0 { members.append(("date", .string(date.description))) }
        return .object(JSONObject(members))
    }
}

extension ChatTemplate {
    /// The template's name in messages.
    var title: String { isFile ? name : "template \(JSON.string(name).text)" }
}
