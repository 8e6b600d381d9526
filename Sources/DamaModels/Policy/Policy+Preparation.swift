import DamaImage
import DamaRuntime
import DamaSupport

// Scoring, generation and training all take the results of these functions.
extension Policy {
    // MARK: Pairs

    /// Tokenises the texts and decodes the images of a pair. May run on other threads while the model computes.
    ///
    /// - Parameter images: images of the batch that are already prepared. A repeated image is decoded once.
    /// - Throws: ``DamaError/Code/invalidArgument`` for texts that cannot be laid out, and for images that do not fit
    ///   the prompt or the model; the errors of ``ImageDecoder``.
    public func prepare(
        _ pair: PreferencePair, sharing images: PreparedImages = PreparedImages()
    ) throws(DamaError) -> PreparedPair {
        try checkPresence(of: pair.images, in: "the pair")
        return try prepare(checked: pair, images)
    }

    /// As `prepare(_:sharing:)`, for a batch.
    ///
    /// - Throws: errors that name the pair (`pair 3: …`).
    public func prepare(_ pairs: [PreferencePair], run: RunOptions? = nil) throws(DamaError) -> [PreparedPair] {
        guard !pairs.isEmpty else { throw .invalidArgument("the batch is empty; expected at least one pair") }
        return try prepareAll(pairs, "pair", run, images: \.images) { pair, images throws(DamaError) in
            try prepare(checked: pair, images)
        }
    }

    private func prepare(checked pair: PreferencePair, _ memory: PreparedImages) throws(DamaError) -> PreparedPair {
        let images = try prepare(pair.images, memory)
        let (sequence, cuts) = try layOut(pair, imageTokens: images.map(\.expansion))
        return PreparedPair(sequence: sequence, images: images, cuts: cuts)
    }

    /// Checks that a pair's texts can be laid out with this number of images, without the images themselves. If images
    /// differ in their number of tokens, the smallest is assumed, and ``prepare(_:sharing:)`` may still find the pair
    /// too long.
    ///
    /// - Throws: as ``prepare(_:sharing:)``.
    package func checkTexts(of pair: PreferencePair, images: Int) throws(DamaError) {
        let image = TokenSequence.placeholders(vision?.tokenCounts.lowerBound ?? 0)
        _ = try layOut(pair, imageTokens: [[Int32]](repeating: image, count: vision == nil ? 0 : images))
    }

    /// The pair as one sequence, and which responses were cut.
    ///
    /// - Parameter imageTokens: the tokens of each image.
    private func layOut(_ pair: PreferencePair, imageTokens: [[Int32]]) throws(DamaError) -> (TokenSequence, [Bool]) {
        let encoded = try text.encode(
            pair.messages, responses: [pair.chosen, pair.rejected], imageTokens: imageTokens)
        let room = maximumLength - encoded.prompt.count
        var responses = encoded.responses
        var cuts = [false, false]
        for index in responses.indices where responses[index].count > room {
            let name = index == 0 ? "chosen" : "rejected"
            guard options.overlong == .cut, room > 0 else {
                throw .invalidArgument(
                    "prompt (\(encoded.prompt.count) tokens) and \(name) response (\(responses[index].count)) are longer "
                        + "than the maximum of \(maximumLength)")
            }
            responses[index].removeSubrange(room...)
            cuts[index] = true
        }
        return (try TokenSequence(prefix: encoded.prompt, responses: responses), cuts)
    }

    // MARK: Prompts

    /// Tokenises the prompt and decodes its images, as for a pair.
    ///
    /// - Throws: ``DamaError/Code/invalidArgument`` for a prompt that cannot be laid out, and for images that do not
    ///   fit the prompt or the model; ``DamaError/Code/shapeMismatch`` for a prompt that fills the model's positions;
    ///   the errors of ``ImageDecoder``.
    public func prepare(
        _ request: GenerationRequest, sharing images: PreparedImages = PreparedImages()
    ) throws(DamaError) -> PreparedPrompt {
        try checkPresence(of: request.images, in: "the prompt")
        return try prepare(checked: request, images)
    }

    /// As `prepare(_:sharing:)`, for a batch.
    ///
    /// - Throws: errors that name the prompt (`prompt 3: …`).
    public func prepare(
        _ requests: [GenerationRequest], run: RunOptions? = nil
    ) throws(DamaError) -> [PreparedPrompt] {
        try prepareAll(requests, "prompt", run, images: \.images) { request, images throws(DamaError) in
            try prepare(checked: request, images)
        }
    }

    private func prepare(
        checked request: GenerationRequest, _ memory: PreparedImages
    ) throws(DamaError) -> PreparedPrompt {
        let images = try prepare(request.images, memory)
        let tokens = try text.encode(request.messages, imageTokens: images.map(\.expansion))
        guard !tokens.isEmpty else { throw .invalidArgument("the prompt has no tokens") }
        guard tokens.count < decoder.maximumPositions else {
            throw .shapeMismatch(
                "the prompt has \(tokens.count) tokens; the model has \(decoder.maximumPositions) positions for prompt "
                    + "and continuation")
        }
        return PreparedPrompt(tokens: tokens, images: images)
    }

    // MARK: Batches and images

    private func prepareAll<Item, Prepared>(
        _ items: [Item], _ what: String, _ run: RunOptions?, images: (Item) -> [ImageSource],
        prepare: (Item, PreparedImages) throws(DamaError) -> Prepared
    ) throws(DamaError) -> [Prepared] {
        let memory = PreparedImages()
        var prepared: [Prepared] = []
        for (index, item) in items.enumerated() {
            try run?.check()
            try checkPresence(of: images(item), in: "\(what) \(index)")
            do {
                prepared.append(try prepare(item, memory))
            } catch {
                throw DamaError(error.code, "\(what) \(index): \(error.message)")
            }
        }
        return prepared
    }

    /// - Parameter name: the item's name in the message.
    private func checkPresence(of images: [ImageSource], in name: String) throws(DamaError) {
        guard images.isEmpty || vision != nil else {
            throw .invalidArgument("\(name) has an image, but \(directory) is a text-only model")
        }
        guard !images.isEmpty || vision == nil else {
            throw .invalidArgument("\(name) has no image, but the model takes one")
        }
    }

    private func prepare(_ images: [ImageSource], _ memory: PreparedImages) throws(DamaError) -> [PolicyImage] {
        guard let vision else { return [] }
        var prepared: [PolicyImage] = []
        for source in images {
            let image = try memory.image(source) { source throws(DamaError) in
                let image = try vision.prepare(source.decode(limits: options.imageLimits, options.imageDecoding))
                return (image, try vision.expansion(of: image))
            }
            prepared.append(image)
        }
        return prepared
    }
}
