import DamaImage
import DamaJinja
import DamaRuntime
import DamaSupport
import DamaText

/// A language model, with or without a vision tower, from a Hugging Face directory. It computes log-probabilities of
/// responses and generates text. May be used from several threads.
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
    /// The template in use.
    public var template: ChatTemplate { text.format.template }
    package let decoder: any CausalDecoder
    /// `nil` for a text-only model.
    package let vision: (any ImageFeatureEncoder)?
    let text: PolicyTokens

    // MARK: Properties

    /// The most tokens of images, prompt and one response.
    public var maximumLength: Int { min(options.maximumLength ?? .max, decoder.maximumPositions) }
    public var vocabularySize: Int { decoder.vocabularySize }
    /// What the model computes in; float32 for ONNX files, whose types are their own.
    public var precision: Precision { decoder.precision }
    public var hiddenSize: Int { decoder.hiddenSize }
    public var takesImages: Bool { vision != nil }
    /// The most tokens that an image takes; 0 for a text-only model.
    public var imageTokens: Int { vision?.tokenCounts.upperBound ?? 0 }

    // MARK: Opening

    /// Opens a directory with config.json, safetensors, tokenizer.json and, with images, preprocessor_config.json. The
    /// hub's ONNX layout may replace the safetensors, for inference only.
    ///
    /// - Throws: ``DamaError/Code/unsupported`` for another architecture, with a list of the supported ones; otherwise
    ///   an error that names the file and what is wrong with it.
    public convenience init(directory: String, options: PolicyOptions = PolicyOptions()) throws(DamaError) {
        try ModelDirectory.checkLayout(directory)
        let config = try ConfigReader(path: "\(directory)/config.json")
        let runtime = try OnnxRuntime.load(path: options.runtimePath, threads: options.threads)
        let tokenizer = try Tokenizer(directory: directory)
        let architecture = try Architectures.read(
            ModelSource(
                directory: directory, config: config, imageMode: options.imageMode, visionTower: options.visionTower))
        var image: (token: String, id: Int32)?
        if let id = architecture.imageToken {
            guard let token = architecture.imageMark ?? tokenizer.token(of: id) else {
                throw .model(
                    "\(directory): the tokenizer has no token \(id), the image token of config.json")
            }
            image = (token, id)
        }
        let endTokens = try Self.endTokens(directory, architecture, tokenizer)
        guard tokenizer.idEnd <= architecture.vocabularySize else {
            throw .model(
                "\(directory): the tokenizer has ids up to \(tokenizer.idEnd - 1), but vocab_size is "
                    + "\(architecture.vocabularySize)")
        }
        // Checked before the weights, which take longer to open.
        let template: ChatTemplate
        if let given = options.template {
            template = try ChatTemplate(given)
        } else {
            template = try ChatTemplate(
                directory: directory, takesImage: image != nil, fallback: architecture.defaultTemplate)
        }
        guard let date = CalendarDate(options.templateDate) else {
            throw .invalidArgument(
                "the template's date is \(JSON.string(options.templateDate).text); it must be a day such as 2026-01-31")
        }
        let format = try ChatFormat(
            template, tokenizer: tokenizer, endTokens: endTokens, imageToken: image?.token, system: options.system,
            date: date)
        let parts = try architecture.open(
            ModelOpening(
                directory: directory, runtime: runtime, device: options.device, precision: options.precision,
                tokenizer: tokenizer, endTokens: endTokens))
        self.init(
            directory: directory, options: options, tokenizer: tokenizer, format: format, parts: parts, image: image)
    }

    /// Creates a policy from opened networks.
    ///
    /// - Parameter image: the text and the id of the image token; `nil` for a text-only model.
    init(
        directory: String, options: PolicyOptions, tokenizer: Tokenizer, format: ChatFormat, parts: ModelParts,
        image: (token: String, id: Int32)?
    ) {
        self.directory = directory
        self.options = options
        self.tokenizer = tokenizer
        (decoder, vision) = (parts.decoder, parts.vision)
        text = PolicyTokens(tokenizer: tokenizer, format: format, image: image)
    }

    /// The end tokens of generation_config.json take precedence over those of config.json.
    private static func endTokens(
        _ directory: String, _ architecture: any Architecture, _ tokenizer: Tokenizer
    ) throws(DamaError) -> [Int] {
        let path = "\(directory)/generation_config.json"
        if Files.exists(path) {
            let ids = try ConfigReader(path: path).ints("eos_token_id", in: 0...(architecture.vocabularySize - 1))
            if !ids.isEmpty { return ids }
        }
        if !architecture.endTokens.isEmpty { return architecture.endTokens }
        return tokenizer.specialTokens.eos.map { [Int($0)] } ?? []
    }

    /// Checks that the template can write a response, so that pairs can be prepared.
    ///
    /// - Throws: ``DamaError/Code/unsupported`` and ``DamaError/Code/invalidArgument`` naming the template.
    package func checkResponses() throws(DamaError) { try text.format.checkResponses() }

    /// Options by which another thread can stop ``logProbabilities(_:run:)`` and
    /// ``generate(_:_:stop:run:onText:onStep:)``.
    public func makeRunOptions() throws(DamaError) -> RunOptions { try RunOptions(decoder.runtime) }
}
