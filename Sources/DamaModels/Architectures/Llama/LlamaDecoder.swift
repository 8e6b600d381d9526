import DamaGraph
import DamaRuntime
import DamaSupport
import Glibc
import Synchronization

/// A Llama decoder for scoring and generation. May be used from several threads.
///
/// Sessions are created on first use: scoring alone keeps no weights in the layout for generation.
public final class LlamaDecoder: CausalDecoder {
    public let configuration: LlamaConfiguration
    public let runtime: OnnxRuntime
    public let weights: ModelWeights
    package let device: Device
    package let names: Names
    /// Replaces `model.` in transformers' module names if the decoder is part of another model.
    let modulePrefix: String
    package let embeddingTable: TensorView
    let graphs: LlamaGraph
    private let sessions = Mutex<[Kind: Session]>([:])
    let rotary = Mutex<RotaryTables?>(nil)

    /// The cosines and sines of the positions 0 ..< length, [length, head size / 2].
    struct RotaryTables: Sendable {
        var length: Int
        var cosine: TensorValue
        var sine: TensorValue
    }

    enum Kind: Hashable {
        case logProbabilities, logits
        /// A step of generation that returns logits, and one that returns the tokens that greedy decoding takes.
        case generation, choice
        case inputs, trainedInputs
        /// The embeddings of prompts.
        case embeddings
    }

    /// The names of the weights in the files; `LlamaForCausalLM` and models with images use different prefixes.
    package struct Names: Sendable {
        /// Replaces `model.`.
        var decoder: String
        /// The LM head's weight.
        var head: String

        package static let known = [
            Names(decoder: "model.", head: "lm_head.weight"),
            Names(decoder: "language_model.model.", head: "language_model.lm_head.weight"),
            Names(decoder: "model.language_model.", head: "lm_head.weight"),
            Names(decoder: "model.text_model.", head: "lm_head.weight"),
        ]

        package func fileName(_ name: String) -> String {
            name == LlamaGraph.head ? head : decoder + name.dropFirst("model.".count)
        }
    }

    /// - Parameter modulePrefix: replaces `model.` in transformers' module names if the decoder is part of another
    ///   model.
    /// - Throws: ``DamaError/Code/model`` for a missing weight, or a wrong shape, naming both shapes.
    public init(
        _ configuration: LlamaConfiguration, _ weights: ModelWeights, _ runtime: OnnxRuntime, device: Device = .cpu,
        modulePrefix: String = "model."
    ) throws(DamaError) {
        let store = weights.store
        guard let names = Names.known.first(where: { store.contains("\($0.decoder)embed_tokens.weight") }) else {
            let tried = Names.known.map { "\($0.decoder)embed_tokens.weight" }.joined(separator: ", ")
            throw .model("\(store.path) has no token embeddings; expected a tensor with one of the names \(tried)")
        }
        var configuration = configuration
        configuration.tiesEmbeddings = try Self.isTied(configuration, store, names)
        self.configuration = configuration
        self.weights = weights
        self.runtime = runtime
        self.device = device
        self.names = names
        self.modulePrefix = modulePrefix
        embeddingTable = try store.tensor(
            names.fileName(LlamaGraph.embeddings),
            expectedShape: [configuration.vocabularySize, configuration.hiddenSize])
        graphs = LlamaGraph(configuration, kernels: GraphKernels(on: device, weights.precision))
        // Checks all shapes, so that opening a wrong file fails.
        let graph = try graphs.scoring()
        for weight in graph.weights {
            _ = try store.tensor(
                names.fileName(graph.name(of: weight)), expectedShape: weight.shape.compactMap(\.fixed))
        }
    }

