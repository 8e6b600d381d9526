import DamaRuntime
import DamaSupport

extension Policy {
    /// log π of both responses of every pair, in order.
    ///
    /// A call encodes images with the same path or the same bytes once. Pairs of similar length run together, in
    /// batches within the token budget.
    ///
    /// - Throws: ``DamaError/Code/invalidArgument`` naming the pair (`pair 3: …`) whose input is wrong.
    public func logProbabilities(
        _ pairs: [PreferencePair], run: RunOptions? = nil
    ) throws(DamaError) -> [PairLogProbabilities] {
        try logProbabilities(prepared: prepare(pairs, run: run), run: run)
    }

    /// As ``logProbabilities(_:run:)``, for pairs that this policy prepared.
    public func logProbabilities(
        prepared pairs: [PreparedPair], run: RunOptions? = nil
    ) throws(DamaError) -> [PairLogProbabilities] {
        var features = ImageFeatures()
        return try logProbabilities(prepared: pairs, features: &features, run: run)
    }

    /// - Parameter features: image features of the batch that this policy already computed; new ones are added.
    package func logProbabilities(
        prepared pairs: [PreparedPair], features: inout ImageFeatures, run: RunOptions?
    ) throws(DamaError) -> [PairLogProbabilities] {
        guard !pairs.isEmpty else { throw .invalidArgument("the batch is empty; expected at least one pair") }
        let rows = try decoderRows(pairs, &features, run: run)
        return zip(pairs, try score(rows, run: run)).map { pair, values in pair.split(values) }
    }

    /// Pairs with the features of their images. Each image is encoded once.
    package func decoderRows(
        _ pairs: [PreparedPair], _ features: inout ImageFeatures, run: RunOptions?
    ) throws(DamaError) -> [DecoderRow] {
        var rows: [DecoderRow] = []
        for pair in pairs {
            rows.append(DecoderRow(pair.sequence, features: try encode(pair.images, &features, run: run)))
        }
        return rows
    }

    /// The features of an item's images, concatenated; empty without images.
    func encode(
        _ images: [PolicyImage], _ features: inout ImageFeatures, run: RunOptions?
    ) throws(DamaError) -> [Float] {
        guard let vision, !images.isEmpty else { return [] }
        return try features.of(images) { image throws(DamaError) in
            guard let found = try vision.features([image], options: run).first else {
                throw .internal("the vision part returned no features")
            }
            return found
        }
    }

    /// Token log-probabilities of any number of rows, in batches of similar lengths.
    private func score(_ rows: [DecoderRow], run: RunOptions?) throws(DamaError) -> [[Float]] {
        var results = [[Float]](repeating: [], count: rows.count)
        // Without sharing, each response becomes a row of its own; the results are concatenated again.
        var pieces: [(owner: Int, row: DecoderRow)] = []
        for (index, row) in rows.enumerated() {
            guard !(options.sharesPrefix && decoder.packsResponses) else {
                pieces.append((index, row))
                continue
            }
            let sequence = row.sequence
            for response in sequence.responses {
                let own = try TokenSequence(
                    prefix: Array(sequence.tokens[..<sequence.prefixLength]),
                    responses: [Array(sequence.tokens[response.range])])
                pieces.append((index, DecoderRow(own, features: row.features)))
            }
        }
        var found = [[Float]](repeating: [], count: pieces.count)
        for batch in LengthBatches.plan(pieces.map(\.row.sequence.count), budget: options.tokenBudget) {
            let values = try decoder.logProbabilities(batch.map { pieces[$0].row }, options: run)
            for (piece, values) in zip(batch, values) { found[piece] = values }
        }
        for (piece, values) in zip(pieces, found) { results[piece.owner] += values }
        return results
    }
}
