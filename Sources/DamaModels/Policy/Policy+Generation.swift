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
    ///   - onText: is called with the prompt's index and each piece of text as soon as it is final. An error that it
    ///     throws ends the call.
    /// - Throws: ``DamaError/Code/invalidArgument`` naming the prompt (`prompt 3: …`) whose input is wrong.
    public func generate(
        _ requests: [GenerationRequest], _ options: GenerationOptions, stop: [String] = [], run: RunOptions? = nil,
        onText: (Int, String) throws(DamaError) -> Void = { _, _ in }
    ) throws(DamaError) -> [Generated] {
        try generate(prepared: prepare(requests, run: run), options, stop: stop, run: run, onText: onText)
    }

    /// Continues prompts that this policy prepared, as one batch. The results are ordered by prompt, then by stream.
    /// A repeated image is encoded once.
    public func generate(
        prepared prompts: [PreparedPrompt], _ options: GenerationOptions, stop: [String] = [], run: RunOptions? = nil,
        onText: (Int, String) throws(DamaError) -> Void = { _, _ in }
    ) throws(DamaError) -> [Generated] {
        guard !stop.contains("") else { throw .invalidArgument("a stop string is empty") }
        var features = ImageFeatures()
        var rows: [DecoderPrompt] = []
        for prompt in prompts {
            rows.append(
                DecoderPrompt(
                    prompt.tokens, features: try encode(prompt.images, &features, run: run), streams: prompt.streams))
        }
        let count = prompts.reduce(0) { $0 + ($1.streams?.count ?? 1) }
        var streams = (0..<count).map { _ in TextStream(tokenizer, stop: stop) }
        let continuations = try decoder.generate(rows, options, run: run) { index, token throws(DamaError) in
            let (text, isStopped) = streams[index].push(token)
            if !text.isEmpty { try onText(index, text) }
            return !isStopped
        }
        var results: [Generated] = []
        for (index, continuation) in continuations.enumerated() {
            let rest = streams[index].finish()
            if !rest.isEmpty { try onText(index, rest) }
            // The text held back to the end may contain a stop string.
            let finish = streams[index].isStopped ? .stop : continuation.finish
            results.append(Generated(text: streams[index].text, tokens: continuation.tokens, finish: finish))
        }
        return results
    }
}