    /// Whether the head is the embedding table. As in transformers, a head in the files counts even if
    /// `tie_word_embeddings` is set, unless it equals the table.
    ///
    /// - Throws: ``DamaError/Code/model`` for an untied head that the files do not hold.
    static func isTied(
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
            try store.tensor(names.head), try store.tensor(names.fileName(LlamaGraph.embeddings))
        )
        guard head.type == table.type, head.shape == table.shape else { return false }
        guard head.bytes.count == table.bytes.count else { return false }
        guard let left = head.bytes.baseAddress, let right = table.bytes.baseAddress else { return true }
        return left == right || memcmp(left, right, head.bytes.count) == 0
    }

    // MARK: Sizes and identity

    package var vocabularySize: Int { configuration.vocabularySize }
    package var hiddenSize: Int { configuration.hiddenSize }
    package var maximumPositions: Int { configuration.maximumPositions }
    package var endTokens: [Int32] { configuration.endTokens.map { Int32(clamping: $0) } }
    package var packsResponses: Bool { true }
    package var precision: Precision { weights.precision }
    package var identity: JSON { configuration.identity }
    package var fingerprint: String { weights.store.fingerprint }

    package var choosesTokens: Bool { graphs.kernels.fused }

    package func makeCache(batch: Int, length: Int, output: StepOutput) throws(DamaError) -> any KeyValueCache {
        try LlamaKeyValueCache(self, batch: batch, length: length, output: output)
    }

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

    private func generationWindow() throws(DamaError) -> Int? {
        guard let window = configuration.window else { return nil }
        return try KernelWindow.attribute(window.size, runtime, device)
    }

    private func makeSession(_ kind: Kind) throws(DamaError) -> Session {
        let hidden = Double(precision == .float16 ? Graph.lowestMask : Self.blocked)
        let made = device == .cpu ? nil : hidden
        let graph: Graph =
            switch kind {
            case .logProbabilities: try graphs.scoring(.logProbabilities, blocked: made)
            case .logits: try graphs.scoring(.logits, blocked: made)
            case .generation: try graphs.generation(window: generationWindow())
            case .choice: try graphs.generation(window: generationWindow(), choosesTokens: true)
            case .inputs: try graphs.inputs(tableIsInput: false, blocked: hidden)
            case .trainedInputs: try graphs.inputs(tableIsInput: true, blocked: hidden)
            case .embeddings: try graphs.embeddings()
            }
        var options = SessionOptions()
        options.device = device
        // Scoring multiplies many rows by each weight and uses the mapped weights. A generation step has one row for
        // each prompt: with two to eight rows it takes twice as long without a copy in the kernels' own layout.
        options.prepacking = kind == .generation || kind == .choice
        options.registersKernels = graphs.kernels.fused
        return try weights.session(
            graph, named: graph.name, placement: .host, options: options, natural: naturalPorts(of: kind, graph),
            fileName: names.fileName)
    }

    /// Inputs and outputs of a graph in the precision of the decoder: they are made and read on the device.
    private func naturalPorts(of kind: Kind, _ graph: Graph) -> Set<String> {
        switch kind {
        case .logProbabilities, .logits: [LlamaGraph.InputPort.features]
        case .generation, .choice: graphs.cachePorts
        case .inputs, .trainedInputs:
            Set(graph.outputs.map(graph.name(of:)) + [LlamaGraph.InputPort.table, LlamaGraph.InputPort.features])
        case .embeddings: [LlamaGraph.InputPort.features]
        }
    }

    // MARK: Embeddings

    /// - Throws: ``DamaError/Code/invalidArgument`` for an id outside the vocabulary;
    ///   ``DamaError/Code/shapeMismatch`` if the numbers of placeholders and of feature rows differ.
    func check(_ tokens: [Int32], features: FeatureRows) throws(DamaError) {
        let size = configuration.hiddenSize
        let places = tokens.count { $0 == TokenSequence.imagePlaceholder }
        guard features.count == places * size else {
            throw .shapeMismatch("\(places) image placeholders, but \(features.count / size) rows of image features")
        }
        for token in tokens where token != TokenSequence.imagePlaceholder {
            guard token >= 0, Int(token) < configuration.vocabularySize else {
                throw .invalidArgument(
                    "token \(token) is outside the model's vocabulary of \(configuration.vocabularySize)")
            }
        }
    }

    /// Writes the embeddings of `tokens` row by row; rows at ``TokenSequence/imagePlaceholder`` come from `features` in
    /// their order.
    ///
    /// - Parameters:
    ///   - table: trained embeddings that replace those of the files, [vocabulary, hidden].
    ///   - target: [tokens.count, hidden]
    /// - Throws: ``DamaError/Code/invalidArgument`` for an id outside the vocabulary;
    ///   ``DamaError/Code/shapeMismatch`` if the numbers of placeholders and of feature rows differ.
    func embed(
        _ tokens: [Int32], features: FeatureRows, table: FloatMemory? = nil,
        into target: UnsafeMutableBufferPointer<Float>
    ) throws(DamaError) {
        let size = configuration.hiddenSize
        try check(tokens, features: features)
        guard target.count == tokens.count * size else {
            throw .shapeMismatch("embeddings of \(tokens.count) tokens do not fit \(target.count) numbers")
        }
        try features.withFloats { features throws(DamaError) in
            var used = 0
            for (index, token) in tokens.enumerated() {
                let row = UnsafeMutableBufferPointer(rebasing: target[index * size..<(index + 1) * size])
                if token == TokenSequence.imagePlaceholder {
                    _ = row.update(fromContentsOf: features[used * size..<(used + 1) * size])
                    used += 1
                } else {
                    guard let table else {
                        try embeddingTable.copyFloats(from: Int(token) * size, into: row)
                        continue
                    }
                    let start = Int(token) * size
                    _ = row.update(fromContentsOf: table.elements[start..<start + size])
                }
            }
        }
    }
}
