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
    /// - Throws: the errors of ``integerInputs(_:)``.
    func deviceInputs(_ rows: [DecoderRow], table: TensorValue?) throws(DamaError) -> [String: TensorValue] {
        let session = try session(table == nil ? .inputs : .trainedInputs)
        var inputs = try integerInputs(rows)
        if let table { inputs[LlamaGraph.InputPort.table] = table }
        let read = Set(session.inputs.map(\.name))
        let names = session.outputs.map(\.name)
        let made = try session.run(inputs.filter { read.contains($0.key) }, outputs: names, resident: Set(names))
        for (name, value) in zip(names, made) { inputs[name] = value }
        return inputs.filter { !read.contains($0.key) || $0.key == LlamaGraph.Port.positions }
    }

    /// The inputs of a scoring graph that makes embeddings and masks itself, without targets: integers, the features of
    /// images and rotary tables. Padded as ``scoringInputs(_:table:)``.
    ///
    /// - Throws: ``DamaError/Code/invalidArgument`` for an id outside the vocabulary;
    ///   ``DamaError/Code/shapeMismatch`` if the numbers of placeholders and of feature rows differ.
    func integerInputs(_ rows: [DecoderRow]) throws(DamaError) -> [String: TensorValue] {
        typealias Port = LlamaGraph.Port
        typealias InputPort = LlamaGraph.InputPort
        let length = Self.paddedLength(rows.map(\.sequence.count).max() ?? 0, onHost: false)
        var (segments, positions, predicting): ([Int64], [Int64], [Int64]) = ([], [], [])
        segments.reserveCapacity(rows.count * length)
        positions.reserveCapacity(rows.count * length)
        for (index, row) in rows.enumerated() {
            let (sequence, padding) = (row.sequence, [Int64](repeating: 0, count: length - row.sequence.count))
            var own = [Int64](repeating: 0, count: sequence.count)
            for (number, response) in sequence.responses.enumerated() {
                for place in response.range { own[place] = Int64(number + 1) }
            }
            segments += own + padding.map { _ in -1 }
            positions += sequence.positions.map(Int64.init) + padding
            predicting += sequence.predictingRows.map { Int64(index * length) + Int64($0) }
        }
        let shape = [rows.count, length]
        var inputs = try embeddingInputs(rows.map { ($0.sequence.tokens, $0.features) }, length: length)
        inputs[InputPort.segments] = try TensorValue(runtime, segments, shape: shape)
        if !graphs.kernels.fused {
            inputs[InputPort.places] = try TensorValue(runtime, (0..<length).map(Int64.init), shape: [length])
        }
        inputs[Port.positions] = try TensorValue(runtime, positions, shape: shape)
        inputs[Port.rows] = try TensorValue(runtime, predicting, shape: [predicting.count])
        (inputs[Port.cosine], inputs[Port.sine]) = try rotaryTables(length)
        return inputs
    }

    /// The embeddings of prompts, in float32 on the device: [prompts, length, hidden].
    func deviceEmbeddings(_ prompts: [DecoderPrompt], length: Int) throws(DamaError) -> TensorValue {
        let name = LlamaGraph.Port.embeddings
        return try session(.embeddings).run(
            embeddingInputs(prompts.map { ($0.tokens, $0.features) }, length: length), outputs: [name],
            resident: [name])[0]
    }

    /// The inputs that embeddings are made from: tokens, padded with token 0, and image features.
    private func embeddingInputs(
        _ rows: [(tokens: [Int32], features: FeatureRows)], length: Int
    ) throws(DamaError) -> [String: TensorValue] {
        typealias InputPort = LlamaGraph.InputPort
        var tokens: [Int64] = []
        tokens.reserveCapacity(rows.count * length)
        var featureRows: [Int64] = []
        featureRows.reserveCapacity(rows.count * length)
        var next: Int64 = 0
        for row in rows {
            try check(row.tokens, features: row.features)
            for token in row.tokens {
                let isImage = token == TokenSequence.imagePlaceholder
                tokens.append(Int64(token))
                featureRows.append(isImage ? next : 0)
                if isImage { next += 1 }
            }
            let padding = repeatElement(Int64(0), count: max(0, length - row.tokens.count))
            tokens += padding
            featureRows += padding
        }
        let shape = [rows.count, length]
        return [
            InputPort.tokens: try TensorValue(runtime, tokens, shape: shape),
            InputPort.featureRows: try TensorValue(runtime, featureRows, shape: shape),
            InputPort.features: try FeatureRows.joined(
                rows.map(\.features), width: configuration.hiddenSize, precision, on: runtime.backend(device), runtime),
        ]
    }
}
