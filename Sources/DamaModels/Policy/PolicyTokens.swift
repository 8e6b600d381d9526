import DamaSupport
import DamaText

/// Prompts and responses as the token ids that a model was trained on.
struct PolicyTokens: Sendable {
    let tokenizer: Tokenizer
    let template: PromptTemplate
    /// `nil` takes the template's own.
    let system: String?
    /// How the tokenizer spells the image token, and how many rows of features stand for it; `nil` for text alone.
    let image: (token: String, id: Int32, features: Int)?

    /// A prompt with its responses.
    struct Encoded {
        /// ``TokenSequence/imagePlaceholder`` where image features stand.
        var prompt: [Int32]
        var responses: [[Int32]]
    }

    /// The tokens of a prompt alone, for generation.
    func encode(prompt: String) throws(DamaError) -> [Int32] {
        try expandImage(try tokenizer.encode(try promptText(prompt)))
    }

    /// The tokens of a prompt and of the responses behind it.
    ///
    /// Prompt and response are one text to the tokenizer, as they are in training: it may join them at the seam. The
    /// shared prompt is what all of them begin with.
    func encode(prompt: String, responses: [String]) throws(DamaError) -> Encoded {
        let text = try promptText(prompt)
        let alone = try tokenizer.encode(text)
        // A tokenizer that ends texts with a special token would put it between prompt and response.
        let ending = tokenizer.surroundingTokens.after
        let prefix = Array(alone.suffix(ending.count)) == ending ? Array(alone.dropLast(ending.count)) : alone
        var whole: [[Int32]] = []
        for response in responses {
            guard !response.utf8.isEmpty else {
                throw .invalidArgument("a response is empty; expected at least one token")
            }
            var tokens = try tokenizer.encode(text + template.responseText(response))
            if !ending.isEmpty, tokens.suffix(ending.count).elementsEqual(ending) { tokens.removeLast(ending.count) }
            whole.append(tokens)
        }
        var shared = prefix.count
        for tokens in whole { shared = min(shared, zip(prefix, tokens).prefix { $0 == $1 }.count) }
        // At least one token must follow in each response.
        for tokens in whole { shared = min(shared, tokens.count - 1) }
        guard shared > 0 else {
            throw .invalidArgument(
                "the prompt has no tokens; the first response token is predicted from the prompt's last")
        }
        // Where it marks the image's place, the image token is no word that a model may be asked to predict.
        if let image, let index = whole.firstIndex(where: { $0[shared...].contains(image.id) }) {
            throw .invalidArgument(
                "the \(index == 0 ? "chosen" : "rejected") response holds the image token \(image.token), which stands "
                    + "for an image; take it out")
        }
        return Encoded(
            prompt: try expandImage(Array(prefix[..<shared])), responses: whole.map { Array($0[shared...]) })
    }

    private func promptText(_ prompt: String) throws(DamaError) -> String {
        let rendered = try template.render(question: prompt, system: system, imageToken: image?.token ?? "<image>")
        guard let afterImage = rendered.afterImage else {
            if image != nil {
                throw .invalidArgument("the template has no place {image}, but the model takes an image")
            }
            return rendered.beforeImage
        }
        // A template with a place for an image serves text alone as well.
        return rendered.beforeImage + (image?.token ?? "") + afterImage
    }

    private func expandImage(_ tokens: [Int32]) throws(DamaError) -> [Int32] {
        guard let image else { return tokens }
        let count = tokens.count { $0 == image.id }
        guard count == 1 else {
            throw .invalidArgument("the prompt holds the image token \(image.token) \(count) times; expected it once")
        }
        return tokens.flatMap { token in
            token == image.id ? [Int32](repeating: TokenSequence.imagePlaceholder, count: image.features) : [token]
        }
    }
}
