import DamaImage
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
    public let template: PromptTemplate
    package let decoder: any CausalDecoder
    /// `nil` for a text-only model.
    package let vision: (any ImageFeatureEncoder)?
    let text: PolicyTokens

    // MARK: Properties

    /// The most tokens of images, prompt and one response.
    public var maximumLength: Int { min(options.maximumLength ?? .max, decoder.maximumPositions) }
    public var vocabularySize: Int { decoder.vocabularySize }
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
            ModelSource(directory: directory, config: config, imageMode: options.imageMode))
        var image: (token: String, id: Int32)?
        if let id = architecture.imageToken {
            guard let token = tokenizer.token(of: id) else {
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
        let templateName: String
        if let given = options.template {
            templateName = given
        } else {
            templateName = try PromptTemplate.detect(directory: directory, takesImage: image != nil)
        }
        let template = try PromptTemplate.named(templateName, endToken: Self.endToken(tokenizer, endTokens))
        let parts = try architecture.open(
            ModelOpening(
                directory: directory, runtime: runtime, device: options.device, tokenizer: tokenizer,
                endTokens: endTokens))
        try self.init(
            directory: directory, options: options, tokenizer: tokenizer, template: template, parts: parts, image: image
        )
    }

    /// Creates a policy from opened networks.
    ///
    /// - Parameter image: the text and the id of the image token; `nil` for a text-only model.
    init(
        directory: String, options: PolicyOptions, tokenizer: Tokenizer, template: PromptTemplate, parts: ModelParts,
        image: (token: String, id: Int32)?
    ) throws(DamaError) {
        self.directory = directory
        self.options = options
        self.tokenizer = tokenizer
        self.template = template
        (decoder, vision) = (parts.decoder, parts.vision)
        text = PolicyTokens(tokenizer: tokenizer, template: template, system: options.system, image: image)
        // Fails early if the template has no place for the system prompt.
        _ = try template.render(question: "", system: options.system)
    }

    /// The text of the token that ends a sequence: the tokenizer's end token, or else the first one of the
    /// configuration; empty if there is neither.
    private static func endToken(_ tokenizer: Tokenizer, _ endTokens: [Int]) -> String {
        if let end = tokenizer.specialTokens.eos.flatMap(tokenizer.token(of:)) { return end }
        return endTokens.first.flatMap { tokenizer.token(of: Int32(clamping: $0)) } ?? ""
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

    /// Options by which another thread can stop ``logProbabilities(_:run:)`` and ``generate(_:_:stop:run:onText:)``.
    public func makeRunOptions() throws(DamaError) -> RunOptions { try RunOptions(decoder.runtime) }
}
