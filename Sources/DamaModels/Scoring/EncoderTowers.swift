import DamaImage
import DamaRuntime
import DamaSupport
import Glibc

/// The towers of an image-text model: our graphs over safetensors, or ONNX files. Their embeddings are not yet scaled
/// to unit norm.
protocol EncoderTowers: Sendable {
    var runtime: OnnxRuntime { get }
    /// Numbers in one embedding.
    var dimension: Int { get }
    var logitScale: Float { get }
    /// The size of the text tower's vocabulary.
    var vocabularySize: Int? { get }
    /// The most tokens a text may have.
    var maximumLength: Int { get }
    /// Width and height of the images; `nil` if the model does not say.
    var imageSize: Int? { get }
    /// SHA-256 of the weights and of the computation, in hexadecimal.
    var fingerprint: String { get throws(DamaError) }

    /// What ``embed(sequences:run:)`` takes for a text of these tokens.
    ///
    /// - Parameter tokens: 1 to ``maximumLength`` tokens of the vocabulary.
    func sequence(_ tokens: [Int32]) -> [Int32]
    /// - Parameter sequences: Different results of ``sequence(_:)``.
    func embed(sequences: [[Int32]], run: RunOptions?) throws(DamaError) -> [[Float]]
    /// - Parameter images: Images of the size that the vision tower takes.
    func embed(images: [PreparedImage], run: RunOptions?) throws(DamaError) -> [[Float]]
}

extension EncoderTowers {
    /// Cuts `values`, [rows, width], into rows.
    func rows(_ tensor: TensorValue, _ name: String) throws(DamaError) -> [[Float]] {
        guard tensor.shape.last == dimension, dimension > 0 else {
            throw .model("\(name) has the shape \(tensor.shape); expected rows of \(dimension)")
        }
        let width = dimension
        return try tensor.withElements(of: Float.self) { elements throws(DamaError) in
            stride(from: 0, to: elements.count, by: width).map { Array(elements[$0..<$0 + width]) }
        }
    }

    /// Embeds images with a session that takes `input` and returns `output`.
    func embed(
        _ images: [PreparedImage], _ vision: Session, _ input: String, _ output: String, run: RunOptions?
    ) throws(DamaError) -> [[Float]] {
        let imagesPerRun = vision.device.scoredImages
        var embeddings: [[Float]] = []
        embeddings.reserveCapacity(images.count)
        for start in stride(from: 0, to: images.count, by: imagesPerRun) {
            let pixels = try TensorValue.pixels(
                runtime, images[start..<min(start + imagesPerRun, images.count)], for: vision.device)
            embeddings += try rows(vision.run([input: pixels], outputs: [output], options: run)[0], output)
        }
        return embeddings
    }
}

// The sizes of runs of a scoring tower. On the CPU larger ones are no faster and take more memory; on another device
// smaller ones leave it idle between kernels.
extension Device {
    /// Images of one run.
    var scoredImages: Int { self == .cpu ? 8 : 32 }
    /// The approximate number of tokens of one run.
    var scoredTokens: Int { self == .cpu ? 640 : 8192 }
}

extension WeightStore {
    /// exp(logit_scale).
    func logitScale() throws(DamaError) -> Float {
        let tensor = try tensor("logit_scale")
        guard tensor.count == 1, let logarithm = try tensor.floats().first else {
            throw .model("\(path): tensor \"logit_scale\" has the shape \(tensor.shape), expected one number")
        }
        let scale = expf(logarithm)
        guard scale.isFinite, scale > 0 else {
            throw .model("\(path): exp(logit_scale) is \(scale); expected a positive number")
        }
        return scale
    }
}
