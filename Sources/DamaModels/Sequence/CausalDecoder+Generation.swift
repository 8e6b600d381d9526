import DamaRuntime
import DamaSupport

/// A continuation in progress.
private struct Growing {
    /// Its index in the results.
    let index: Int
    /// The most tokens that it may have.
    let room: Int
    var generator: RandomGenerator
    /// Tokens in the cache, the prompt's included.
    var length: Int
    var isRunning = true
}

extension CausalDecoder {
    /// Continues all prompts as one batch with a key-value cache. Results are ordered by prompt, then by stream.
    ///
    /// A prompt is computed once for all its continuations. Finished continuations are removed from the batch before
    /// they exceed a quarter of it.
    ///
    /// - Parameter onToken: is called with a continuation's index and each of its tokens; returns false to end that
    ///   continuation. An error that it throws ends the call.
    /// - Throws: ``DamaError/Code/invalidArgument`` for an empty batch, an empty prompt, a bad option or a token
    ///   outside the vocabulary; ``DamaError/Code/shapeMismatch`` for a prompt longer than the model's positions.
    package func generate(
        _ prompts: [DecoderPrompt], _ options: GenerationOptions, run: RunOptions? = nil,
        onToken: (Int, Int32) throws(DamaError) -> Bool = { _, _ in true }
    ) throws(DamaError) -> [Continuation] {
        let positions = maximumPositions
        try check(prompts, options)
        let ends = Set(options.endTokens ?? endTokens)
        var growing: [Growing] = []
        // The row of the logits that each continuation uses: at first its prompt's row, then its own.
        var rows: [Int] = []
        for (index, prompt) in prompts.enumerated() {
            for stream in prompt.streams ?? [UInt64(index)] {
                growing.append(
                    Growing(
                        index: growing.count, room: min(options.maximumTokens, positions - prompt.tokens.count),
                        generator: RandomGenerator(seed: options.seed, stream: stream), length: prompt.tokens.count))
                rows.append(index)
            }
        }
        var results = growing.map { _ in Continuation(tokens: [], finish: .length) }
        guard let length = growing.map({ $0.length + $0.room }).max() else { return [] }
        let isChosen = options.sampling.isGreedy && choosesTokens
        let cache = try makeCache(batch: prompts.count, length: length, output: isChosen ? .likeliest : .logits)

        var output = try cache.start(prompts, run: run)
        while true {
            var next = [Int32](repeating: 0, count: growing.count)
            let places = growing.indices.filter { growing[$0].isRunning }
            let chosen =
                isChosen
                ? try tokens(output, rows: places.map { rows[$0] })
                : try choose(options.sampling, output, rows: places.map { rows[$0] }, for: places, of: &growing)
            for (place, token) in zip(places, chosen) {
                next[place] = token
                let index = growing[place].index
                if ends.contains(token) {
                    results[index].finish = .endToken
                    growing[place].isRunning = false
                    continue
                }
                results[index].tokens.append(token)
                if try !onToken(index, token) {
                    results[index].finish = .stop
                    growing[place].isRunning = false
                } else if results[index].tokens.count == growing[place].room {
                    growing[place].isRunning = false
                }
            }
            let running = growing.indices.filter { growing[$0].isRunning }
            if running.isEmpty { return results }
            // The continuations of a prompt get rows of their own here. Later, rows move only if that frees enough.
            if !rows.elementsEqual(growing.indices) || running.count * 4 < growing.count * 3 {
                try cache.keep(running.map { rows[$0] })
                growing = running.map { growing[$0] }
                next = running.map { next[$0] }
                rows = Array(growing.indices)
            }
            output = try cache.step(next, at: growing.map(\.length), run: run)
            // A finished continuation is recomputed at the same position, so that it does not exceed the cache.
            for place in growing.indices where growing[place].isRunning { growing[place].length += 1 }
        }
    }

    /// Draws the tokens of some continuations from their rows of the logits, several at once.
    ///
    /// - Throws: ``DamaError/Code/model`` for a row without a finite logit.
    private func choose(
        _ sampling: SamplingOptions, _ logits: TensorValue, rows: [Int], for places: [Int], of growing: inout [Growing]
    ) throws(DamaError) -> [Int32] {
        let (size, all) = (vocabularySize, growing)
        // Less than that is done before another thread has begun.
        let threads = places.count * size < 1 << 17 ? 1 : runtime.threads
        let chosen = try logits.withElements(of: Float.self) { logits throws(DamaError) in
            nonisolated(unsafe) let logits = logits
            return try Concurrent.map(places.count, threads: threads) { index throws(DamaError) in
                guard (rows[index] + 1) * size <= logits.count else {
                    throw .internal("no logits of row \(rows[index])")
                }
                var generator = all[places[index]].generator
                let row = UnsafeBufferPointer(rebasing: logits[rows[index] * size..<(rows[index] + 1) * size])
                return (token: Int32(try sampling.choose(from: row, using: &generator)), generator: generator)
            }
        }
        for (place, choice) in zip(places, chosen) { growing[place].generator = choice.generator }
        return chosen.map(\.token)
    }

    /// The tokens that the cache has chosen for these rows.
    ///
    /// - Throws: ``DamaError/Code/model`` for a row without a finite logit.
    private func tokens(_ output: TensorValue, rows: [Int]) throws(DamaError) -> [Int32] {
        let all: [Int64] = try output.array()
        var tokens: [Int32] = []
        for row in rows {
            guard row < all.count else { throw .internal("\(all.count) tokens, and none of row \(row)") }
            guard all[row] >= 0 else { throw SamplingOptions.noLogit }
            tokens.append(Int32(clamping: all[row]))
        }
        return tokens
    }

    /// - Throws: the errors of ``generate(_:_:run:onToken:)``.
    func check(_ prompts: [DecoderPrompt], _ options: GenerationOptions) throws(DamaError) {
        try options.validate()
        guard let longest = prompts.map(\.tokens.count).max() else {
            throw .invalidArgument("the batch is empty; expected at least one prompt")
        }
        for (index, prompt) in prompts.enumerated() where prompt.tokens.isEmpty {
            throw .invalidArgument("prompt \(index) has no tokens")
        }
        guard longest < maximumPositions else {
            throw .shapeMismatch(
                "the prompt has \(longest) tokens; the model has \(maximumPositions) positions "
                    + "for prompt and continuation")
        }
    }
}
