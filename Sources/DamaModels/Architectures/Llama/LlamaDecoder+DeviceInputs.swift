import DamaGraph
import DamaRuntime
import DamaSupport

extension LlamaDecoder {
    /// Inputs of the scoring graph that ``deviceInputs(_:table:)`` leaves on the device.
    package var residentInputs: Set<String> {
        device == .cpu ? [] : Self.residentInputs(graphs)
    }

    static func residentInputs(_ graphs: LlamaGraph) -> Set<String> {
        Set([LlamaGraph.Port.embeddings] + graphs.masks.map(\.name))
    }

    /// Sequences are padded to a multiple of this number: matrix products of other lengths take slow kernels.
    private static let lengthStep = 8

    /// The length to which sequences of at most `count` tokens are padded: at least the shortest that the graph's
    /// attention can divide into blocks.
    static func paddedLength(_ count: Int, onHost: Bool) -> Int {
        let longest = max(GraphBuilder.leastCausalLength, count)
        return onHost ? longest : (longest + lengthStep - 1) / lengthStep * lengthStep
    }

    /// As ``scoringInputs(_:table:)``, with embeddings and masks made on the device.
    ///
    /// - Throws: ``DamaError/Code/invalidArgument`` for an id outside the vocabulary;
    ///   ``DamaError/Code/shapeMismatch`` if the numbers of placeholders and of feature rows differ.
    func deviceInputs(_ rows: [DecoderRow], table: TensorValue?) throws(DamaError) -> [String: TensorValue] {
        typealias Port = LlamaGraph.Port
        typealias InputPort = LlamaGraph.InputPort
        let batch = rows.count
        let length = Self.paddedLength(rows.map(\.sequence.count).max() ?? 0, onHost: false)
        var (tokens, featureRows, segments, positions): ([Int64], [Int64], [Int64], [Int64]) = ([], [], [], [])
        var predicting: [Int64] = []
        var featureCount = 0
        for (index, row) in rows.enumerated() {
            let (sequence, padding) = (row.sequence, [Int64](repeating: 0, count: length - row.sequence.count))
            try check(sequence.tokens, features: row.features)
            var next = Int64(featureCount)
            for token in sequence.tokens {
                let isImage = token == TokenSequence.imagePlaceholder
                tokens.append(Int64(token))
                featureRows.append(isImage ? next : 0)
                if isImage { next += 1 }
            }
            featureCount = Int(next)
            var own = [Int64](repeating: 0, count: sequence.count)
            for (number, response) in sequence.responses.enumerated() {
                for place in response.range { own[place] = Int64(number + 1) }
            }
            segments += own + padding.map { _ in -1 }
            tokens += padding
            featureRows += padding
            positions += sequence.positions.map(Int64.init) + padding
            predicting += sequence.predictingRows.map { Int64(index * length) + Int64($0) }
        }
        let shape = [batch, length]
        let places = try TensorValue(runtime, positions, shape: shape)
        var inputs = [
            InputPort.tokens: try TensorValue(runtime, tokens, shape: shape),
            InputPort.featureRows: try TensorValue(runtime, featureRows, shape: shape),
            InputPort.segments: try TensorValue(runtime, segments, shape: shape),
            InputPort.features: try joined(rows.map(\.features), count: featureCount),
            InputPort.places: try TensorValue(runtime, (0..<length).map(Int64.init), shape: [length]),
            Port.positions: places,
        ]
        if let table { inputs[InputPort.table] = table }
        let session = try session(table == nil ? .inputs : .trainedInputs)
        let known = Set(session.inputs.map(\.name))
        let names = session.outputs.map(\.name)
        let made = try session.run(
            inputs.filter { known.contains($0.key) }, outputs: names, resident: Set(names))
        let (cosine, sine) = try rotaryTables(length)
        var result = [
            Port.positions: places, Port.cosine: cosine, Port.sine: sine,
            Port.rows: try TensorValue(runtime, predicting, shape: [predicting.count]),
        ]
        for (name, value) in zip(names, made) { result[name] = value }
        return result
    }

    /// Image features one after the other, [count, hidden]; one row of zeros if there are none.
    private func joined(_ features: [[Float]], count: Int) throws(DamaError) -> TensorValue {
        let result = try TensorValue(runtime, allocating: .float32, shape: [max(1, count), configuration.hiddenSize])
        var starts = [0]
        for part in features { starts.append(starts[starts.count - 1] + part.count) }
        try result.withMutableElements(of: Float.self) { all throws(DamaError) in
            guard count > 0 else { return all.update(repeating: 0) }
            guard starts[features.count] == all.count else {
                throw .internal("\(starts[features.count]) numbers are not \(count) rows of image features")
            }
            nonisolated(unsafe) let all = all
            Concurrent.forEach(features.count, threads: runtime.threads) { [starts] index in
                _ = UnsafeMutableBufferPointer(rebasing: all[starts[index]..<starts[index + 1]])
                    .update(fromContentsOf: features[index])
            }
        }
        return result
    }
}
