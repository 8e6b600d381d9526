import DamaImage
import DamaRuntime
import DamaSupport
import DamaText

/// A language model, with or without a vision tower, from a Hugging Face directory: log-probabilities of responses, and
/// text. May be used from several threads.
///
/// ```swift
/// let policy = try Policy(directory: "llava-1.5-7b-hf")
/// let pair = PreferencePair(image: .path("cat.jpg"), prompt: "What is this?", chosen: "A cat.", rejected: "A dog.")
/// let logps = try policy.logProbabilities([pair])[0]
/// print(logps.chosen.sum - logps.rejected.sum)
/// ```
public final class Policy: Sendable {
    public let directory: String
    public let options: PolicyOptions
    public let tokenizer: Tokenizer
    public let template: PromptTemplate
    public let decoder: any CausalDecoder
    /// `nil` for a model of text alone.
    public let vision: (any ImageFeatureEncoder)?
    package let processor: ImageProcessor?
    let text: PolicyTokens

    /// The most tokens of image, prompt and one response.
    public var maximumLength: Int {
        min(options.maximumLength ?? .max, decoder.configuration.maximumPositions)
    }

    /// Tokens that an image takes; 0 for a model of text alone.
    public var imageTokens: Int { text.image?.features ?? 0 }

    /// Opens a directory with config.json, safetensors and tokenizer.json, and for LLaVA preprocessor_config.json; or
    /// with the hub's ONNX layout in place of the safetensors, for inference alone.
    ///
    /// - Throws: ``DamaError/Code/unsupported`` for another architecture, naming those that load; otherwise what is
    ///   wrong with the file at hand.
    public init(directory: String, options: PolicyOptions = PolicyOptions()) throws(DamaError) {
        try ModelDirectory.checkLayout(directory)
        let config = try ConfigReader(path: "\(directory)/config.json")
        let runtime = try OnnxRuntime.load(path: options.runtimePath, threads: options.threads)
        tokenizer = try Tokenizer(directory: directory)
        let type = try config.string("model_type", default: "")
        var configuration: LlamaConfiguration
        var llava: LlavaConfiguration?
        var image: (token: String, id: Int32, features: Int)?
        switch type {
        case "llama":
            configuration = try LlamaConfiguration(config)
            processor = nil
        case "llava":
            let known = try LlavaConfiguration(config)
            configuration = known.text
            llava = known
            var processor = try ImageProcessor(directory: directory)
            if options.imageMode == .pad { processor.padsToSquare = true }
            self.processor = processor
            guard let token = tokenizer.token(of: known.imageToken) else {
                throw .model(
                    "\(directory): the tokenizer has no token \(known.imageToken), which config.json names as the image's"
                )
            }
            image = (token, known.imageToken, known.imageTokens)
        default:
            throw .unsupported(
                "\(config.place): model_type is \"\(type)\"; supported are \"llama\" (LlamaForCausalLM) and \"llava\" "
                    + "(LlavaForConditionalGeneration)")
        }
        configuration.endTokens = try Self.endTokens(directory, configuration, tokenizer)
        guard tokenizer.idEnd <= configuration.vocabularySize else {
            throw .model(
                "\(directory): the tokenizer has ids up to \(tokenizer.idEnd - 1), but vocab_size is "
                    + "\(configuration.vocabularySize)")
        }
        // Before the weights, which take their time.
        let templateName: String
        if let given = options.template {
            templateName = given
        } else {
            templateName = try PromptTemplate.detect(directory: directory, takesImage: image != nil)
        }
        template = try PromptTemplate.named(templateName, endToken: Self.endToken(tokenizer, configuration))
        (decoder, vision) = try Self.networks(directory, configuration, llava, runtime, options.device)
        text = PolicyTokens(tokenizer: tokenizer, template: template, system: options.system, image: image)
        // A template without a place for what was asked is better found here than at the first prompt.
        _ = try template.render(question: "", system: options.system)
        self.directory = directory
        self.options = options
    }

    /// Decoder and vision tower, from whichever files the directory has. Where it has both, safetensors count.
    private static func networks(
        _ directory: String, _ configuration: LlamaConfiguration, _ llava: LlavaConfiguration?, _ runtime: OnnxRuntime,
        _ device: Device
    ) throws(DamaError) -> (any CausalDecoder, (any ImageFeatureEncoder)?) {
        if !WeightStore.exists(in: directory),
            let layout = try OnnxLayout(directory: directory, takesImages: llava != nil)
        {
            let decoder = try OnnxDecoder(configuration, layout, runtime, device: device)
            guard let llava, let path = layout.vision else { return (decoder, nil) }
            return (decoder, try OnnxVision(llava, path: path, runtime, device: device))
        }
        let weights = ModelWeights.shared(try WeightStore(directory: directory), runtime)
        let decoder = try LlamaDecoder(configuration, weights, runtime, device: device)
        guard let llava else { return (decoder, nil) }
        return (decoder, try LlavaVision(llava, weights, runtime, device: device))
    }

    /// How the tokenizer spells the end of a sequence: its own end token, else the one that the configuration names;
    /// empty where there is none.
    private static func endToken(_ tokenizer: Tokenizer, _ configuration: LlamaConfiguration) -> String {
        if let end = tokenizer.specialTokens.eos.flatMap(tokenizer.token(of:)) { return end }
        return configuration.endTokens.first.flatMap { tokenizer.token(of: Int32($0)) } ?? ""
    }

