import DamaRuntime
import DamaSupport

extension Policy {
    /// A text that continues a prompt.
    public struct Generated: Equatable, Sendable {
        public var text: String
        public var tokens: [Int32]
        public var finish: FinishReason
    }

    /// Continues prompts, as one batch.
    ///
    /// - Parameters:
    ///   - stop: texts that end a continuation. The continuation does not include them.
    ///   - onText: is called with the prompt's index and each piece of text as soon as it is final. With several beams
    ///     that is the whole text, when the prompt's search has ended. An error that it throws ends the call.
    ///   - onStep: is called before each step of a beam search, which has no text yet. An error that it throws ends the
    ///     call.
    /// - Throws: ``DamaError/Code/invalidArgument`` naming the prompt (`prompt 3: …`) whose input is wrong.
    public func generate(
        _ requests: [GenerationRequest], _ options: GenerationOptions, stop: [String] = [], run: RunOptions? = nil,
        onText: (Int, String) throws(DamaError) -> Void = { _, _ in }, onStep: () throws(DamaError) -> Void = {}
    ) throws(DamaError) -> [Generated] {
        try options.validate()
        return try generate(
            prepared: prepare(requests, run: run), options, stop: stop, run: run, onText: onText, onStep: onStep)
    }

    /// Continues prompts that this policy prepared, as one batch. The results are ordered by prompt, then by stream.
    /// A repeated image is encoded once.
    public func generate(
        prepared prompts: [PreparedPrompt], _ options: GenerationOptions, stop: [String] = [], run: RunOptions? = nil,
        onText: (Int, String) throws(DamaError) -> Void = { _, _ in }, onStep: () throws(DamaError) -> Void = {}
    ) throws(DamaError) -> [Generated] {
        guard !stop.contains("") else { throw .invalidArgument("a stop string is empty") }
        var features = ImageFeatures()
        var rows: [DecoderPrompt] = []
        try encode(prompts.flatMap(\.images), &features, run: run)
        for prompt in prompts {
            rows.append(
                DecoderPrompt(prompt.tokens, features: try features.of(prompt.images), streams: prompt.streams))
        }
        let count = prompts.reduce(0) { $0 + ($1.streams?.count ?? 1) }
        let start = TextStream(tokenizer, stop: stop)
        guard options.beams == 1 else {
            var results = [Generated](repeating: Generated(text: "", tokens: [], finish: .length), count: count)
            try decoder.search(
                rows, options, state: start, run: run, push: { $0.push($1).isStopped }, onStep: onStep
            ) { index, continuation, stream throws(DamaError) in
                var stream = stream
                results[index] = result(of: continuation, &stream).generated
                if !stream.text.isEmpty { try onText(index, stream.text) }
            }
            return results
        }
        var streams = [TextStream](repeating: start, count: count)
        let continuations = try decoder.generate(rows, options, run: run) { index, token throws(DamaError) in
            let (text, isStopped) = streams[index].push(token)
            if !text.isEmpty { try onText(index, text) }
            return !isStopped
        }
        var results: [Generated] = []
        for (index, continuation) in continuations.enumerated() {
            let (generated, rest) = result(of: continuation, &streams[index])
            if !rest.isEmpty { try onText(index, rest) }
            results.append(generated)
        }
        return results
    }

    /// The continuation's result, and the text that was held back to the end, which may contain a stop string.
    private func result(
        of continuation: Continuation, _ stream: inout TextStream
    ) -> (generated: Generated, rest: String) {
        let rest = stream.finish()
        let finish = stream.isStopped ? .stop : continuation.finish
        return (Generated(text: stream.text, tokens: continuation.tokens, finish: finish), rest)
    }
}
