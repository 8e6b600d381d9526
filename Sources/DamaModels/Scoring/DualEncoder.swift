import DamaImage
import DamaRuntime
import DamaSupport
import DamaText
import Synchronization

/// A model with a tower for images and one for texts, such as CLIP, which embeds both in one space. May be used from
/// several threads at once.
public final class DualEncoder: ImageTextEncoder {
    /// How a model is loaded and which inputs it takes.
    public struct Options: Sendable {
        /// What happens to a text with more tokens than the model takes.
        public enum LongTexts: String, Sendable {
            /// The call throws an error that names the text and its number of tokens.
            case refuse
            /// Its end is cut off, as Hugging Face's `truncation=True` does.
            case cut
        }

        /// Threads of inference; 0 is one for each processor that this process may use. See
        /// ``OnnxRuntime/load(path:threads:)``.
        public var threads = 0
        public var device: Device = .cpu
        /// `nil` is float32 on the CPU and bfloat16 on CUDA. The CPU takes float32 and float16.
        public var precision: Precision?
        public var longTexts: LongTexts = .refuse
        /// The most pixels that an image may have when decoded.
        public var maximumImagePixels = ImageLimits().pixels
        /// Orientation and transparency of image files.
        public var imageDecoding = ImageDecoding()
        /// exp(logit_scale) for CLIP in ONNX files, which do not hold it. `nil` is 100.
        public var logitScale: Float?
        /// The file of ONNX Runtime; see ``OnnxRuntime/load(path:threads:)``.
        public var runtimePath: String?

        public init() {}
    }

    public let dimension: Int
    public let logitScale: Float
    public let tokenLimit: Int

    private let towers: any EncoderTowers
    private let tokenizer: Tokenizer
    private let processor: ImageProcessor
    private let directory: String
    private let options: Options
    private let cachedFingerprint = Mutex<String?>(nil)

    /// Opens a directory with a model's configuration, safetensors in one file or in shards, tokenizer.json (for CLIP
    /// also vocab.json and merges.txt) and preprocessor_config.json. docs/score.md lists the supported models. CLIP's
    /// safetensors may be replaced by `text_model.onnx` and `vision_model.onnx`, in the directory or its folder `onnx`.
    ///
    /// - Throws: ``DamaError`` naming the file, and the field or tensor, that is missing or wrong.
    public init(directory: String, options: Options = Options()) throws(DamaError) {
        try ModelDirectory.checkLayout(directory)
        guard Files.isDirectory(directory) else {
            throw .io("\(directory) is not a directory; expected one that holds a CLIP model or a similar one")
        }
        guard (1...(1 << 40)).contains(options.maximumImagePixels) else {
            throw .invalidArgument("the limit of \(options.maximumImagePixels) pixels for an image must be positive")
        }
        if let scale = options.logitScale, !(scale.isFinite && scale > 0) {
            throw .invalidArgument("the logit scale \(scale) must be a positive number")
        }
        let family = try Encoders.family(of: directory)
        let tokenizer = try family.tokenizer(directory)
        let processor = try family.processor(directory)
        let runtime = try OnnxRuntime.load(path: options.runtimePath, threads: options.threads)
        var session = SessionOptions()
        session.threads = options.threads
        session.device = options.device
        towers = try family.open(
            EncoderOpening(
                directory: directory, tokenizer: tokenizer, runtime: runtime, session: session,
                precision: options.precision, logitScale: options.logitScale))
        dimension = towers.dimension
        logitScale = towers.logitScale
        tokenLimit = towers.maximumLength
        self.tokenizer = tokenizer
        self.processor = processor
        self.directory = directory
        self.options = options
        try checkParts()
    }

    /// Checks that tokenizer, image processor and towers fit each other.
    private func checkParts() throws(DamaError) {
        if let size = processor.outputSize, let side = towers.imageSize, size != PixelSize(width: side, height: side) {
            throw .model(
                "\(directory): the image processor makes images of \(size.width) × \(size.height) pixels; the "
                    + "vision model takes \(side) × \(side)")
        }
        let around = tokenizer.surroundingTokens
        guard !around.before.isEmpty || !around.after.isEmpty else {
            throw .model("\(directory): the tokenizer adds neither a start nor an end token; the text model needs them")
        }
        guard around.before.count + around.after.count <= tokenLimit else {
            throw .model("\(directory): the model takes \(tokenLimit) tokens; start and end token alone are more")
        }
    }

    public var imagesPerStep: Int { options.device.scoredImages }
    public var sentencesPerStep: Int { options.device == .cpu ? 256 : 1024 }
    /// The model takes the processors too if it runs on them.
    public var preparationThreads: Int { options.device == .cpu ? 0 : Processors.usable }

    /// Computed on first use, since it reads all weights.
    public var fingerprint: String {
        get throws(DamaError) {
            if let known = cachedFingerprint.withLock({ $0 }) { return known }
            var hash = SHA256()
            hash.update("clip 2 \(options.longTexts.rawValue)".utf8)
            hash.update(try towers.fingerprint.utf8)
            hash.update(processor.settings.text.utf8)
            hash.update(options.imageDecoding.json.text.utf8)
            let names = ["tokenizer.json", "vocab.json", "merges.txt", "tokenizer.model", "spiece.model"]
            for name in names where Files.exists("\(directory)/\(name)") {
                let file = try MappedFile(path: "\(directory)/\(name)")
                hash.update(UInt64(file.bytes.count))
                hash.update(file.bytes)
            }
            let result = hash.hexDigest
            cachedFingerprint.withLock { $0 = result }
            return result
        }
    }

