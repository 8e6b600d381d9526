import DamaGraph
import DamaModels
import DamaRuntime
import DamaSupport

extension TrainedPolicy {
    /// Computes the gradients of Σ chosen · log π(y_w) + rejected · log π(y_l) into the parameters' gradients.
    ///
    /// A pass for ``PassUse/once`` is used up, even if this function throws. If it throws, the gradients may be
    /// incomplete.
    ///
    /// - Parameters:
    ///   - chosen: ∂L/∂log π(y_w) of each pair of the pass, for the sum over the response's tokens.
    ///   - rejected: ∂L/∂log π(y_l).
    /// - Throws: ``DamaError/Code/shapeMismatch`` if the number of gradients is not the number of pairs;
    ///   ``DamaError/Code/invalidArgument`` for a pass that is used up.
    public func backward(
        _ pass: ForwardPass, chosen: [Double], rejected: [Double], _ update: GradientUpdate = .add,
        run: RunOptions? = nil
    ) throws(DamaError) {
        let count = pass.logProbabilities.count
        guard chosen.count == count, rejected.count == count else {
            throw .shapeMismatch("\(chosen.count) and \(rejected.count) gradients for \(count) pairs")
        }
        let content = try pass.take()
        let parts = try weightedParts(content, chosen: chosen, rejected: rejected)
        // Only a single part replaces gradients: for several parts this would need a second session, and more memory.
        let own: GradientUpdate = parts.count == 1 ? update : .add
        if update == .replace, parts.count != 1 { try clearGradients() }
        for (part, range) in parts {
            try flowBack(
                through: part, chosen: chosen[range], rejected: rejected[range], own, isOver: pass.use == .once,
                run: run)
        }
    }

    // MARK: Parts

    /// The parts of a pass that contain its weighted pairs. A masked pair has no gradient and is skipped, unless it
    /// lies between others and skipping it would cost more.
    private func weightedParts(
        _ whole: ForwardPass.Content, chosen: [Double], rejected: [Double]
    ) throws(DamaError) -> [(part: ForwardPass.Content, range: Range<Int>)] {
        var ranges: [Range<Int>] = []
        for index in whole.pairs.indices where chosen[index] != 0 || rejected[index] != 0 {
            if let last = ranges.last, (index - last.upperBound) * whole.length <= LengthBatches.overhead {
                ranges[ranges.count - 1] = last.lowerBound..<index + 1
            } else {
                ranges.append(index..<index + 1)
            }
        }
        var parts: [(part: ForwardPass.Content, range: Range<Int>)] = []
        for range in ranges {
            guard let part = try part(whole, range) else { return [(whole, whole.pairs.indices)] }
            parts.append((part, range))
        }
        return parts
    }

    /// The pass for some of its pairs, in the same memory; `nil` if the pass cannot be divided.
    private func part(
        _ whole: ForwardPass.Content, _ range: Range<Int>
    ) throws(DamaError) -> ForwardPass.Content? {
        if range == whole.pairs.indices { return whole }
        let pairs = Array(whole.pairs[range])
        let start = whole.pairs[..<range.lowerBound].reduce(0) { $0 + $1.sequence.targets.count }
        let rows = start..<pairs.reduce(start) { $0 + $1.sequence.targets.count }
        guard
            let decoded = try decoderModel.part(
                whole.decoder, [TrainingAxis.pairs: range, TrainingAxis.rows: rows],
                inputs: decoder.rowInputs(pairs.map(\.sequence), length: whole.length))
        else { return nil }
        var part = ForwardPass.Content(
            pairs: pairs, decoder: decoded, length: whole.length, logits: try whole.logits?.part(rows), vision: nil)
        if let vision, let seen = whole.vision {
            let first = whole.pairs[..<range.lowerBound].reduce(0) { $0 + $1.images.count }
            let own = first..<pairs.reduce(first) { $0 + $1.images.count }
            let images = whole.pairs.flatMap(\.images).map(\.prepared)
            guard
                let divided = try vision.model.part(
                    seen.pass, vision.encoder.axes(of: own, in: images),
                    inputs: vision.encoder.rowInputs(Array(images[own])))
            else { return nil }
            part.vision = (divided, seen.shape)
        }
        return part
    }

