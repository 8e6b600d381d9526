import DamaRuntime
import DamaSupport

/// What ends a continuation and how its tokens are chosen.
public struct GenerationOptions: Sendable {
    public var sampling: SamplingOptions = .greedy
    /// The most tokens of one continuation.
    public var maximumTokens = 256
    /// Tokens that end a continuation; they are not part of it. `nil` takes the model's own.
    public var endTokens: [Int32]?
    public var seed: UInt64 = 0

    public init() {}
}

/// Why a continuation ended.
public enum FinishReason: String, Sendable, CaseIterable {
    /// The model gave an end token.
    case endToken = "end_token"
    /// A stop string came up, or the caller's callback had enough of this one.
    case stop
    /// ``GenerationOptions/maximumTokens`` or the model's positions are used up.
    case length
}

extension LlamaDecoder {
    /// A prompt to be continued.
    public struct Prompt: Sendable {
        /// At least one; ``TokenSequence/imagePlaceholder`` where image features stand.
        public var tokens: [Int32]
        /// [placeholders, hidden]
        public var features: [Float]

        public init(_ tokens: [Int32], features: [Float] = []) {
            self.tokens = tokens
            self.features = features
        }
    }

    /// The tokens that continue a prompt.
    public struct Continuation: Equatable, Sendable {
        public var tokens: [Int32]
        public var finish: FinishReason
    }

    /// Continues all prompts as one batch with a key-value cache.
    ///
    /// Each prompt has a generator of its own, drawn from the seed and its place in the batch.
    ///
    /// - Parameter onToken: hears of each token (the prompt's index and the token) and returns false to end that one; what
    ///   it throws ends all.
    /// - Throws: ``DamaError/Code/invalidArgument`` for an empty batch, an empty prompt, a bad option or a token outside the
    ///   vocabulary; ``DamaError/Code/shapeMismatch`` for a prompt longer than the model's positions.
    public func generate(
        _ prompts: [Prompt], _ options: GenerationOptions, run: RunOptions? = nil,
        onToken: (Int, Int32) throws(DamaError) -> Bool = { _, _ in true }
    ) throws(DamaError) -> [Continuation] {
        try options.sampling.validate()
        guard options.maximumTokens > 0 else {
            throw .invalidArgument("max_tokens is \(options.maximumTokens); it must be positive")
        }
        guard let longest = prompts.map(\.tokens.count).max() else {
            throw .invalidArgument("the batch is empty; expected at least one prompt")
        }
        for (index, prompt) in prompts.enumerated() where prompt.tokens.isEmpty {
            throw .invalidArgument("prompt \(index) has no tokens")
        }
        guard longest < configuration.maximumPositions else {
            throw .shapeMismatch(
                "the prompt has \(longest) tokens; the model has \(configuration.maximumPositions) positions "
                    + "for prompt and continuation")
        }
        let room = min(options.maximumTokens, configuration.maximumPositions - longest)
        let cache = try KeyValueCache(self, batch: prompts.count, length: longest + room)
        let ends = Set(options.endTokens ?? configuration.endTokens.map(Int32.init))
        var generators = prompts.indices.map { RandomGenerator(seed: options.seed, stream: UInt64($0)) }
        var results = prompts.map { _ in Continuation(tokens: [], finish: .length) }
        var running = prompts.map { _ in true }
        var lengths = prompts.map(\.tokens.count)

        var logits = try cache.start(prompts, run: run)
        for step in 0..<room {
            var next = [Int32](repeating: 0, count: prompts.count)
            for index in prompts.indices where running[index] {
                let token = try logits.withElements(of: Float.self) { all throws(DamaError) in
                    let size = configuration.vocabularySize
                    let row = UnsafeBufferPointer(rebasing: all[index * size..<(index + 1) * size])
                    return Int32(try options.sampling.choose(from: row, using: &generators[index]))
                }
                next[index] = token
                if ends.contains(token) {
                    results[index].finish = .endToken
                    running[index] = false
                    continue
                }
                results[index].tokens.append(token)
                if try !onToken(index, token) {
                    results[index].finish = .stop
                    running[index] = false
                }
            }
            guard running.contains(true), step + 1 < room else { break }
            logits = try cache.step(next, at: lengths, run: run)
            // A sequence that has ended goes on being computed, always at the same place: it may not outgrow the cache.
            for index in prompts.indices where running[index] { lengths[index] += 1 }
        }
        return results
    }
}

