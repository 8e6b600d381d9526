import DamaImage
import DamaRuntime
import DamaSupport

/// Sizes of a decoder in the hub's ONNX layout that its file does not hold.
struct OnnxDecoderConfiguration: Sendable {
    var vocabularySize: Int
    var hiddenSize: Int
    var layers: Int
    /// The number of heads in the cache.
    var keyValueHeads: Int
    var headSize: Int
    var maximumPositions: Int
    var endTokens: [Int32]
    /// As ``CausalDecoder/identity``.
    var identity: JSON
}

/// Sizes of a vision encoder in the hub's ONNX layout that its file does not hold.
struct OnnxVisionConfiguration: Sendable {
    /// Tokens of every image.
    var imageTokens: Int
    /// The width of a row of features.
    var hiddenSize: Int
    /// Width and height of an image in pixels.
    var imageSize: Int
    var processor: ImageProcessor
    /// As ``ImageFeatureEncoder/identity``.
    var identity: JSON
}

/// Opens the hub's ONNX layout for any architecture.
enum HubOnnx {
    /// Returns `nil` if the directory has safetensors, which take precedence, or none of the layout's files.
    ///
    /// - Parameter vision: `nil` for a text-only model.
    static func open(
        _ opening: ModelOpening, decoder: OnnxDecoderConfiguration, vision: OnnxVisionConfiguration?
    ) throws(DamaError) -> ModelParts? {
        let directory = opening.directory
        guard !WeightStore.exists(in: directory),
            let layout = try OnnxLayout(directory: directory, takesImages: vision != nil)
        else { return nil }
        guard opening.precision == nil else { throw fixedTypes(directory) }
        let decoder = try OnnxDecoder(decoder, layout, opening.runtime, device: opening.device)
        guard let vision, let path = layout.vision else { return ModelParts(decoder: decoder, vision: nil) }
        return ModelParts(
            decoder: decoder,
            vision: try OnnxVision(vision, path: path, opening.runtime, device: opening.device))
    }

    /// ONNX files compute in the types that they were exported with.
    static func fixedTypes(_ directory: String) -> DamaError {
        .unsupported(
            "\(directory) holds ONNX files, which have their own types; leave the precision at 'auto', or use the model's "
                + "safetensors")
    }
}
