import DamaImage
import DamaModels
import DamaPreference
import DamaRuntime
import DamaSupport
import DamaText

extension Scorer {
    /// An image and two responses about it.
    public struct ResponsePair: Sendable {
        public var image: Image
        public var chosen: String
        public var rejected: String

        public init(image: Image, chosen: String, rejected: String) {
            self.image = image
            self.chosen = chosen
            self.rejected = rejected
        }
    }

    /// δ of many pairs, as a scoring job computes it: images are decoded and responses are split on several threads, and
    /// the model runs on several images and on all different sub-sentences of a block at once.
    ///
    /// ```swift
    /// for result in try scorer.hardness(of: pairs) { print(try result.get().hardness.delta) }
    /// ```
    ///
    /// The results are those of ``ScoreJob`` without a cache, to the last bit, if images are given once each or as the
    /// same path or bytes. A bad pair, such as one with a damaged image, has an error and does not affect the others.
    /// Memory does not grow with the number of pairs.
    ///
    /// - Parameters:
    ///   - pairs: Images with two responses each.
    ///   - deltaSource: How δ is computed from the scores.
    ///   - splitter: Cuts responses into sub-sentences of at most ``DualEncoder/tokenLimit`` tokens.
    ///   - blockPairs: Pairs that are computed together; the last bits may depend on it. A job's `block_rows`.
    ///   - workers: Threads for decoding and splitting; 0 for as many as there are processors, at most 8 if the model
    ///     runs on them.
    ///   - stop: Checked between pairs, and by the splitter while it waits.
    ///   - run: Stops a run of this model.
    /// - Throws: ``DamaError/cancelled`` once `stop` or `run` requests it; an error that is no fault of a pair, such as
    ///   one of a splitter's server.
    public func hardness(
        of pairs: [ResponsePair], deltaSource: Hardness.DeltaSource = .probabilities,
        splitter: any ResponseSplitter = NamedSplitter.builtIn, blockPairs: Int = 32, workers: Int = 0,
        stop: StopSignal = StopSignal(), run: RunOptions? = nil
    ) throws(DamaError) -> [Result<SplitHardness, DamaError>] {
        guard blockPairs > 0 else { throw .invalidArgument("block_pairs is \(blockPairs); expected 1 or more") }
        let block = PairBlock(
            scorer: self, splitter: splitter, deltaSource: deltaSource,
            workers: Workers(count: workers > 0 ? workers : encoder.preparationThreads), stop: stop, run: run)
        var found: [Result<SplitHardness, DamaError>] = []
        found.reserveCapacity(pairs.count)
        for start in stride(from: 0, to: pairs.count, by: blockPairs) {
            found += try block.hardness(Array(pairs[start..<min(start + blockPairs, pairs.count)]))
        }
        return found
    }
}

/// Computes pairs together.
private struct PairBlock {
    let scorer: Scorer
    let splitter: any ResponseSplitter
    let deltaSource: Hardness.DeltaSource
    let workers: Workers
    let stop: StopSignal
    let run: RunOptions?

    private typealias Outcome<Value> = Result<Value, DamaError>
    private typealias Parts = (chosen: SplitResponse, rejected: SplitResponse)

