import DamaModels
import DamaPreference
import DamaRuntime
import DamaSupport

/// Scoring as a job over rows: Eqs. (4) to (6) for each pair. α_D needs δ̄, so it is computed after all rows.
struct ScoreTask: RowTask {
    private let preparation: ScorePreparation
    private let run: RunOptions?
    private var options: ScoreOptions { preparation.options }
    private var encoder: any ImageTextEncoder { preparation.encoder }
    private var imagesPerStep: Int { options.imagesPerStep ?? encoder.imagesPerStep }
    private var sentencesPerStep: Int { options.sentencesPerStep ?? encoder.sentencesPerStep }
    private var cache: EmbeddingCache { preparation.cache }
    /// The numbers of embeddings that this run computed and found in the cache.
    private(set) var counts = Counts()

    struct Counts {
        var imagesEmbedded = 0
        var imagesFound = 0
        var sentencesEmbedded = 0
        var sentencesFound = 0
    }

    /// - Parameter run: Lets another thread stop the model.
    init(preparation: ScorePreparation, run: RunOptions? = nil) {
        self.preparation = preparation
        self.run = run
    }

    var state: [UInt8] { cache.stateBytes }
    var root: ImageRoot { preparation.root }

    func makePreparer(stop: StopSignal) -> @Sendable ([RawRow], Workers) throws(DamaError) -> ScoreBlock {
        let preparation = preparation
        return { (rows, workers) throws(DamaError) in try preparation.block(rows, workers, stop) }
    }

    mutating func process(
        _ block: ScoreBlock, checkpoint: () throws(DamaError) -> Void
    ) throws(DamaError) -> [RowOutcome] {
        if block.start % options.partRows == 0 { cache.reset() }
        let images = try embedImages(of: block, checkpoint)
        let sentences = try embedSentences(of: block, images, checkpoint)
        var outcomes: [RowOutcome] = []
        outcomes.reserveCapacity(block.rows.count)
        for row in block.rows {
            switch row {
            case .rejected(let outcome): outcomes.append(outcome)
            case .pair(let pair): outcomes.append(try score(pair, images, sentences))
            }
        }
        return outcomes
    }

    func commit() throws(DamaError) { try cache.commit() }

    // MARK: Embedding

    /// The embeddings of the block's images, or the reason why an image has none.
    private mutating func embedImages(
        of block: ScoreBlock, _ checkpoint: () throws(DamaError) -> Void
    ) throws(DamaError) -> [ContentKey: Result<[Float], Rejection>] {
        var results: [ContentKey: Result<[Float], Rejection>] = [:]
        var missing: [(key: ContentKey, image: PreparedImage)] = []
        for case .pair(let pair) in block.rows where results[pair.image] == nil {
            if let found = cache.value(pair.image) {
                results[pair.image] = .success(found)
                counts.imagesFound += 1
                continue
            }
            var image = block.images[pair.image]
            // The embedding was cached when the image was read, and has been evicted since.
            if case .bytes(let bytes) = image { image = preparation.image(bytes) }
            switch image {
            case .prepared(let prepared):
                missing.append((pair.image, prepared))
                // A placeholder, so that the image is not added twice.
                results[pair.image] = .success([])
            case .broken(let rejection): results[pair.image] = .failure(rejection)
            case .bytes, nil: throw .internal("\(pair.imageName) was not prepared")
            }
        }
        for start in stride(from: 0, to: missing.count, by: imagesPerStep) {
            try checkpoint()
            let part = missing[start..<min(start + imagesPerStep, missing.count)]
            let vectors = try encoder.embed(images: part.map(\.image), run: run)
            try check(vectors, part.count)
            for (entry, vector) in zip(part, vectors) {
                results[entry.key] = .success(vector)
                cache.insert(entry.key, vector)
            }
        }
        counts.imagesEmbedded += missing.count
        return results
    }

    /// The embeddings of the sentences of all pairs whose image has an embedding.
    private mutating func embedSentences(
        of block: ScoreBlock, _ images: [ContentKey: Result<[Float], Rejection>],
        _ checkpoint: () throws(DamaError) -> Void
    ) throws(DamaError) -> [ContentKey: [Float]] {
        var results: [ContentKey: [Float]] = [:]
        var missing: [ScoreBlock.Sentence] = []
        for case .pair(let pair) in block.rows {
            guard case .success = images[pair.image] else { continue }
            for sentence in pair.chosen + pair.rejected where results[sentence.key] == nil {
                if let found = cache.value(sentence.key) {
                    results[sentence.key] = found
                    counts.sentencesFound += 1
                } else {
                    results[sentence.key] = []
                    missing.append(sentence)
                }
            }
        }
        for start in stride(from: 0, to: missing.count, by: sentencesPerStep) {
            try checkpoint()
            let part = missing[start..<min(start + sentencesPerStep, missing.count)]
            let vectors = try encoder.embed(texts: part.map(\.text), run: run)
            try check(vectors, part.count)
            for (sentence, vector) in zip(part, vectors) {
                results[sentence.key] = vector
                cache.insert(sentence.key, vector)
            }
        }
        counts.sentencesEmbedded += missing.count
        return results
    }

    private func check(_ vectors: [[Float]], _ count: Int) throws(DamaError) {
        guard vectors.count == count, vectors.allSatisfy({ $0.count == encoder.dimension }) else {
            throw .internal(
                "the model returned \(vectors.count) embeddings for \(count) inputs, or embeddings of the wrong length")
        }
    }

    // MARK: Scoring

    private func score(
        _ pair: ScoreBlock.Pair, _ images: [ContentKey: Result<[Float], Rejection>], _ sentences: [ContentKey: [Float]]
    ) throws(DamaError) -> RowOutcome {
        guard let result = images[pair.image] else { throw .internal("\(pair.imageName) was not embedded") }
        switch result {
        case .failure(let rejection):
            let named = Rejection(rejection.kind, "\(pair.imageName): \(rejection.reason)")
            return .rejected(pair.row, id: pair.id, named)
        case .success(let image):
            func embedded(_ list: [ScoreBlock.Sentence]) -> [PairHardness.Embedded] {
                list.map { ($0.text, sentences[$0.key] ?? []) }
            }
            do throws(DamaError) {
                let hardness = try PairHardness(
                    image: image, chosen: embedded(pair.chosen), rejected: embedded(pair.rejected),
                    scale: encoder.logitScale, deltaSource: options.deltaSource)
                return .done(ScoredRow(id: pair.id, hardness: hardness, flags: pair.flags).encoded())
            } catch {
                guard error.code == .invalidArgument else { throw error }
                return .rejected(pair.row, id: pair.id, Rejection(.noHardness, error.message))
            }
        }
    }
}