/// The keys and values of a batch, in memory that is there from the start and that each step writes into.
private final class KeyValueCache {
    private typealias Port = LlamaGraph.Port
    private let decoder: LlamaDecoder
    private let session: Session
    private let binding: Binding
    private let batch: Int

    init(_ decoder: LlamaDecoder, batch: Int, length: Int) throws(DamaError) {
        self.decoder = decoder
        self.batch = batch
        session = try decoder.session(.generation)
        binding = try Binding(session)
        let c = decoder.configuration
        let shape = [batch, c.keyValueHeads, length, decoder.graphs.cachedHeadSize]
        let size = shape.reduce(1) { $0.multipliedReportingOverflow(by: $1).partialValue }
        for layer in 0..<c.layers {
            for (past, present) in [
                (Port.pastKey(layer), Port.presentKey(layer)), (Port.pastValue(layer), Port.presentValue(layer)),
            ] {
                let memory = FloatMemory(count: size)
                let value = try TensorValue(
                    decoder.runtime, borrowing: memory.bytes, type: .float32, shape: shape,
                    owner: memory)
                try binding.bind(input: past, to: value)
                try binding.bind(output: present, to: value)
            }
        }
        let (cosine, sine) = try decoder.rotaryTables(length)
        try binding.bind(input: Port.cosine, to: cosine)
        try binding.bind(input: Port.sine, to: sine)
        try binding.bind(output: Port.logits, on: .cpu)
    }

    /// The prompts, padded behind to the longest; the logits that follow each, [batch, vocabulary].
    func start(_ prompts: [LlamaDecoder.Prompt], run: RunOptions?) throws(DamaError) -> TensorValue {
        let length = prompts.map(\.tokens.count).max() ?? 0
        let hidden = decoder.configuration.hiddenSize
        let embeddings = try TensorValue(decoder.runtime, allocating: .float32, shape: [batch, length, hidden])
        try embeddings.withMutableElements(of: Float.self) { all throws(DamaError) in
            all.update(repeating: 0)
            for (index, prompt) in prompts.enumerated() {
                let start = index * length * hidden
                try decoder.embed(
                    prompt.tokens, features: prompt.features,
                    into: UnsafeMutableBufferPointer(rebasing: all[start..<start + prompt.tokens.count * hidden]))
            }
        }
        let last = prompts.map { $0.tokens.count - 1 }
        let positions = prompts.flatMap { _ in 0..<length }
        return try logits(
            embeddings, positions, last: last, rows: last.enumerated().map { $0 * length + $1 }, run: run)
    }

    /// One token more for each sequence, at position `lengths[i]` of sequence i.
    func step(_ tokens: [Int32], at lengths: [Int], run: RunOptions?) throws(DamaError) -> TensorValue {
        let hidden = decoder.configuration.hiddenSize
        let embeddings = try TensorValue(decoder.runtime, allocating: .float32, shape: [batch, 1, hidden])
        try embeddings.withMutableElements(of: Float.self) { all throws(DamaError) in
            try decoder.embed(tokens, features: [], into: all)
        }
        return try logits(embeddings, lengths, last: lengths, rows: Array(0..<batch), run: run)
    }

    private func logits(
        _ embeddings: TensorValue, _ positions: [Int], last: [Int], rows: [Int], run: RunOptions?
    ) throws(DamaError) -> TensorValue {
        let runtime = decoder.runtime
        if !decoder.graphs.rotatesInAttention {
            let shape = Array(embeddings.shape.dropLast())
            try binding.bind(
                input: Port.positions, to: TensorValue(runtime, positions.map(Int64.init), shape: shape))
        }
        let total = Int32(clamping: (last.max() ?? 0) + 1)
        try binding.bind(input: Port.embeddings, to: embeddings)
        try binding.bind(
            input: Port.lastPositions, to: TensorValue(runtime, last.map { Int32(clamping: $0) }, shape: [batch]))
        try binding.bind(input: Port.totalLength, to: TensorValue(runtime, [total], shape: []))
        try binding.bind(input: Port.rows, to: TensorValue(runtime, rows.map(Int64.init), shape: [batch]))
        try binding.run(options: run)
        guard let logits = try binding.outputs()[Port.logits] else { throw .internal("the graph gave no logits") }
        return logits
    }
}