    // MARK: Backward through a part

    /// - Parameter isOver: the logits are no longer needed; their gradient overwrites them.
    private func flowBack(
        through part: ForwardPass.Content, chosen: ArraySlice<Double>, rejected: ArraySlice<Double>,
        _ update: GradientUpdate, isOver: Bool, run: RunOptions?
    ) throws(DamaError) {
        var weights: [Float] = []
        for (pair, gradients) in zip(part.pairs, zip(chosen, rejected)) {
            for (response, weight) in zip(pair.sequence.responses, [gradients.0, gradients.1]) {
                weights += [Float](repeating: Float(weight * lossScale), count: response.range.count)
            }
        }
        let seed: TensorValue
        if let logits = part.logits {
            seed = try logits.gradient(weights, inPlace: isOver)
        } else {
            seed = try TensorValue(decoder.runtime, weights, shape: [weights.count])
        }
        let gradients = try decoderModel.backward(part.decoder, seeds: [seed], update, run: run)
        if update == .replace, !selection.isTableInGraph { try selection.table?.clearGradient() }
        guard let embeddings = gradients[decoder.embeddingInput] else { return }
        try addTableGradient(embeddings, of: part)
        guard let vision, let seen = part.vision else { return }
        let seeds = try imageGradient(embeddings, of: part)
        // The outermost axis of a part has its own length.
        let inner = Array(seen.shape.dropFirst())
        let shape = [seeds.count / max(1, inner.reduce(1, *))] + inner
        _ = try vision.model.backward(seen.pass, seeds: [seeds.reshaped(shape)], update, run: run)
    }

    /// Adds the gradients of the embeddings to the table's gradient, if the table is trained.
    private func addTableGradient(_ embeddings: TensorValue, of part: ForwardPass.Content) throws(DamaError) {
        guard let table = selection.table else { return }
        let places = places(of: part)
        if case .device(let numbers) = table.home { return try numbers.addRows(of: embeddings, at: places.tokens) }
        let width = decoder.hiddenSize
        try embeddings.onHost().withElements(of: Float.self) { all throws(DamaError) in
            var tokens: [Int64] = []
            var rows: [Float] = []
            for (token, own) in places.tokens.sorted(by: { $0.key < $1.key }) {
                for place in own {
                    tokens.append(Int64(token))
                    rows += all[Int(place) * width..<(Int(place) + 1) * width]
                }
            }
            try rows.withUnsafeBufferPointer { rows throws(DamaError) in
                try tokens.withUnsafeBufferPointer { tokens throws(DamaError) in
                    try RowGradients.add(rows, at: tokens, to: table.gradient.elements, width: width)
                }
            }
        }
    }

    /// The gradients of image features in the order of the images, [rows, hidden], where the model runs.
    private func imageGradient(
        _ embeddings: TensorValue, of part: ForwardPass.Content
    ) throws(DamaError) -> TensorValue {
        let (places, width) = (places(of: part).images, decoder.hiddenSize)
        if let place, !place.isHost, let rows = try place.rows(places, of: embeddings, width: width) { return rows }
        var rows: [Float] = []
        rows.reserveCapacity(places.count * width)
        try embeddings.onHost().withElements(of: Float.self) { all in
            for place in places { rows += all[Int(place) * width..<(Int(place) + 1) * width] }
        }
        return try TensorValue(decoder.runtime, rows, shape: [places.count, width])
    }

    /// The rows of the embeddings' gradient, [pairs · length], that belong to each token, and those of images.
    private func places(of part: ForwardPass.Content) -> (tokens: [Int32: [Int64]], images: [Int64]) {
        var (tokens, images): ([Int32: [Int64]], [Int64]) = ([:], [])
        for (index, pair) in part.pairs.enumerated() {
            for (position, token) in pair.sequence.tokens.enumerated() {
                let place = Int64(index * part.length + position)
                if token == TokenSequence.imagePlaceholder {
                    images.append(place)
                } else {
                    tokens[token, default: []].append(place)
                }
            }
        }
        return (tokens, images)
    }
}
