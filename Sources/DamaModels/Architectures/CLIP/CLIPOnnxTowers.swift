import DamaImage
import DamaRuntime
import DamaSupport

/// The hub's ONNX layout: `text_model.onnx` and `vision_model.onnx`, in the directory or its folder `onnx`.
final class CLIPOnnxTowers: EncoderTowers {
    let dimension: Int
    let logitScale: Float
    let vocabularySize: Int?
    let maximumLength: Int
    private let endRule: CLIPTextConfiguration.EndRule
    let imageSize: Int?
    let runtime: OnnxRuntime
    private let text: Session
    private let vision: Session
    private let files: [String]

    /// The most texts of one run.
    private static let textsPerRun = 32

    /// The two files of a directory; `nil` if it does not have them.
    static func files(in directory: String) -> (text: String, vision: String)? {
        for folder in [directory, "\(directory)/onnx"] {
            let files = ("\(folder)/text_model.onnx", "\(folder)/vision_model.onnx")
            if Files.exists(files.0), Files.exists(files.1) { return files }
        }
        return nil
    }

    /// - Parameter logitScale: exp(logit_scale), which these files do not hold. The default is 100, OpenAI's value.
    init(
        directory: String, text textPath: String, vision visionPath: String, logitScale: Float?, runtime: OnnxRuntime,
        options: SessionOptions
    ) throws(DamaError) {
        var configuration: CLIPConfiguration?
        if Files.exists("\(directory)/config.json") { configuration = try CLIPConfiguration(directory: directory) }
        text = try Session(runtime, path: textPath, options: options)
        vision = try Session(runtime, path: visionPath, options: options)
        files = [textPath, visionPath]
        try OnnxFile.require(text, textPath, "CLIP text model", inputs: ["input_ids"], outputs: ["text_embeds"])
        try OnnxFile.require(
            vision, visionPath, "CLIP vision model", inputs: ["pixel_values"], outputs: ["image_embeds"])
        let widths = [(text, "text_embeds"), (vision, "image_embeds")].compactMap { session, name in
            session.outputs.first { $0.name == name }?.shape.last ?? nil
        }
        guard let width = widths.first ?? configuration?.projectionSize, width > 0,
            widths.allSatisfy({ $0 == width })
        else {
            throw .model(
                "\(textPath) and \(visionPath): the embeddings have the sizes \(widths); expected one size, or "
                    + "projection_dim in config.json if the files do not give it")
        }
        dimension = width
        self.logitScale = logitScale ?? 100
        self.runtime = runtime
        vocabularySize = configuration?.text.vocabularySize
        maximumLength = configuration?.text.maximumLength ?? 77
        endRule = configuration?.text.endRule ?? .largestToken
        let side = vision.inputs.first { $0.name == "pixel_values" }?.shape.last ?? nil
        imageSize = side ?? configuration?.vision.imageSize
    }

    var fingerprint: String {
        get throws(DamaError) {
            var hash = try OnnxFile.hash(of: files)
            hash.update("\(logitScale) \(endRule.identity)".utf8)
            return hash.hexDigest
        }
    }

    func sequence(_ tokens: [Int32]) -> [Int32] { endRule.sequence(tokens) }

    func embed(sequences: [[Int32]], run: RunOptions?) throws(DamaError) -> [[Float]] {
        var embeddings = [[Float]](repeating: [], count: sequences.count)
        // Texts of similar length run together, so that there is little padding.
        let order = sequences.indices.sorted { sequences[$0].count < sequences[$1].count }
        for start in stride(from: 0, to: order.count, by: Self.textsPerRun) {
            let batch = order[start..<min(start + Self.textsPerRun, order.count)]
            let length = batch.map { sequences[$0].count }.max() ?? 0
            var tokens: [Int64] = []
            var mask: [Int64] = []
            for text in batch {
                // Padded with the end token, as OpenAI's tokenizer does; the first end token counts.
                let sequence = sequences[text]
                let padding = length - sequence.count
                tokens += sequence.map(Int64.init)
                tokens += Array(repeating: Int64(sequence.last ?? 0), count: padding)
                mask += Array(repeating: 1, count: sequence.count) + Array(repeating: 0, count: padding)
            }
            var inputs: [String: TensorValue] = [:]
            for (name, values) in [("input_ids", tokens), ("attention_mask", mask)] {
                guard let port = text.inputs.first(where: { $0.name == name }) else { continue }
                let shape = [batch.count, length]
                inputs[name] =
                    port.elementType == .int32
                    ? try TensorValue(runtime, values.map { Int32(clamping: $0) }, shape: shape)
                    : try TensorValue(runtime, values, shape: shape)
            }
            let rows = try rows(text.run(inputs, outputs: ["text_embeds"], options: run)[0], "text_embeds")
            for (text, row) in zip(batch, rows) { embeddings[text] = row }
        }
        return embeddings
    }

    func embed(images: [PreparedImage], run: RunOptions?) throws(DamaError) -> [[Float]] {
        try embed(images, vision, "pixel_values", "image_embeds", run: run)
    }
}