    /// Options by which another thread can stop ``embed(images:run:)`` and ``embed(texts:run:)``.
    public func makeRunOptions() throws(DamaError) -> RunOptions { try RunOptions(towers.runtime) }

    // MARK: Images

    public func prepare(imageBytes: [UInt8]) throws(DamaError) -> PreparedImage { try prepare(.bytes(imageBytes)) }

    /// Prepares the image in a file; errors name the file.
    public func prepare(imagePath: String) throws(DamaError) -> PreparedImage { try prepare(.path(imagePath)) }

    /// Prepares an image file, its bytes or pixels.
    public func prepare(_ image: ImageSource) throws(DamaError) -> PreparedImage {
        try prepare(image.decode(limits: ImageLimits(pixels: options.maximumImagePixels), options.imageDecoding))
    }

    public func prepare(_ image: RGBImage) throws(DamaError) -> PreparedImage {
        let prepared = try processor.process(image)
        if let side = towers.imageSize, prepared.height != side || prepared.width != side {
            throw .model(
                "\(directory): the image processor makes \(prepared.width) × \(prepared.height) pixels of this "
                    + "image; the vision model takes \(side) × \(side)")
        }
        return prepared
    }

    public func embed(images: [PreparedImage], run: RunOptions?) throws(DamaError) -> [[Float]] {
        guard !images.isEmpty else { return [] }
        if let side = towers.imageSize, let other = images.first(where: { $0.height != side || $0.width != side }) {
            throw .shapeMismatch(
                "an image has \(other.width) × \(other.height) pixels; the vision model takes \(side) × \(side)")
        }
        let embeddings = try towers.embed(images: images, run: run)
        guard embeddings.count == images.count else {
            throw .model("the vision model returned \(embeddings.count) embeddings for \(images.count) images")
        }
        return try unitNorm(embeddings) { "image \($0)" }
    }

    // MARK: Texts

    public func tokenCount(_ text: String) throws(DamaError) -> Int { try tokenizer.encode(text).count }

    public func embed(texts: [String], run: RunOptions?) throws(DamaError) -> [[Float]] {
        // Different texts first, since reading one costs most, and then those of different tokens.
        let (different, places) = Self.distinct(texts.map(ExactText.init))
        let read = try Concurrent.map(different.count, threads: towers.runtime.threads) { index throws(DamaError) in
            try sequence(texts[different[index]])
        }
        let (first, slots) = Self.distinct(read)
        let embeddings = try unitNorm(towers.embed(sequences: first.map { read[$0] }, run: run)) {
            "\"\(texts[different[first[$0]]].prefix(80))\""
        }
        return places.map { embeddings[slots[$0]] }
    }

    /// The places of the first of equal elements, and for each element that of its like among them.
    private static func distinct<Element: Hashable>(_ elements: [Element]) -> (first: [Int], places: [Int]) {
        var known: [Element: Int] = [:]
        var (first, places): ([Int], [Int]) = ([], [])
        for (index, element) in elements.enumerated() {
            let place = known[element] ?? first.count
            if place == first.count {
                known[element] = place
                first.append(index)
            }
            places.append(place)
        }
        return (first, places)
    }

    /// A text's tokens as the text tower takes them.
    private func sequence(_ text: String) throws(DamaError) -> [Int32] {
        var tokens = try tokenizer.encode(text)
        if tokens.count > tokenLimit {
            guard options.longTexts == .cut else {
                throw .invalidArgument(
                    "\"\(text.prefix(80))\(text.count > 80 ? "…" : "")\" has \(tokens.count) tokens; the model takes "
                        + "\(tokenLimit): split it, or choose to cut long texts")
            }
            let after = tokenizer.surroundingTokens.after
            tokens = Array(tokens.prefix(tokenLimit - after.count)) + after
        }
        guard let largest = tokens.max(), let smallest = tokens.min() else { throw .internal("a text of no tokens") }
        if let size = towers.vocabularySize, Int(largest) >= size || smallest < 0 {
            throw .model(
                "\(directory): the tokenizer returned token \(largest), but the text model has \(size) tokens; use the "
                    + "tokenizer of the model")
        }
        return towers.sequence(tokens)
    }

    // MARK: Norm

    private func unitNorm(
        _ embeddings: [[Float]], _ name: (Int) -> String
    ) throws(DamaError) -> [[Float]] {
        var result: [[Float]] = []
        result.reserveCapacity(embeddings.count)
        for (index, embedding) in embeddings.enumerated() {
            var square: Float = 0
            for value in embedding { square += value * value }
            let norm = square.squareRoot()
            guard norm.isFinite, norm > 0 else {
                throw .model(
                    "\(directory): the embedding of \(name(index)) has the norm \(norm); the weights are damaged")
            }
            result.append(embedding.map { $0 / norm })
        }
        return result
    }
}
