import DamaKernels
import DamaRuntime
import DamaSupport

/// The search of one prompt of a batch.
private struct Search<State> {
    /// The index of its result.
    let index: Int
    /// The prompt's tokens.
    let length: Int
    var beams: BeamSearch<State>
    /// The continuation's tokens in each of its rows of the cache; empty for a row without a beam.
    var cached: [[Int32]]

    /// What its rows of the cache, from `first` on, take from each other so that each has its beam's tokens. The last
    /// token of each is left to the model's next step.
    mutating func exchange(from first: Int) -> [CacheCopy] {
        var copies: [CacheCopy] = []
        var next = cached.map { _ in [Int32]() }
        for (beam, source) in zip(beams.beams, beams.sources) {
            let count = beam.tokens.count - 1
            let common = beam.row == source ? count : zip(cached[beam.row], beam.tokens).prefix { $0 == $1 }.count
            if common < count {
                copies.append(
                    CacheCopy(
                        source: first + source, target: first + beam.row,
                        positions: length + common..<length + count))
            }
            next[beam.row] = beam.tokens
        }
        cached = next
        return copies
    }
}

extension CausalDecoder {
    /// Continues all prompts as one batch by beam search (``BeamSearch``), with ``GenerationOptions/beams`` rows of a
    /// key-value cache for each prompt.
    ///
    /// A prompt is computed once for all its beams. The rows of a prompt whose search ended leave the batch. Beams
    /// exchange only the keys and values of tokens in which they differ.
    ///
    /// - Parameters:
    ///   - state: the state of each continuation at its start.
    ///   - push: takes a token of a continuation; returns whether a stop string occurred.
    ///   - onStep: is called before each step of the model. An error that it throws ends the call.
    ///   - onEnd: is called with the index of a result and the best continuation as soon as its search ended. An error that
    ///     it throws ends the call.
    /// - Throws: the errors of ``generate(_:_:run:onToken:)``; ``DamaError/Code/invalidArgument`` for a prompt with
    ///   several streams.
    package func search<State>(
        _ prompts: [DecoderPrompt], _ options: GenerationOptions, state: State, run: RunOptions? = nil,
        push: (inout State, Int32) -> Bool, onStep: () throws(DamaError) -> Void = {},
        onEnd: (Int, Continuation, State) throws(DamaError) -> Void
    ) throws(DamaError) {
        try check(prompts, options)
        let prompts = prompts.filter { $0.streams?.isEmpty != true }
        if prompts.isEmpty { return }
        var searches: [Search<State>] = []
        for (index, prompt) in prompts.enumerated() {
            if let streams = prompt.streams, streams.count > 1 {
                throw .invalidArgument(
                    "\(streams.count) samples by beam search would all be the same; set samples 1 or num_beams 1")
            }
            let room = min(options.maximumTokens, maximumPositions - prompt.tokens.count)
            searches.append(
                Search(
                    index: index, length: prompt.tokens.count,
                    beams: BeamSearch(options, room: room, ends: options.endTokens ?? endTokens, state: state),
                    cached: [[Int32]](repeating: [], count: options.beams)))
        }
        let width = options.beams
        let positions = maximumPositions
        let length = prompts.map { min($0.tokens.count + options.maximumTokens, positions) }.max() ?? 0
        let cache = try makeCache(batch: prompts.count, length: length, output: .logits)
        var logits = try cache.start(prompts, run: run)
        // The number of rows that a prompt has in the cache.
        var rows = 1
        while true {
            try advance(&searches, logits, rows, push)
            for search in searches where search.beams.isDone {
                guard let best = search.beams.finished.first else { throw .internal("a search ended without a text") }
                try onEnd(search.index, best.continuation, best.state)
            }
            let live = searches.indices.filter { !searches[$0].beams.isDone }
            if live.isEmpty { return }
            if rows == 1 {
                try cache.keep(live.flatMap { [Int](repeating: $0, count: width) })
                rows = width
            } else if live.count < searches.count {
                try cache.keep(live.flatMap { $0 * width..<($0 + 1) * width })
            }
            searches = live.map { searches[$0] }
            var copies: [CacheCopy] = []
            for index in searches.indices { copies += searches[index].exchange(from: index * width) }
            if !copies.isEmpty { try cache.copy(copies) }
            try onStep()
            logits = try step(searches, width, cache, run)
        }
    }

    private func advance<State>(
        _ searches: inout [Search<State>], _ logits: TensorValue, _ rows: Int, _ push: (inout State, Int32) -> Bool
    ) throws(DamaError) {
        let size = vocabularySize
        let count = searches.count * rows
        // Any label gives the normalisers.
        let labels = [Int64](repeating: 0, count: count)
        var values = [Float](repeating: 0, count: count)
        var normalizers = values
        try logits.withElements(of: Float.self) { all throws(DamaError) in
            guard let base = all.baseAddress, all.count == count * size else {
                throw .internal("\(all.count) logits for \(count) rows of \(size)")
            }
            try TokenLogProbabilities.forward(
                logits: base, rows: count, vocabulary: size, labels: labels, logProbabilities: &values,
                normalizers: &normalizers, threads: runtime.threads)
            for index in searches.indices {
                let own = searches[index].beams.beams.map { index * rows + $0.row }
                try searches[index].beams.advance(
                    own.map { UnsafeBufferPointer(rebasing: all[$0 * size..<($0 + 1) * size]) },
                    normalizers: own.map { normalizers[$0] }, push: push)
            }
        }
    }

    /// Processes the last token of each beam. A row without a beam computes something that nothing reads.
    private func step<State>(
        _ searches: [Search<State>], _ width: Int, _ cache: any KeyValueCache, _ run: RunOptions?
    ) throws(DamaError) -> TensorValue {
        var tokens = [Int32](repeating: 0, count: searches.count * width)
        var lengths = tokens.map { _ in 0 }
        for (index, search) in searches.enumerated() {
            for row in 0..<width { lengths[index * width + row] = search.length }
            for beam in search.beams.beams {
                guard let last = beam.tokens.last else { continue }
                tokens[index * width + beam.row] = last
                lengths[index * width + beam.row] = search.length + beam.tokens.count - 1
            }
        }
        return try cache.step(tokens, at: lengths, run: run)
    }
}
