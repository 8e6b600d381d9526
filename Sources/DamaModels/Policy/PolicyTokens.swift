import DamaJinja
import DamaSupport
import DamaText

/// Converts prompts and responses to the token ids that a model was trained on.
struct PolicyTokens: Sendable {
    let tokenizer: Tokenizer
    let format: ChatFormat
    /// The text and the id of the image token; `nil` for a text-only model. The id is negative if the tokenizer has no
    /// such token.
    let image: (token: String, id: Int32)?

    /// A prompt with its responses.
    struct Encoded {
        /// ``TokenSequence/imagePlaceholder`` where image features stand.
        var prompt: [Int32]
        var responses: [[Int32]]
    }

    /// The tokens of a prompt without a response, for generation.
    ///
    /// - Parameter imageTokens: the tokens that replace each image's place.
    func encode(_ messages: [ChatMessage], imageTokens: [[Int32]] = []) throws(DamaError) -> [Int32] {
        let text = try format.prompt(messages.placing(images: imageTokens.count, token: image?.token))
        return try expandImages(try tokens(of: text, after: text), imageTokens)
    }

    /// The tokens of a prompt and of the responses that follow it.
    ///
    /// Prompt and response are tokenised as one text, as in training, so a token may span their boundary. The shared
    /// prompt is the longest common prefix of all token sequences.
    ///
    /// - Parameters:
    ///   - imageTokens: the tokens that replace each image's place.
    ///   - threads: those that share the work.
    func encode(
        _ messages: [ChatMessage], responses: [String], imageTokens: [[Int32]] = [], threads: Int = 1
    ) throws(DamaError) -> Encoded {
        let messages = try messages.placing(images: imageTokens.count, token: image?.token)
        let text = try format.prompt(messages)
        guard responses.allSatisfy({ !$0.utf8.isEmpty }) else {
            throw .invalidArgument("a response is empty; expected at least one token")
        }
        // The prompt alone, and with each response.
        let all = try Concurrent.map(1 + responses.count, threads: threads) { index throws(DamaError) in
            let whole = index == 0 ? text : try format.text(messages, response: responses[index - 1], after: text)
            return try tokens(of: whole, after: text)
        }
        let alone = all[0]
        // A tokenizer may append special tokens, which would separate prompt and response.
        let ending = format.addsSpecialTokens(to: text) ? tokenizer.surroundingTokens.after : []
        let prefix = Array(alone.suffix(ending.count)) == ending ? Array(alone.dropLast(ending.count)) : alone
        let whole = all.dropFirst().map { tokens in
            let isEnded = !ending.isEmpty && tokens.suffix(ending.count).elementsEqual(ending)
            return isEnded ? Array(tokens.dropLast(ending.count)) : tokens
        }
        var shared = prefix.count
        for tokens in whole { shared = min(shared, zip(prefix, tokens).prefix { $0 == $1 }.count) }
        // At least one token must follow in each response.
        for tokens in whole { shared = min(shared, tokens.count - 1) }
        guard shared > 0 else {
            throw .invalidArgument(
                "the prompt has no tokens; it must have at least one, from which the first response token is predicted")
        }
        // The image token marks an image's place; a model must not be asked to predict it.
        if let image, let index = whole.firstIndex(where: { $0[shared...].contains(image.id) }) {
            throw .invalidArgument(
                "the \(index == 0 ? "chosen" : "rejected") response contains the image token \(image.token); remove "
                    + "it")
        }
        return Encoded(
            prompt: try expandImages(Array(prefix[..<shared]), imageTokens),
            responses: whole.map { Array($0[shared...]) })
    }

    /// The tokens of a text that begins with `prompt`. If the tokenizer has no image token, the parts of the text around
    /// its marks are tokenised each by itself, as LLaVA's `tokenizer_image_token` does.
    private func tokens(of text: String, after prompt: String) throws(DamaError) -> [Int32] {
        let isWhole = format.addsSpecialTokens(to: prompt)
        guard let image, image.id < 0 else { return try tokenizer.encode(text, addSpecialTokens: isWhole) }
        let around = tokenizer.surroundingTokens
        var ids = isWhole ? around.before : []
        for (index, part) in Text(text).split(Text(image.token), limit: nil).enumerated() {
            if index > 0 { ids.append(image.id) }
            ids += try tokenizer.encode(part.string, addSpecialTokens: false)
        }
        return isWhole ? ids + around.after : ids
    }

    /// Replaces the image tokens, one for each image, by the tokens that the image takes.
    private func expandImages(_ tokens: [Int32], _ imageTokens: [[Int32]]) throws(DamaError) -> [Int32] {
        guard let image else { return tokens }
        let count = tokens.count { $0 == image.id }
        guard count == imageTokens.count else {
            throw .invalidArgument(
                "the prompt contains the image token \(image.token) \(count) times; expected it "
                    + (imageTokens.count == 1 ? "once" : "\(imageTokens.count) times, once for each image"))
        }
        var expanded: [Int32] = []
        var next = 0
        for token in tokens {
            if token == image.id {
                expanded += imageTokens[next]
                next += 1
            } else {
                expanded.append(token)
            }
        }
        return expanded
    }
}