    /// generation_config.json knows better than config.json which tokens end a text.
    private static func endTokens(
        _ directory: String, _ configuration: LlamaConfiguration, _ tokenizer: Tokenizer
    ) throws(DamaError) -> [Int] {
        let path = "\(directory)/generation_config.json"
        if Files.exists(path) {
            let ids = try ConfigReader(path: path).ints("eos_token_id", in: 0...(configuration.vocabularySize - 1))
            if !ids.isEmpty { return ids }
        }
        if !configuration.endTokens.isEmpty { return configuration.endTokens }
        return tokenizer.specialTokens.eos.map { [Int($0)] } ?? []
    }

    /// By which another thread can stop ``logProbabilities(_:run:)`` and ``generate(_:_:stop:run:onText:)``.
    public func makeRunOptions() throws(DamaError) -> RunOptions { try RunOptions(decoder.runtime) }

    // MARK: Log-probabilities

    /// log π of both responses of every pair, in order.
    ///
    /// Images that are the same bytes or the same path are encoded once in a call. Pairs of like length run together,
    /// in batches within the token budget.
    ///
    /// - Throws: ``DamaError/Code/invalidArgument`` naming the pair (`pair 3: …`) whose input is wrong.
    public func logProbabilities(
        _ pairs: [PreferencePair], run: RunOptions? = nil
    ) throws(DamaError) -> [PairLogProbabilities] {
        guard !pairs.isEmpty else { throw .invalidArgument("the batch is empty; expected at least one pair") }
        let features = try imageFeatures(pairs.map(\.image), of: "pair", run: run)
        var laidOut: [PreparedPair] = []
        for (index, pair) in pairs.enumerated() {
            do {
                let (sequence, cuts) = try layOut(pair)
                laidOut.append(PreparedPair(sequence: sequence, cuts: cuts))
            } catch {
                throw DamaError(error.code, "pair \(index): \(error.message)")
            }
        }
        let rows = zip(laidOut, features).map { LlamaDecoder.Row($0.sequence, features: $1) }
        return zip(laidOut, try score(rows, run: run)).map { pair, values in pair.split(values) }
    }

    /// The pair as one sequence, and which responses were cut.
    package func layOut(_ pair: PreferencePair) throws(DamaError) -> (TokenSequence, [Bool]) {
        let encoded = try text.encode(prompt: pair.prompt, responses: [pair.chosen, pair.rejected])
        let room = maximumLength - encoded.prompt.count
        var responses = encoded.responses
        var cuts = [false, false]
        for index in responses.indices where responses[index].count > room {
            let name = index == 0 ? "chosen" : "rejected"
            guard options.overlong == .cut, room > 0 else {
                throw .invalidArgument(
                    "prompt (\(encoded.prompt.count) tokens) and \(name) response (\(responses[index].count)) are longer "
                        + "than the maximum of \(maximumLength)")
            }
            responses[index].removeSubrange(room...)
            cuts[index] = true
        }
        return (try TokenSequence(prefix: encoded.prompt, responses: responses), cuts)
    }

    /// Token log-probabilities of rows of any number, in batches of like lengths.
    func score(_ rows: [LlamaDecoder.Row], run: RunOptions?) throws(DamaError) -> [[Float]] {
        var results = [[Float]](repeating: [], count: rows.count)
        // Without sharing, each response becomes a row of its own, and its numbers are put behind one another again.
        var pieces: [(owner: Int, row: LlamaDecoder.Row)] = []
        for (index, row) in rows.enumerated() {
            guard !(options.sharesPrefix && decoder.packsResponses) else {
                pieces.append((index, row))
                continue
            }
            let sequence = row.sequence
            for response in sequence.responses {
                let own = try TokenSequence(
                    prefix: Array(sequence.tokens[..<sequence.prefixLength]),
                    responses: [Array(sequence.tokens[response.range])])
                pieces.append((index, LlamaDecoder.Row(own, features: row.features)))
            }
        }
        var found = [[Float]](repeating: [], count: pieces.count)
        for batch in LengthBatches.plan(pieces.map(\.row.sequence.count), budget: options.tokenBudget) {
            for (piece, values) in zip(batch, try decoder.logProbabilities(batch.map { pieces[$0].row }, options: run))
            {
                found[piece] = values
            }
        }
        for (piece, values) in zip(pieces, found) { results[piece.owner] += values }
        return results
    }

    // MARK: Images

    /// The features of each image; empty for a model of text alone.
    func imageFeatures(
        _ images: [ImageSource?], of what: String, run: RunOptions?
    ) throws(DamaError) -> [[Float]] {
        guard let vision, let processor else {
            if let index = images.firstIndex(where: { $0 != nil }) {
                throw .invalidArgument("\(what) \(index) has an image, but \(directory) is a model of text alone")
            }
            return images.map { _ in [] }
        }
        var features = [[Float]](repeating: [], count: images.count)
        var known: [ImageKey: Int] = [:]
        for (index, image) in images.enumerated() {
            guard let image else { throw .invalidArgument("\(what) \(index) has no image, but the model takes one") }
            let key = ImageKey(image)
            if let first = known[key] {
                features[index] = features[first]
                continue
            }
            do {
                let prepared = try processor.process(image.decode(limits: options.imageLimits, options.imageDecoding))
                features[index] = try vision.features([prepared], options: run)[0]
            } catch {
                throw DamaError(error.code, "\(what) \(index): \(error.message)")
            }
            known[key] = index
        }
        return features
    }

    /// What makes two images of one call the same.
    private enum ImageKey: Hashable {
        case path(ExactText)
        case bytes([UInt8])
        case pixels(width: Int, [UInt8])

        init(_ image: ImageSource) {
            switch image {
            case .path(let path): self = .path(ExactText(path))
            case .bytes(let bytes): self = .bytes(bytes)
            case .pixels(let image): self = .pixels(width: image.width, image.pixels)
            }
        }
    }
}
