import DamaGraph
import DamaRuntime
import DamaSupport
import Glibc
import Synchronization

/// A Llama decoder that is ready to score and to generate. May be used from several threads.
///
/// Sessions are made when they are first needed: who only scores holds no weights in the order that generation wants.
public final class LlamaDecoder: CausalDecoder {
    public let configuration: LlamaConfiguration
    public let runtime: OnnxRuntime
    public let weights: ModelWeights
    package let device: Device
    package let names: Names
    package let embeddingTable: TensorView
    let graphs: LlamaGraph
    private let sessions = Mutex<[Kind: Session]>([:])

    enum Kind: Hashable { case logProbabilities, logits, generation }

    /// How the files call the weights; `LlamaForCausalLM` and the ages of LLaVA differ in what stands before.
    package struct Names: Sendable {
        /// In place of `model.`.
        var decoder: String
        /// The LM head's weight.
        var head: String

        package static let known = [
            Names(decoder: "model.", head: "lm_head.weight"),
            Names(decoder: "language_model.model.", head: "language_model.lm_head.weight"),
            Names(decoder: "model.language_model.", head: "lm_head.weight"),
        ]

        package func fileName(_ name: String) -> String {
            name == "lm_head.weight" ? head : decoder + name.dropFirst("model.".count)
        }
    }

    /// - Throws: ``DamaError/Code/model`` for a missing weight or one of another shape, naming both shapes.
    public init(
        _ configuration: LlamaConfiguration, _ weights: ModelWeights, _ runtime: OnnxRuntime, device: Device = .cpu
    ) throws(DamaError) {
        let store = weights.store
        guard let names = Names.known.first(where: { store.contains("\($0.decoder)embed_tokens.weight") }) else {
            let tried = Names.known.map { "\($0.decoder)embed_tokens.weight" }.joined(separator: ", ")
            throw .model("\(store.path) has no token embeddings; expected one of \(tried)")
        }
        var configuration = configuration
        configuration.tiesEmbeddings = try Self.isTied(configuration, store, names)
        self.configuration = configuration
        self.weights = weights
        self.runtime = runtime
        self.device = device
        self.names = names
        embeddingTable = try store.tensor(
            names.fileName("model.embed_tokens.weight"),
            expectedShape: [configuration.vocabularySize, configuration.hiddenSize])
        graphs = LlamaGraph(configuration)
        // All shapes are checked here, so that a wrong file is found out when it is opened.
        let graph = try graphs.scoring()
        for weight in graph.weights {
            _ = try store.tensor(
                names.fileName(graph.name(of: weight)), expectedShape: weight.shape.compactMap(\.fixed))
        }
    }

    /// Whether the head is the embedding table. As transformers decides: a head in the files counts, whatever
    /// `tie_word_embeddings` says, unless it is the same as the table.
    ///
    /// - Throws: ``DamaError/Code/model`` for an untied head that the files do not hold.
    private static func isTied(
        _ configuration: LlamaConfiguration, _ store: WeightStore, _ names: Names
    ) throws(DamaError) -> Bool {
        guard store.contains(names.head) else {
            guard configuration.tiesEmbeddings else {
                throw .model(
                    "\(store.path) has no tensor \"\(names.head)\", and config.json does not say that the head is tied "
                        + "to the embeddings (tie_word_embeddings)")
            }
            return true
        }
        guard configuration.tiesEmbeddings else { return false }
        let (head, table) = (
            try store.tensor(names.head), try store.tensor(names.fileName("model.embed_tokens.weight"))
        )
        guard head.type == table.type, head.shape == table.shape else { return false }
        guard head.bytes.count == table.bytes.count else { return false }
        guard let left = head.bytes.baseAddress, let right = table.bytes.baseAddress else { return true }
        return left == right || memcmp(left, right, head.bytes.count) == 0
    }

    public var fingerprint: String { weights.store.fingerprint }
    public var packsResponses: Bool { true }

    // MARK: Sessions

    func session(_ kind: Kind) throws(DamaError) -> Session {
        let result = sessions.withLock { known -> Result<Session, DamaError> in
            if let session = known[kind] { return .success(session) }
            do throws(DamaError) {
                let session = try makeSession(kind)
                known[kind] = session
                return .success(session)
            } catch {
                return .failure(error)
            }
        }
        return try result.get()
    }

    private func makeSession(_ kind: Kind) throws(DamaError) -> Session {
        let graph: Graph =
            switch kind {
            case .logProbabilities: try graphs.scoring(.logProbabilities)
            case .logits: try graphs.scoring(.logits)
            case .generation: try graphs.generation()
            }
        var options = SessionOptions()
        options.device = device
        // Scoring multiplies many rows by each weight and can take it as it lies. A step of generation has a row for each
        // prompt: two to eight take twice as long without a copy in the kernels' own order.
        options.prepacking = kind == .generation
        return try weights.session(
            graph, named: graph.name, placement: .host, options: options, fileName: names.fileName)
    }

    // MARK: Embeddings

