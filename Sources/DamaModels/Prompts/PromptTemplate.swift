import DamaSupport

/// How a question and an image become the text that a model was trained to continue.
///
/// A template is one string with named places: `{question}` and `{response}` once each, `{image}` at most once,
/// `{system}` at most once, and `{end}` for the token that ends a sequence. What stands before `{response}` is the
/// prompt; what stands after it ends the response.
///
///     try PromptTemplate("USER: {image}\n{question} ASSISTANT: {response}</s>")
public struct PromptTemplate: Equatable, Sendable {
    /// What ``named(_:endToken:)`` knows it by, or its text.
    public let name: String
    /// The text before the response, with its places still open.
    public let prompt: String
    /// Between prompt and response: white space that the tokenizer joins to the response's first word.
    public let responsePrefix: String
    /// What ends a response, such as `</s>`.
    public let responseSuffix: String
    /// What `{system}` stands for where the caller gives nothing else.
    public let system: String
    /// What a system prompt looks like in its place, with `{system}` for its text; without one nothing stands there.
    private let systemBlock: String
    /// What the format takes off the ends of texts.
    let trimming: Trimming

    /// White space that a model's own template takes off the ends of texts.
    enum Trimming: String {
        case none
        /// Of question, system prompt and response, each by itself.
        case each
        /// Of system prompt and question as one text, and of the response.
        case turn
    }

    /// A prompt's text, cut where the image features go.
    public struct Rendered: Equatable, Sendable {
        /// The text before the image; the whole prompt where ``afterImage`` is nil.
        public var beforeImage: String
        public var afterImage: String?
    }

    /// - Parameter endToken: What `{end}` stands for; empty where the tokenizer has none.
    /// - Throws: ``DamaError/Code/invalidArgument`` for a place that is missing or repeated, and for `{end}` without an
    ///   end token.
    public init(_ template: String, system: String = "", endToken: String = "</s>") throws(DamaError) {
        try self.init(name: template, Known(text: template, system: system), endToken: endToken)
    }

    private init(name: String, _ known: Known, endToken: String) throws(DamaError) {
        let template = known.text
        for place in ["{question}", "{response}"] where Self.occurrences(of: place, in: template) != 1 {
            throw .invalidArgument("template must hold \(place) exactly once: \(quoted(template))")
        }
        for place in ["{image}", "{system}"] where Self.occurrences(of: place, in: template) > 1 {
            throw .invalidArgument("template may hold \(place) only once: \(quoted(template))")
        }
        guard !endToken.isEmpty || Self.occurrences(of: "{end}", in: template) == 0 else {
            throw .invalidArgument(
                "the template \(quoted(name)) needs the end token, but neither tokenizer nor configuration names one "
                    + "(eos_token in tokenizer_config.json)")
        }
        guard let (before, after) = Self.cut(template, at: "{response}"),
            Self.occurrences(of: "{question}", in: before) == 1,
            Self.occurrences(of: "{image}", in: after) == 0, Self.occurrences(of: "{system}", in: after) == 0
        else {
            throw .invalidArgument(
                "template must hold {question}, {image} and {system} before {response}: \(quoted(template))")
        }
        var prompt = Substring(Self.fill(before, [("{end}", endToken)]))
        var space = ""
        while let last = prompt.last, last == " " {
            space.append(last)
            prompt.removeLast()
        }
        self.name = name
        self.prompt = String(prompt)
        responsePrefix = space
        responseSuffix = Self.fill(after, [("{end}", endToken)])
        system = known.system
        systemBlock = Self.fill(known.systemBlock, [("{end}", endToken)])
        trimming = known.trimming
    }

    /// A template by name (see ``names``), or the text itself where it holds places.
    public static func named(_ text: String, endToken: String = "</s>") throws(DamaError) -> PromptTemplate {
        if let template = known[text] { return try PromptTemplate(name: text, template, endToken: endToken) }
        guard text.contains("{response}") else {
            throw .invalidArgument(
                "unknown template \(quoted(text)); known are \(names.joined(separator: ", ")), "
                    + "or a text with the places {image}, {question} and {response}")
        }
        return try PromptTemplate(text, endToken: endToken)
    }

    /// The templates that ``named(_:endToken:)`` knows.
    public static var names: [String] { known.keys.sorted() }

    /// True where the prompt has a place for an image.
    public var hasImage: Bool { prompt.contains("{image}") }

    /// True where the prompt has a place for a system prompt.
    public var hasSystem: Bool { prompt.contains("{system}") }

    /// The prompt for one question.
    ///
    /// A question in LLaVA's data may hold the image token itself (`<image>\nWhat…`), once for each image. It is
    /// removed, since the template says where images go.
    ///
    /// - Parameters:
    ///   - system: The system prompt, empty for none; `nil` takes the template's own.
    ///   - images: How many there are.
    /// - Throws: ``DamaError/Code/invalidArgument`` where `question` holds `imageToken`, but not once for each image,
    ///   or where the template has no place for what is given.
    public func render(
        question: String, system: String? = nil, images: Int = 1, imageToken: String = "<image>"
    ) throws(DamaError) -> Rendered {
        let count = Self.occurrences(of: imageToken, in: question)
        guard count == 0 || count == images else {
            throw .invalidArgument(
                "the prompt holds \(imageToken) \(count) time\(count == 1 ? "" : "s"), but there "
                    + (images == 1 ? "is 1 image" : "are \(images) images")
                    + "; give one mark for each image or none: the template says where images go")
        }
        var question = question
        if count > 0 {
            guard hasImage else {
                throw .invalidArgument("the prompt holds \(imageToken), but the template has no place {image}")
            }
            while let (before, after) = Self.cut(question, at: imageToken) { question = before + after }
            question = trimmed(question)
        }
        let system = system ?? self.system
        guard system.isEmpty || hasSystem else {
            throw .invalidArgument("there is a system prompt, but the template \(quoted(name)) has no place {system}")
        }
        var systemText = systemText(system)
        switch trimming {
        case .none: break
        case .each: question = trimmed(question)
        case .turn:
            if systemText.isEmpty {
                question = trimmed(question)
            } else {
                // The block ends in line breaks, which stay.
                question = trimmed(question, front: false)
                systemText = trimmed(systemText, back: question.isEmpty)
            }
        }
        let values = [("{system}", systemText), ("{question}", question)]
        let parts = Self.cut(prompt, at: "{image}")
        return Rendered(
            beforeImage: Self.fill(parts?.0 ?? prompt, values), afterImage: parts.map { Self.fill($0.1, values) })
    }

