import DamaRuntime
import DamaSupport

extension Policy {
    /// log π of both responses of every pair, in order.
    ///
    /// A call encodes images with the same path or the same bytes once. Pairs of similar length run together, in
    /// batches within the token budget. The pairs of a long list are prepared while the model computes those before
    /// them, and images are forgotten after their last use.
    ///
    /// - Throws: ``DamaError/Code/invalidArgument`` naming the first pair (`pair 3: …`) whose input is wrong.
    public func logProbabilities(
        _ pairs: [PreferencePair], run: RunOptions? = nil
    ) throws(DamaError) -> [PairLogProbabilities] {
        guard !pairs.isEmpty else { throw .invalidArgument("the batch is empty; expected at least one pair") }
        let stop = StopSignal()
        var chunks = try PairChunks(self, pairs) { () throws(DamaError) in
            try stop.check()
            try run?.check()
        }
        var uses = chunks.uses
        var features = ImageFeatures()
        var results: [PairLogProbabilities] = []
        func score(_ chunk: [PreparedPair]) throws(DamaError) {
            results += try logProbabilities(prepared: chunk, features: &features, run: run)
            features.remove(uses.finish(chunk.map(\.imageKeys)))
        }
        guard let first = try chunks.next() else { return [] }
        guard chunks.hasMore else {
            try score(first)
            return results
        }
        let rest = chunks
        let ahead = try ReadAhead { put throws(DamaError) in
            var rest = rest
            while let chunk = try rest.next() {
                guard put(chunk) else { return }
            }
        }
        defer {
            stop.stop()
            ahead.close()
        }
        try score(first)
        while let chunk = try ahead.next(waiting: { () throws(DamaError) in try run?.check() }) { try score(chunk) }
        return results
    }

    /// As ``logProbabilities(_:run:)``, for pairs that this policy prepared.
    public func logProbabilities(
        prepared pairs: [PreparedPair], run: RunOptions? = nil
    ) throws(DamaError) -> [PairLogProbabilities] {
        guard !pairs.isEmpty else { throw .invalidArgument("the batch is empty; expected at least one pair") }
        var uses = ImageUses(pairs.map(\.imageKeys))
        var features = ImageFeatures()
        var results: [PairLogProbabilities] = []
        var rest = pairs[...]
        while !rest.isEmpty {
            let chunk = Array(rest.prefix(PairChunks.length(of: rest, budget: options.tokenBudget) ?? rest.count))
            rest = rest.dropFirst(chunk.count)
            results += try logProbabilities(prepared: chunk, features: &features, run: run)
            features.remove(uses.finish(chunk.map(\.imageKeys)))
        }
        return results
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
        try encode(pairs.flatMap(\.images), &features, run: run)
        var rows: [DecoderRow] = []
        for pair in pairs { rows.append(DecoderRow(pair.sequence, features: try features.of(pair.images))) }
        return rows
    }

    /// Adds the features of images that are new.
    func encode(_ images: [PolicyImage], _ features: inout ImageFeatures, run: RunOptions?) throws(DamaError) {
        guard let vision else { return }
        try features.add(images) { images throws(DamaError) in try vision.features(images, options: run) }
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
