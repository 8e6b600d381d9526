import DamaImage
import DamaRuntime
import DamaSupport

/// `vision_encoder.onnx` of the hub's ONNX layout: vision tower and projector in one file.
final class OnnxVision: ImageFeatureEncoder {
    private let configuration: OnnxVisionConfiguration
    private let runtime: OnnxRuntime
    private let session: Session
    private let path: String

    private static let pixels = "pixel_values"
    private static let features = "image_features"

    init(
        _ configuration: OnnxVisionConfiguration, path: String, _ runtime: OnnxRuntime, device: Device
    ) throws(DamaError) {
        var options = SessionOptions()
        options.device = device
        session = try Session(runtime, path: path, options: options)
        try OnnxFile.require(
            session, path, "vision encoder of the hub's layout", inputs: [Self.pixels], outputs: [Self.features])
        self.configuration = configuration
        self.runtime = runtime
        self.path = path
    }

    func prepare(_ image: RGBImage) throws(DamaError) -> PreparedImage { try configuration.processor.process(image) }
    func expansion(of image: PreparedImage) -> [Int32] { TokenSequence.placeholders(configuration.imageTokens) }
    var tokenCounts: ClosedRange<Int> { configuration.imageTokens...configuration.imageTokens }
    var identity: JSON { configuration.identity }
    var processing: JSON { configuration.processor.settings }

    func features(_ images: [PreparedImage], options: RunOptions?) throws(DamaError) -> [FeatureRows] {
        try PreparedImage.require(images, size: configuration.imageSize)
        var features: [FeatureRows] = []
        let rowSize = configuration.imageTokens * configuration.hiddenSize
        // One image at a time: not every export takes several, and a batch is no faster.
        for image in images {
            let pixels = try TensorValue.pixels(runtime, [image], for: session.device)
            let output = try session.run([Self.pixels: pixels], outputs: [Self.features], options: options)[0]
            guard output.count == rowSize else {
                throw .model(
                    "\(path) returned \(Self.features) of shape \(output.shape) for an image; config.json requires "
                        + "\(configuration.imageTokens) × \(configuration.hiddenSize)")
            }
            features.append(FeatureRows([output]))
        }
        return features
    }
}