    /// The text for the place of images: the token once for each image. As in transformers' LLaVA template, a line
    /// break behind the place also joins the images.
    func imageText(_ count: Int, token: String) -> String {
        let isOnLine = Self.cut(prompt, at: "{image}")?.1.utf8.first == UInt8(ascii: "\n")
        return [String](repeating: token, count: count).joined(separator: isOnLine ? "\n" : "")
    }

    /// What follows the prompt for one response: the response itself and what ends it.
    func responseText(_ response: String) -> String {
        responsePrefix + (trimming == .none ? response : trimmed(response)) + responseSuffix
    }

    /// What stands in the place of the system prompt; `nil` takes the template's own.
    func systemText(_ given: String?) -> String {
        var text = given ?? system
        if trimming == .each { text = trimmed(text) }
        return text.isEmpty || !hasSystem ? "" : Self.fill(systemBlock, [("{system}", text)])
    }

    // MARK: Known templates

    private struct Known {
        var text: String
        var system = ""
        var systemBlock = "{system}"
        var trimming = Trimming.none
    }

    /// The conversation formats of the models that load here, as their authors publish them.
    private static let known: [String: Known] = [
        "vicuna_v1": Known(
            text: "{system}USER: {image}\n{question} ASSISTANT: {response}{end}",
            system: "A chat between a curious user and an artificial intelligence assistant. "
                + "The assistant gives helpful, detailed, and polite answers to the user's questions.",
            systemBlock: "{system} "),
        "llava-1.5": Known(text: "USER: {image}\n{question} ASSISTANT: {response}{end}"),
        "plain": Known(text: "{image}{question} {response}{end}"),
        "llama-2": Known(
            text: "[INST] {system}{question} [/INST] {response} {end}", systemBlock: "<<SYS>>\n{system}\n<</SYS>>\n\n",
            trimming: .turn),
        "llama-3": Known(
            text: "{system}<|start_header_id|>user<|end_header_id|>\n\n{question}<|eot_id|>"
                + "<|start_header_id|>assistant<|end_header_id|>\n\n{response}<|eot_id|>",
            systemBlock: "<|start_header_id|>system<|end_header_id|>\n\n{system}<|eot_id|>", trimming: .each),
        "chatml": chatML,
        "smollm2": Known(
            text: chatML.text, system: "You are a helpful AI assistant named SmolLM, trained by Hugging Face",
            systemBlock: chatML.systemBlock),
        "zephyr": Known(
            text: "{system}<|user|>\n{question}{end}\n<|assistant|>\n{response}{end}",
            systemBlock: "<|system|>\n{system}{end}\n"),
    ]

    private static let chatML = Known(
        text: "{system}<|im_start|>user\n{question}<|im_end|>\n<|im_start|>assistant\n{response}<|im_end|>",
        systemBlock: "<|im_start|>system\n{system}<|im_end|>\n")

    // MARK: Strings without Foundation

    private static func occurrences(of needle: String, in text: String) -> Int {
        var count = 0
        var rest = text
        while let (_, after) = cut(rest, at: needle) {
            count += 1
            rest = after
        }
        return count
    }

    private static func cut(_ text: String, at needle: String) -> (String, String)? {
        // Over bytes: a character may join the needle's last scalar with a combining mark behind it.
        let (text, needle) = (Array(text.utf8), Array(needle.utf8))
        guard !needle.isEmpty, text.count >= needle.count,
            let start = (0...(text.count - needle.count)).first(where: { text[$0...].starts(with: needle) })
        else { return nil }
        return (
            String(decoding: text[..<start], as: UTF8.self),
            String(decoding: text[(start + needle.count)...], as: UTF8.self)
        )
    }

    /// The text with every place replaced. What a value holds is never taken for a place.
    private static func fill(_ text: String, _ values: [(place: String, value: String)]) -> String {
        var result = ""
        var rest = text
        while true {
            var next: (before: String, value: String, after: String)?
            for (place, value) in values {
                guard let (before, after) = cut(rest, at: place) else { continue }
                if next.map({ before.utf8.count < $0.before.utf8.count }) ?? true { next = (before, value, after) }
            }
            guard let next else { return result + rest }
            result += next.before + next.value
            rest = next.after
        }
    }

    /// As Python's `strip`, which also takes the separators U+001C to U+001F.
    private func trimmed(_ text: String, front: Bool = true, back: Bool = true) -> String {
        let isSpace: (Unicode.Scalar) -> Bool = { $0.properties.isWhitespace || (0x1C...0x1F).contains($0.value) }
        let scalars = text.unicodeScalars
        guard let first = front ? scalars.firstIndex(where: { !isSpace($0) }) : scalars.startIndex,
            let last = back ? scalars.lastIndex(where: { !isSpace($0) }).map(scalars.index(after:)) : scalars.endIndex,
            first <= last
        else { return "" }
        return String(scalars[first..<last])
    }
}

private func quoted(_ text: String) -> String { JSON.string(text).text }