    /// Writes the embeddings of `tokens` row by row; rows at ``TokenSequence/imagePlaceholder`` come from `features` in
    /// their order.
    ///
    /// - Parameters:
    ///   - table: embeddings in place of the files', where they are trained: [vocabulary, hidden].
    ///   - target: [tokens.count, hidden]
    /// - Throws: ``DamaError/Code/invalidArgument`` for an id outside the vocabulary;
    ///   ``DamaError/Code/shapeMismatch`` where placeholders and rows of features differ in number.
    func embed(
        _ tokens: [Int32], features: [Float], table: FloatMemory? = nil,
        into target: UnsafeMutableBufferPointer<Float>
    ) throws(DamaError) {
        let size = configuration.hiddenSize
        let places = tokens.count { $0 == TokenSequence.imagePlaceholder }
        guard features.count == places * size, target.count == tokens.count * size else {
            throw .shapeMismatch("\(places) places for image features, but \(features.count / size) rows of them")
        }
        var used = 0
        for (index, token) in tokens.enumerated() {
            let row = UnsafeMutableBufferPointer(rebasing: target[index * size..<(index + 1) * size])
            if token == TokenSequence.imagePlaceholder {
                _ = row.update(fromContentsOf: features[used * size..<(used + 1) * size])
                used += 1
            } else {
                guard token >= 0, Int(token) < configuration.vocabularySize else {
                    throw .invalidArgument(
                        "token \(token) is outside the model's vocabulary of \(configuration.vocabularySize)")
                }
                guard let table else {
                    try embeddingTable.copyFloats(from: Int(token) * size, into: row)
                    continue
                }
                let start = Int(token) * size
                _ = row.update(fromContentsOf: table.elements[start..<start + size])
            }
        }
    }

    // MARK: Scoring

    /// Whether log-probabilities are taken from logits on the host (``TokenLogits``). Another device's logits stay there.
    ///
    /// Training does as scoring does, so that a policy and the reference that it began as give the same bits.
    package var scoresOnHost: Bool { device == .cpu }

    /// A sequence with the image features that its placeholders stand for.
    public struct Row: Sendable {
        public var sequence: TokenSequence
        /// [placeholders, hidden]; empty for text alone.
        public var features: [Float]

        public init(_ sequence: TokenSequence, features: [Float] = []) {
            self.sequence = sequence
            self.features = features
        }
    }

    /// log π of every response token of every row: for row r the tokens of its responses, one response after the other.
    ///
    /// All rows run as one batch, padded to the longest.
    public func logProbabilities(_ rows: [Row], options: RunOptions? = nil) throws(DamaError) -> [[Float]] {
        guard !rows.isEmpty else { throw .invalidArgument("the batch is empty; expected at least one sequence") }
        var inputs = try scoringInputs(rows)
        let targets = rows.flatMap { $0.sequence.targets.map(Int64.init) }
        guard targets.allSatisfy({ (0..<Int64(configuration.vocabularySize)).contains($0) }) else {
            throw .invalidArgument(
                "a response holds a token outside the model's vocabulary of \(configuration.vocabularySize)")
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
    public func logits(_ rows: [Row], options: RunOptions? = nil) throws(DamaError) -> TensorValue {
        guard !rows.isEmpty else { throw .invalidArgument("the batch is empty; expected at least one sequence") }
        return try session(.logits).run(
            scoringInputs(rows), outputs: [LlamaGraph.Port.logits], options: options)[0]
    }

    /// What a scoring graph takes for `rows`, targets aside: padded to the longest, and to the shortest sequence that the
    /// graph's attention divides into blocks.
    package func scoringInputs(
        _ rows: [Row], table: FloatMemory? = nil
    ) throws(DamaError) -> [String: TensorValue] {
        typealias Port = LlamaGraph.Port
        let (batch, hidden) = (rows.count, configuration.hiddenSize)
        let length = max(GraphBuilder.leastCausalLength, rows.map(\.sequence.count).max() ?? 0)
        let embeddings = try TensorValue(runtime, allocating: .float32, shape: [batch, length, hidden])
        let mask = try TensorValue(runtime, allocating: .float32, shape: [batch, 1, length, length])
        var positions: [Int64] = []
        var predicting: [Int64] = []
        for (index, row) in rows.enumerated() {
            let count = row.sequence.count
            try embeddings.withMutableElements(of: Float.self) { all throws(DamaError) in
                let own = UnsafeMutableBufferPointer(
                    rebasing: all[index * length * hidden..<(index + 1) * length * hidden])
                try embed(
                    row.sequence.tokens, features: row.features, table: table,
                    into: UnsafeMutableBufferPointer(rebasing: own[..<(count * hidden)]))
                // Padding is computed too, so it must be a number.
                UnsafeMutableBufferPointer(rebasing: own[(count * hidden)...]).update(repeating: 0)
            }
            try mask.withMutableElements(of: Float.self) { all in
                row.sequence.writeMask(
                    into: UnsafeMutableBufferPointer(
                        rebasing: all[index * length * length..<(index + 1) * length * length]),
                    length: length, blocked: LlamaDecoder.blocked)
            }
            positions += row.sequence.positions.map(Int64.init) + [Int64](repeating: 0, count: length - count)
            predicting += row.sequence.predictingRows.map { Int64(index * length) + Int64($0) }
        }
        let (cosine, sine) = try rotaryTables(length)
        return [
            Port.embeddings: embeddings, Port.mask: mask,
            Port.positions: try TensorValue(runtime, positions, shape: [batch, length]),
            Port.cosine: cosine, Port.sine: sine,
            Port.rows: try TensorValue(runtime, predicting, shape: [predicting.count]),
        ]
    }

    /// Added to the score of a key that may not be seen. Finite, so that −∞ − (−∞) arises nowhere; far below any score.
    static let blocked: Float = -1e9

    /// The rotary tables of positions 0 ..< length.
    func rotaryTables(_ length: Int) throws(DamaError) -> (cosine: TensorValue, sine: TensorValue) {
        try Allocation.check(length, of: 8 * configuration.headSize, for: "the rotary tables of \(length) positions")
        let table = configuration.rotary.table(
            positions: (0..<length).map(Int32.init), headSize: configuration.headSize)
        let shape = [length, configuration.headSize / 2]
        return (try TensorValue(runtime, table.cos, shape: shape), try TensorValue(runtime, table.sin, shape: shape))
    }
}
