import DamaImage
import DamaRuntime
import DamaSupport

/// SigLIP, and SigLIP 2 with images of a fixed size.
///
/// `SiglipModel` adds a bias to the scaled cosine. The scores of Eq. (4) do without it: it is the same for all texts,
/// and cancels in the softmax of Eq. (5).
enum SiglipEncoders: EncoderFamily {
    static let modelTypes = [ModelType("siglip", className: "SiglipModel")]

    static func open(_ opening: EncoderOpening) throws(DamaError) -> any EncoderTowers {
        let configuration = try SiglipConfiguration(ConfigReader(path: "\(opening.directory)/config.json"))
        return try SiglipTowers(configuration, opening, padding: SiglipPadding(configuration.text, opening))
    }
}

/// How a text becomes one of the fixed length.
struct SiglipPadding: Equatable, Sendable {
    var token: Int32
    /// Whether padding precedes the text.
    var isLeft: Bool

    /// The tokenizer's pad token, or else that of config.json. The side is `padding_side` of tokenizer_config.json.
    init(_ text: SiglipTextConfiguration, _ opening: EncoderOpening) throws(DamaError) {
        guard let token = opening.tokenizer.specialTokens.pad ?? text.padToken else {
            throw .model(
                "\(opening.directory): neither the tokenizer (pad_token) nor text_config (pad_token_id) has a pad "
                    + "token; SigLIP pads every text to \(text.length) tokens")
        }
        guard (0..<text.vocabularySize).contains(Int(token)) else {
            throw .model(
                "\(opening.directory): the pad token is \(token), but the text model has \(text.vocabularySize) tokens")
        }
        self.token = token
        let path = "\(opening.directory)/tokenizer_config.json"
        guard Files.exists(path) else {
            isLeft = false
            return
        }
        let config = try ConfigReader(path: path)
        // The class's own side, if the file names none.
        let isSiglip2 = try config.string("tokenizer_class", default: "").hasPrefix("Siglip2Tokenizer")
        let side = try config.string("padding_side", default: isSiglip2 ? "left" : "right")
        guard side == "left" || side == "right" else {
            throw config.wrong("padding_side", .string(side), "\"left\" or \"right\"")
        }
        isLeft = side == "left"
    }

    func apply(_ tokens: [Int32], length: Int) -> [Int32] {
        let padding = Array(repeating: token, count: max(0, length - tokens.count))
        return isLeft ? padding + tokens : tokens + padding
    }
}

/// SigLIP's towers over safetensors.
final class SiglipTowers: EncoderTowers {
    let configuration: SiglipConfiguration
    let padding: SiglipPadding
    let logitScale: Float
    let runtime: OnnxRuntime
    private let weights: ModelWeights
    private let text: Session
    private let vision: Session

    var dimension: Int { configuration.vision.tower.hiddenSize }
    var vocabularySize: Int? { configuration.text.vocabularySize }
    var maximumLength: Int { configuration.text.length }
    var imageSize: Int? { configuration.vision.imageSize }

    init(
        _ configuration: SiglipConfiguration, _ opening: EncoderOpening, padding: SiglipPadding
    ) throws(DamaError) {
        let (directory, runtime) = (opening.directory, opening.runtime)
        let weights = try opening.weights(WeightStore(directory: directory))
        let graph = SiglipGraph(configuration, kernels: try opening.kernels)
        logitScale = try weights.store.logitScale()
        text = try weights.session(
            graph.text(), named: "\(directory) (text)", placement: .mappedFile, options: opening.session)
        vision = try weights.session(
            graph.vision(), named: "\(directory) (vision)", placement: .mappedFile, options: opening.session)
        self.configuration = configuration
        self.padding = padding
        self.weights = weights
        self.runtime = runtime
    }

    var fingerprint: String {
        get throws(DamaError) {
            var hash = SHA256()
            hash.update(weights.store.fingerprint.utf8)
            hash.update("\(configuration.identity), padding: \(padding.token) \(padding.isLeft)".utf8)
            hash.update(weights.precision.mark.utf8)
            return hash.hexDigest
        }
    }

    func sequence(_ tokens: [Int32]) -> [Int32] { padding.apply(tokens, length: configuration.text.length) }

    func embed(sequences: [[Int32]], run: RunOptions?) throws(DamaError) -> [[Float]] {
        typealias Port = SiglipGraph.Port
        var embeddings: [[Float]] = []
        embeddings.reserveCapacity(sequences.count)
        let textsPerRun = max(1, text.device.scoredTokens / max(1, configuration.text.length))
        for start in stride(from: 0, to: sequences.count, by: textsPerRun) {
            let batch = sequences[start..<min(start + textsPerRun, sequences.count)]
            let tokens = try TensorValue(
                runtime, batch.flatMap { $0.map(Int64.init) }, shape: [batch.count, configuration.text.length])
            let result = try text.run([Port.tokens: tokens], outputs: [Port.textEmbeddings], options: run)
            embeddings += try rows(result[0], Port.textEmbeddings)
        }
        return embeddings
    }

    func embed(images: [PreparedImage], run: RunOptions?) throws(DamaError) -> [[Float]] {
        try embed(images, vision, SiglipGraph.Port.pixels, SiglipGraph.Port.imageEmbeddings, run: run)
    }
}
