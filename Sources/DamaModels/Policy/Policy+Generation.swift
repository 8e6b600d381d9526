import DamaImage
import DamaRuntime
import DamaSupport

/// A prompt as a model takes it: token ids and pixels.
public struct PreparedPrompt: Sendable {
    var tokens: [Int32]
    /// `nil` for a model of text alone.
    var image: PreparedImage?
    /// As ``LlamaDecoder/Prompt/streams``.
    public var streams: [UInt64]?
}

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
    ///   - requests: a question, and its image where the model takes one.
    ///   - stop: texts that end a continuation; they are not part of it.
    ///   - onText: hears of each piece of text as it becomes certain; what it throws ends all.
    public func generate(
        _ requests: [(image: ImageSource?, prompt: String)], _ options: GenerationOptions, stop: [String] = [],
        run: RunOptions? = nil, onText: (Int, String) throws(DamaError) -> Void = { _, _ in }
    ) throws(DamaError) -> [Generated] {
        let features = try imageFeatures(requests.map(\.image), of: "prompt", run: run)
        var prompts: [LlamaDecoder.Prompt] = []
        for (index, request) in requests.enumerated() {
            do {
                prompts.append(.init(try text.encode(prompt: request.prompt), features: features[index]))
            } catch {
                throw DamaError(error.code, "prompt \(index): \(error.message)")
            }
        }
        return try generate(prompts, options, stop: stop, run: run, onText: onText)
    }

    /// Tokenises and decodes. May run on other threads while the model computes.
    ///
    /// - Throws: ``DamaError/Code/invalidArgument`` for a prompt that cannot be laid out, or that leaves no room for a
    ///   token; what ``ImageDecoder`` throws.
    public func prepare(prompt: String, image: ImageSource?) throws(DamaError) -> PreparedPrompt {
        let tokens = try text.encode(prompt: prompt)
        guard tokens.count < decoder.configuration.maximumPositions else {
            throw .invalidArgument(
                "the prompt has \(tokens.count) tokens; the model has \(decoder.configuration.maximumPositions) positions "
                    + "for prompt and continuation")
        }
        guard !tokens.isEmpty else { throw .invalidArgument("the prompt has no tokens") }
        guard let processor else {
            guard image == nil else {
                throw .invalidArgument("the prompt has an image, but \(directory) is a model of text alone")
            }
            return PreparedPrompt(tokens: tokens)
        }
        guard let image else { throw .invalidArgument("the prompt has no image, but the model takes one") }
        return PreparedPrompt(
            tokens: tokens,
            image: try processor.process(image.decode(limits: options.imageLimits, options.imageDecoding)))
    }

    /// Continues prepared prompts, as one batch: for each in turn, each of its streams. Images that are the same pixels
    /// are encoded once.
    public func generate(
        prepared requests: [PreparedPrompt], _ options: GenerationOptions, stop: [String] = [], run: RunOptions? = nil,
        onText: (Int, String) throws(DamaError) -> Void = { _, _ in }
    ) throws(DamaError) -> [Generated] {
        let features = try imageFeatures(requests.map(\.image), run: run)
        let prompts = zip(requests, features).map { request, features in
            LlamaDecoder.Prompt(request.tokens, features: features, streams: request.streams)
        }
        return try generate(prompts, options, stop: stop, run: run, onText: onText)
    }

    private func generate(
        _ prompts: [LlamaDecoder.Prompt], _ options: GenerationOptions, stop: [String], run: RunOptions?,
        onText: (Int, String) throws(DamaError) -> Void
    ) throws(DamaError) -> [Generated] {
        guard !stop.contains("") else { throw .invalidArgument("a stop string is empty") }
        let count = prompts.reduce(0) { $0 + ($1.streams?.count ?? 1) }
        var streams = (0..<count).map { _ in TextStream(tokenizer, stop: stop) }
        let continuations = try decoder.generate(prompts, options, run: run) { index, token throws(DamaError) in
            let (text, isStopped) = streams[index].push(token)
            if !text.isEmpty { try onText(index, text) }
            return !isStopped
        }
        var results: [Generated] = []
        for (index, continuation) in continuations.enumerated() {
            let rest = streams[index].finish()
            if !rest.isEmpty { try onText(index, rest) }
            // What was held back to the end may hold the stop string.
            let finish = streams[index].isStopped ? .stop : continuation.finish
            results.append(Generated(text: streams[index].text, tokens: continuation.tokens, finish: finish))
        }
        return results
    }
}