    func hardness(_ pairs: [Scorer.ResponsePair]) throws(DamaError) -> [Result<Scorer.SplitHardness, DamaError>] {
        let parts = try split(pairs)
        let keys = pairs.map { Self.key(of: $0.image) }
        let images = try embedImages(pairs, keys, parts)
        var texts: [String] = []
        var known: [ContentKey: Int] = [:]
        for (key, parts) in zip(keys, parts) {
            guard case .success(let parts) = parts, case .success = images[key] else { continue }
            for text in parts.chosen.subSentences + parts.rejected.subSentences {
                let key = ContentKey(sentence: text)
                guard known[key] == nil else { continue }
                known[key] = texts.count
                texts.append(text)
            }
        }
        var vectors: [[Float]] = []
        let step = scorer.encoder.sentencesPerStep
        for start in stride(from: 0, to: texts.count, by: step) {
            try check()
            vectors += try scorer.encoder.embed(texts: Array(texts[start..<min(start + step, texts.count)]), run: run)
        }
        func embedded(_ sentences: [String]) throws(DamaError) -> [PairHardness.Embedded] {
            var found: [PairHardness.Embedded] = []
            for text in sentences {
                guard let index = known[ContentKey(sentence: text)], vectors.indices.contains(index) else {
                    throw .internal("a sub-sentence was not embedded")
                }
                found.append((text, vectors[index]))
            }
            return found
        }
        var results: [Outcome<Scorer.SplitHardness>] = []
        for (key, parts) in zip(keys, parts) {
            results.append(
                try outcome { () throws(DamaError) in
                    let parts = try parts.get()
                    guard let image = images[key] else { throw .internal("an image was not embedded") }
                    let hardness = try PairHardness(
                        image: image.get(), chosen: embedded(parts.chosen.subSentences),
                        rejected: embedded(parts.rejected.subSentences), scale: scorer.logitScale,
                        deltaSource: deltaSource)
                    return Scorer.SplitHardness(
                        hardness: hardness, chosenFlags: parts.chosen.flags, rejectedFlags: parts.rejected.flags)
                })
        }
        return results
    }

    // MARK: Parts

    private func split(_ pairs: [Scorer.ResponsePair]) throws(DamaError) -> [Outcome<Parts>] {
        let (scorer, splitter, stop) = (scorer, splitter, stop)
        return try workers.map(pairs) { pair throws(DamaError) in
            try stop.check()
            return try outcome { () throws(DamaError) in
                (
                    try scorer.split(pair.chosen, "chosen", splitter, stop),
                    try scorer.split(pair.rejected, "rejected", splitter, stop)
                )
            }
        }
    }

    /// The embeddings of the images of pairs that could be split, each image once.
    private func embedImages(
        _ pairs: [Scorer.ResponsePair], _ keys: [ContentKey], _ parts: [Outcome<Parts>]
    ) throws(DamaError) -> [ContentKey: Outcome<[Float]>] {
        var sources: [(key: ContentKey, image: Scorer.Image)] = []
        var seen = Set<ContentKey>()
        for ((key, pair), parts) in zip(zip(keys, pairs), parts) {
            if case .success = parts, seen.insert(key).inserted { sources.append((key, pair.image)) }
        }
        let (encoder, stop) = (scorer.encoder, stop)
        let prepared = try workers.map(sources) { source throws(DamaError) in
            try stop.check()
            return try outcome { () throws(DamaError) in try encoder.prepare(source.image) }
        }
        var results: [ContentKey: Outcome<[Float]>] = [:]
        var ready: [(key: ContentKey, image: PreparedImage)] = []
        for (source, image) in zip(sources, prepared) {
            switch image {
            case .success(let image): ready.append((source.key, image))
            case .failure(let error): results[source.key] = .failure(error)
            }
        }
        for start in stride(from: 0, to: ready.count, by: encoder.imagesPerStep) {
            try check()
            let step = ready[start..<min(start + encoder.imagesPerStep, ready.count)]
            for (entry, vector) in zip(step, try encoder.embed(images: step.map(\.image), run: run)) {
                results[entry.key] = .success(vector)
            }
        }
        return results
    }

    private static func key(of image: Scorer.Image) -> ContentKey {
        switch image {
        case .path(let path): ContentKey(sentence: path)
        case .bytes(let bytes): ContentKey(image: bytes)
        case .pixels(let image): ContentKey(image: Array("\(image.width) ".utf8) + image.pixels)
        }
    }

    private func check() throws(DamaError) {
        try stop.check()
        try run?.check()
    }
}

/// The value of `body`, or its error if that is a fault of the pair.
private func outcome<Value>(
    _ body: () throws(DamaError) -> Value
) throws(DamaError) -> Result<Value, DamaError> {
    do throws(DamaError) {
        return .success(try body())
    } catch {
        guard [.cancelled, .internal].contains(error.code) else { return .failure(error) }
        throw error
    }
}
