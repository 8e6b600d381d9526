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
        try prepare(pair, keys: nil, sharing: images)
    }

    private func prepare(
        _ pair: PreferencePair, keys: [ImageKey]?, sharing images: PreparedImages
    ) throws(DamaError) -> PreparedPair {
        try checkPresence(of: pair.images, in: "the pair")
        let images = try prepare(pair.images, keys: keys, images)
        let (sequence, cuts) = try layOut(pair, imageTokens: images.map(\.expansion))
        return PreparedPair(sequence: sequence, images: images, cuts: cuts)
    }

    /// As `prepare(_:sharing:)`, for a batch, on the threads of the runtime.
    ///
    /// - Throws: errors that name the pair (`pair 3: …`), the first one that is wrong.
    public func prepare(_ pairs: [PreferencePair], run: RunOptions? = nil) throws(DamaError) -> [PreparedPair] {
        try prepare(pairs) { () throws(DamaError) in try run?.check() }
    }

    /// - Parameter checkpoint: called before each pair, on several threads; an error that it throws ends the
    ///   preparation.
    package func prepare(
        _ pairs: [PreferencePair], checkpoint: @Sendable () throws(DamaError) -> Void
    ) throws(DamaError) -> [PreparedPair] {
        guard !pairs.isEmpty else { throw .invalidArgument("the batch is empty; expected at least one pair") }
        let images = PreparedImages()
        return try prepareAll(pairs.indices, "pair", checkpoint) { index throws(DamaError) in
            try prepare(pairs[index], keys: nil, sharing: images)
        }
    }

    /// Prepares some pairs of a list.
    ///
    /// - Parameter keys: those of the images of each pair.
    func prepare(
        _ part: Range<Int>, of pairs: [PreferencePair], keys: [[ImageKey]], sharing images: PreparedImages,
        _ checkpoint: @Sendable () throws(DamaError) -> Void
    ) throws(DamaError) -> [PreparedPair] {
        try prepareAll(part, "pair", checkpoint) { index throws(DamaError) in
            try prepare(pairs[index], keys: keys[index], sharing: images)
        }
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
            pair.messages, responses: [pair.chosen, pair.rejected], imageTokens: imageTokens,
            threads: decoder.runtime.threads)
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
        let images = try prepare(request.images, keys: nil, images)
        let tokens = try text.encode(request.messages, imageTokens: images.map(\.expansion))
        guard !tokens.isEmpty else { throw .invalidArgument("the prompt has no tokens") }
        guard tokens.count < decoder.maximumPositions else {
            throw .shapeMismatch(
                "the prompt has \(tokens.count) tokens; the model has \(decoder.maximumPositions) positions for prompt "
                    + "and continuation")
        }
        return PreparedPrompt(tokens: tokens, images: images)
    }

    /// As `prepare(_:sharing:)`, for a batch, on the threads of the runtime.
    ///
    /// - Throws: errors that name the prompt (`prompt 3: …`), the first one that is wrong.
    public func prepare(
        _ requests: [GenerationRequest], run: RunOptions? = nil
    ) throws(DamaError) -> [PreparedPrompt] {
        let images = PreparedImages()
        return try prepareAll(requests.indices, "prompt", { () throws(DamaError) in try run?.check() }) {
            index throws(DamaError) in try prepare(requests[index], sharing: images)
        }
    }

    // MARK: Batches and images

    private func prepareAll<Prepared: Sendable>(
        _ items: Range<Int>, _ what: String, _ checkpoint: @Sendable () throws(DamaError) -> Void,
        prepare: @Sendable (Int) throws(DamaError) -> Prepared
    ) throws(DamaError) -> [Prepared] {
        try Concurrent.map(items.count, threads: decoder.runtime.threads) { place throws(DamaError) in
            let index = items.lowerBound + place
            try checkpoint()
            do throws(DamaError) {
                return try prepare(index)
            } catch {
                throw DamaError(error.code, "\(what) \(index): \(error.message)")
            }
        }
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

    /// - Parameter keys: those of the images, if they are known.
    private func prepare(
        _ images: [ImageSource], keys: [ImageKey]?, _ memory: PreparedImages
    ) throws(DamaError) -> [PolicyImage] {
        guard let vision else { return [] }
        return try Concurrent.map(images.count, threads: decoder.runtime.threads) { index throws(DamaError) in
            try memory.image(images[index], keys?[index]) { source throws(DamaError) in
                let image = try vision.prepare(source.decode(limits: options.imageLimits, options.imageDecoding))
                return (image, try vision.expansion(of: image))
            }
        }
    }
}
