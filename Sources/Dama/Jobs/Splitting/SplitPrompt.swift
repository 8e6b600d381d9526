import DamaSupport

/// The request to a language model to split a response into sub-sentences, and the parsing of its answer.
///
/// The paper asks LLaMA-3 for simple, self-contained sub-sentences and does not give its prompt. This prompt is
/// libdama's own.
public enum SplitPrompt {
    /// The instruction, given once.
    public static let instruction = """
        Split the text into short, simple sentences. Each sentence states one fact and can be understood without the \
        others: replace pronouns by what they stand for. Use only words of the text. Leave nothing out, add nothing. \
        Write one sentence per line and nothing else.
        """

    /// Worked examples: a text and its sub-sentences.
    public static let examples: [(text: String, lines: [String])] = [
        (
            "The image shows a man riding a brown horse on a beach, and two dogs are running behind him.",
            ["A man is riding a brown horse.", "The man is on a beach.", "Two dogs are running behind the man."]
        ),
        (
            "There is a wooden table with a red cup. It stands near the window, which is open.",
            [
                "There is a wooden table.", "A red cup is on the table.", "The table stands near the window.",
                "The window is open.",
            ]
        ),
    ]

    /// The conversation for one response: instruction, examples, and the text itself.
    public static func messages(for response: String) -> [ChatEndpoint.Message] {
        var messages = [ChatEndpoint.Message(role: "system", content: instruction)]
        for example in examples {
            messages.append(.init(role: "user", content: example.text))
            messages.append(.init(role: "assistant", content: example.lines.joined(separator: "\n")))
        }
        messages.append(.init(role: "user", content: response))
        return messages
    }

    /// The same request as a single text, for a model whose template takes one question.
    public static func text(for response: String) -> String {
        var text = instruction
        for example in examples { text += "\n\nText: \(example.text)\n\(example.lines.joined(separator: "\n"))" }
        return text + "\n\nText: \(response)\n"
    }

    /// The maximum number of tokens of a sound answer. Pronouns are replaced, so it may be longer than the text.
    public static func maximumTokens(for response: String) -> Int {
        64 + 2 * response.utf8.count / 3
    }

    /// The lines of an answer, without the numbers and dashes that models prepend.
    public static func lines(of answer: String) -> [String] {
        answer.split(whereSeparator: \.isNewline).compactMap { line in
            var rest = trim(line)
            if let first = rest.unicodeScalars.first, "-*•".unicodeScalars.contains(first) {
                rest = trim(rest.dropFirst())
            } else {
                let digits = rest.prefix { $0.isASCII && $0.isNumber }
                let behind = rest.dropFirst(digits.count)
                if !digits.isEmpty, let mark = behind.first, mark == "." || mark == ")",
                    behind.dropFirst().first?.isWhitespace ?? true
                {
                    rest = trim(behind.dropFirst())
                }
            }
            return rest.isEmpty ? nil : String(rest)
        }
    }

    private static func trim(_ text: Substring) -> Substring {
        var text = text.drop { $0.isWhitespace }
        while text.last?.isWhitespace == true { text.removeLast() }
        return text
    }
}
