import DamaGraph
import DamaRuntime
import DamaSupport

extension LlamaDecoder {
    /// Whether the host computes log-probabilities from the logits. Another device's logits stay on the device.
    package var scoresOnHost: Bool { device == .cpu }

    /// log π of every response token of each row, one response after the other.
    ///
    /// All rows run as one batch, padded to the longest.
    package func logProbabilities(_ rows: [DecoderRow], options: RunOptions? = nil) throws(DamaError) -> [[Float]] {
        guard !rows.isEmpty else { throw .invalidArgument("the batch is empty; expected at least one sequence") }
        var inputs = try wholeInputs(rows)
        let targets = rows.flatMap { $0.sequence.targets.map(Int64.init) }
        guard targets.allSatisfy({ (0..<Int64(configuration.vocabularySize)).contains($0) }) else {
            throw .invalidArgument(
                "a response contains a token outside the model's vocabulary of \(configuration.vocabularySize)")
        }
        let flat: [Float]
        if scoresOnHost {
            let logits = try session(.logits).run(inputs, outputs: [LlamaGraph.Port.logits], options: options)[0]
            flat = try TokenLogits(logits, targets: targets).logProbabilities
        } else {
            inputs[LlamaGraph.Port.targets] = try TensorValue(runtime, targets, shape: [targets.count])
            flat = try session(.logProbabilities).run(
                inputs, outputs: [LlamaGraph.Port.logProbabilities], options: options)[0].array()
        }
        var start = 0
        return rows.map { row in
            let count = row.sequence.targets.count
            defer { start += count }
            return Array(flat[start..<start + count])
        }
    }

    /// The logits of the rows that predict response tokens, [response tokens of all rows, vocabulary].
    package func logits(_ rows: [DecoderRow], options: RunOptions? = nil) throws(DamaError) -> TensorValue {
        guard !rows.isEmpty else { throw .invalidArgument("the batch is empty; expected at least one sequence") }
        return try session(.logits).run(
            wholeInputs(rows), outputs: [LlamaGraph.Port.logits], options: options)[0]
    }

    /// The inputs of a scoring session, without targets. On a device it makes embeddings and masks itself, so that a
    /// call is one run.
    private func wholeInputs(_ rows: [DecoderRow]) throws(DamaError) -> [String: TensorValue] {
        device == .cpu ? try scoringInputs(rows) : try integerInputs(rows)
    }

    /// The inputs of a scoring graph for `rows`, without targets. Padded to the longest row, and at least to the
    /// shortest length that the graph's attention can divide into blocks.
    package func scoringInputs(
        _ rows: [DecoderRow], table: EmbeddingTable? = nil
    ) throws(DamaError) -> [String: TensorValue] {
        let host: FloatMemory?
        switch table {
        case .device(let table): return try deviceInputs(rows, table: table)
        case .host(let table): host = table
        case nil:
            if device != .cpu { return try deviceInputs(rows, table: nil) }
            host = nil
        }
        typealias Port = LlamaGraph.Port
        let (batch, hidden) = (rows.count, configuration.hiddenSize)
        let length = Self.paddedLength(rows.map(\.sequence.count).max() ?? 0, onHost: true)
        let embeddings = try TensorValue(runtime, allocating: .float32, shape: [batch, length, hidden])
        var positions: [Int64] = []
        var predicting: [Int64] = []
        for (index, row) in rows.enumerated() {
            let count = row.sequence.count
            try embeddings.withMutableElements(of: Float.self) { all throws(DamaError) in
                let own = UnsafeMutableBufferPointer(
                    rebasing: all[index * length * hidden..<(index + 1) * length * hidden])
                try embed(
                    row.sequence.tokens, features: row.features, table: host,
                    into: UnsafeMutableBufferPointer(rebasing: own[..<(count * hidden)]))
                // Padding is computed too, so it must hold finite numbers.
                UnsafeMutableBufferPointer(rebasing: own[(count * hidden)...]).update(repeating: 0)
            }
            positions += row.sequence.positions.map(Int64.init) + [Int64](repeating: 0, count: length - count)
            predicting += row.sequence.predictingRows.map { Int64(index * length) + Int64($0) }
        }
        let (cosine, sine) = try rotaryTables(length)
        var inputs = [
            Port.embeddings: embeddings,
            Port.positions: try TensorValue(runtime, positions, shape: [batch, length]),
            Port.cosine: cosine, Port.sine: sine,
            Port.rows: try TensorValue(runtime, predicting, shape: [predicting.count]),
        ]
        for (name, window) in graphs.masks { inputs[name] = try mask(rows, length, window) }
        return inputs
    }

    /// The attention masks of `rows`, [batch, 1, length, length].
    private func mask(_ rows: [DecoderRow], _ length: Int, _ window: Int?) throws(DamaError) -> TensorValue {
        let mask = try TensorValue(runtime, allocating: .float32, shape: [rows.count, 1, length, length])
        try mask.withMutableElements(of: Float.self) { all in
            for (index, row) in rows.enumerated() {
                row.sequence.writeMask(
                    into: UnsafeMutableBufferPointer(
                        rebasing: all[index * length * length..<(index + 1) * length * length]),
                    length: length, window: window, blocked: LlamaDecoder.blocked)
            }
        }
        return mask
    }

    /// The summand for the score of a masked key: far below any score, but finite, so that −∞ − (−∞) never occurs.
    static let blocked: Float = -1e9

    /// The rotary tables of positions 0 ..< length, on the decoder's device. They are the first rows of the longest
    /// tables so far.
    func rotaryTables(_ length: Int) throws(DamaError) -> (cosine: TensorValue, sine: TensorValue) {
        var tables = rotary.withLock { $0 }
        if tables.map({ $0.length < length }) ?? true {
            tables = try makeRotaryTables(max(length, 2 * (tables?.length ?? 0)))
            rotary.withLock { [tables] in $0 = tables }
        }
        guard let tables else { throw .internal("there are no rotary tables") }
        return (try tables.cosine.part(0..<length), try tables.sine.part(0..<length))
    }

    private func makeRotaryTables(_ length: Int) throws(DamaError) -> RotaryTables {
        try Allocation.check(length, of: 8 * configuration.headSize, for: "the rotary tables of \(length) positions")
        let table = configuration.rotary.table(
            positions: (0..<length).map(Int32.init), headSize: configuration.headSize)
        let shape = [length, configuration.headSize / 2]
        func placed(_ numbers: [Float]) throws(DamaError) -> TensorValue {
            let tensor = try TensorValue(runtime, numbers, shape: shape)
            return device == .cpu ? tensor : try tensor.on(runtime.backend(device))
        }
        return RotaryTables(length: length, cosine: try placed(table.cos), sine: try placed(table.sin))
    }
}
