import DamaSupport

/// The format in which a question and an image become the text that a model continues.
///
/// A template is one string with named places: `{question}` and `{response}` once each, `{image}` at most once,
/// `{system}` at most once, and `{end}` for the token that ends a sequence. The text before `{response}` is the prompt;
/// the text after it ends the response.
///
///     try PromptTemplate("USER: {image}\n{question} ASSISTANT: {response}</s>")
public struct PromptTemplate: Equatable, Sendable {
    /// The name for ``named(_:endToken:)``, or the template's text.
    public let name: String
    /// The text before the response, with its places not yet replaced.
    public let prompt: String
    /// White space between prompt and response, which the tokenizer joins to the response's first word.
    public let responsePrefix: String
    /// The text that ends a response, such as `</s>`.
    public let responseSuffix: String
    /// The default of `{system}`.
    public let system: String
    /// The format of a system prompt in its place, with `{system}` for its text. Without a system prompt the place is
    /// empty.
    private let systemBlock: String
    /// The white space that the format removes from the ends of texts.
    let trimming: Trimming

    /// The texts from whose ends a model's own template removes white space.
    enum Trimming: String {
        case none
        /// Question, system prompt and response, each by itself.
        case each
        /// System prompt and question as one text, and the response.
        case turn
    }

    /// A prompt's text, split at the place of the image features.
    public struct Rendered: Equatable, Sendable {
        /// The text before the image; the whole prompt if ``afterImage`` is `nil`.
        public var beforeImage: String
        public var afterImage: String?
    }

    /// - Parameter endToken: the text that replaces `{end}`; empty if the tokenizer has no end token.
    /// - Throws: ``DamaError/Code/invalidArgument`` for a missing or repeated place, and for `{end}` without an end
    ///   token.
    public init(_ template: String, system: String = "", endToken: String = "</s>") throws(DamaError) {
        try self.init(name: template, Known(text: template, system: system), endToken: endToken)
    }

    private init(name: String, _ known: Known, endToken: String) throws(DamaError) {
        let template = known.text
        for place in ["{question}", "{response}"] where Self.occurrences(of: place, in: template) != 1 {
            throw .invalidArgument("the template must contain \(place) exactly once: \(quoted(template))")
        }
        for place in ["{image}", "{system}"] where Self.occurrences(of: place, in: template) > 1 {
            throw .invalidArgument("the template must not contain \(place) more than once: \(quoted(template))")
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
                "the template must contain {question}, {image} and {system} before {response}: \(quoted(template))")
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

    /// A template by name (see ``names``), or the text itself if it contains places.
    public static func named(_ text: String, endToken: String = "</s>") throws(DamaError) -> PromptTemplate {
        if let template = known[text] { return try PromptTemplate(name: text, template, endToken: endToken) }
        guard text.contains("{response}") else {
            throw .invalidArgument(
                "unknown template \(quoted(text)); it must be one of \(names.joined(separator: ", ")), "
                    + "or a text with the places {image}, {question} and {response}")
        }
        return try PromptTemplate(text, endToken: endToken)
    }

    /// The names for ``named(_:endToken:)``.
    public static var names: [String] { known.keys.sorted() }

    /// Whether the prompt has a place for an image.
    public var hasImage: Bool { prompt.contains("{image}") }

    /// Whether the prompt has a place for a system prompt.
    public var hasSystem: Bool { prompt.contains("{system}") }

    /// The prompt for one question.
    ///
    /// A question in LLaVA's data may contain the image token itself (`<image>\nWhat…`), once for each image. It is
    /// removed, since the template determines the place of images.
    ///
    /// - Parameters:
    ///   - system: the system prompt, empty for none; `nil` uses the template's own.
    ///   - images: the number of images.
    /// - Throws: ``DamaError/Code/invalidArgument`` if `question` contains `imageToken`, but not once for each image,
    ///   or if the template has no place for a given image or system prompt.
    public func render(
        question: String, system: String? = nil, images: Int = 1, imageToken: String = "<image>"
    ) throws(DamaError) -> Rendered {
        let count = Self.occurrences(of: imageToken, in: question)
        guard count == 0 || count == images else {
            throw .invalidArgument(
                "the prompt contains \(imageToken) \(count) time\(count == 1 ? "" : "s"), but there "
                    + (images == 1 ? "is 1 image" : "are \(images) images")
                    + "; it must occur once for each image or not at all")
        }
        var question = question
        if count > 0 {
            guard hasImage else {
                throw .invalidArgument("the prompt contains \(imageToken), but the template has no place {image}")
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
                // The block ends in line breaks, which are kept.
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
    /// break after the place also separates the images.
    func imageText(_ count: Int, token: String) -> String {
        let isOnLine = Self.cut(prompt, at: "{image}")?.1.utf8.first == UInt8(ascii: "\n")
        return [String](repeating: token, count: count).joined(separator: isOnLine ? "\n" : "")
    }

    /// The text that follows the prompt: the response and its ending.
    func responseText(_ response: String) -> String {
        responsePrefix + (trimming == .none ? response : trimmed(response)) + responseSuffix
    }

    /// The text for the place of the system prompt; `nil` uses the template's own system prompt.
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

    /// The conversation formats of the supported models, as their authors publish them.
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

    /// The parts of `text` before, between and after its occurrences of `mark`.
    static func parts(of text: String, between mark: String) -> [String] {
        var parts: [String] = []
        var rest = text
        while let (before, after) = cut(rest, at: mark) {
            parts.append(before)
            rest = after
        }
        return parts + [rest]
    }

    private static func cut(_ text: String, at needle: String) -> (String, String)? {
        // Compares bytes: a character may join the needle's last scalar with a combining mark after it.
        let (text, needle) = (Array(text.utf8), Array(needle.utf8))
        guard !needle.isEmpty, text.count >= needle.count,
            let start = (0...(text.count - needle.count)).first(where: { text[$0...].starts(with: needle) })
        else { return nil }
        return (
            String(decoding: text[..<start], as: UTF8.self),
            String(decoding: text[(start + needle.count)...], as: UTF8.self)
        )
    }

    /// The text with every place replaced. Places within values are not replaced.
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

    /// As Python's `strip`, which also removes the separators U+001C to U+001F.
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
