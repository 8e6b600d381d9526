import DamaModels
import DamaRuntime
import DamaSupport

extension TrainedPolicy {
    /// log π of every response, without dropout. Keeps everything that ``backward(_:chosen:rejected:_:run:)`` needs.
    ///
    /// - Parameters:
    ///   - pairs: pairs prepared by ``base``.
    ///   - use: how often the backward run uses the pass.
    public func forward(
        _ pairs: [PreparedPair], use: PassUse = .once, run: RunOptions? = nil
    ) throws(DamaError) -> ForwardPass {
        var features = ImageFeatures()
        var dropout: Dropout?
        return try forward(pairs, features: &features, dropout: &dropout, use: use, run: run)
    }

    /// - Parameters:
    ///   - features: image features of the batch that the base already computed. They are used if the vision part is not
    ///     trained.
    ///   - dropout: the dropout of the adapters; `nil` for none.
    func forward(
        _ pairs: [PreparedPair], features: inout ImageFeatures, dropout: inout Dropout?, use: PassUse, run: RunOptions?
    ) throws(DamaError) -> ForwardPass {
        guard !pairs.isEmpty else { throw .invalidArgument("the batch is empty; expected at least one pair") }
        var seen: (pass: DifferentiableModel.Pass, shape: [Int])?
        let rows: [DecoderRow]
        if let vision {
            let pass: DifferentiableModel.Pass
            (rows, pass) = try encode(pairs, vision.encoder, vision.model, run: run)
            seen = (pass, pass.outputs[vision.encoder.trainingOutput]?.shape ?? [])
        } else {
            rows = try base.decoderRows(pairs, &features, run: run)
        }
        var inputs = try decoder.trainingInputs(rows, table: selection.table?.embeddings())
        inputs.merge(try dropoutInputs(&dropout, inputs)) { $1 }
        guard let length = inputs[decoder.embeddingInput]?.shape[1] else { throw .internal("the decoder has no input") }
        let pass = try decoderModel.forward(inputs, run: run)
        guard let output = pass.outputs[decoder.trainingOutput] else { throw .internal("no log-probabilities") }
        var logits: TokenLogits?
        let flat: [Float]
        if decoder.scoresOnHost {
            let found = try TokenLogits(output, targets: pairs.flatMap { $0.sequence.targets.map(Int64.init) })
            logits = found
            flat = found.logProbabilities
        } else {
            flat = try output.array()
        }
        var start = 0
        let found = pairs.map { pair in
            defer { start += pair.sequence.targets.count }
            return pair.split(Array(flat[start..<start + pair.sequence.targets.count]))
        }
        return ForwardPass(
            .init(pairs: pairs, decoder: pass, length: length, logits: logits, vision: seen), logProbabilities: found,
            use: use)
    }

    /// Pairs with the image features of the trained vision part.
    private func encode(
        _ pairs: [PreparedPair], _ encoder: any TrainableImageEncoder, _ model: DifferentiableModel, run: RunOptions?
    ) throws(DamaError) -> (rows: [DecoderRow], pass: DifferentiableModel.Pass) {
        let images = pairs.flatMap(\.images).map(\.prepared)
        let pass = try model.forward(encoder.trainingInputs(images), run: run)
        guard let output = pass.outputs[encoder.trainingOutput] else { throw .internal("no image features") }
        // [all rows, hidden]
        let width = max(1, decoder.hiddenSize)
        let all = try output.reshaped([output.count / width, width])
        var rows: [DecoderRow] = []
        var start = 0
        for pair in pairs {
            let count = pair.images.reduce(0) { $0 + $1.featureCount }
            guard start + count <= all.shape[0] else {
                throw .internal("the vision part returned \(all.shape[0]) rows, too few for its image tokens")
            }
            rows.append(DecoderRow(pair.sequence, features: FeatureRows([try all.part(start..<start + count)])))
            start += count
        }
        return (rows, pass)
    }
}
