import DamaImage
import DamaRuntime
import DamaSupport
import Glibc

/// The towers of a CLIP model: our graphs over safetensors, or ONNX files. Their embeddings are not yet scaled to unit
/// norm.
protocol CLIPTowers: Sendable {
    var runtime: OnnxRuntime { get }
    /// Numbers in one embedding.
    var dimension: Int { get }
    var logitScale: Float { get }
    /// The size of the text tower's vocabulary.
    var vocabularySize: Int? { get }
    /// The most tokens a text may have.
    var maximumLength: Int { get }
    /// The row that becomes a text's embedding.
    var endRule: CLIPTextConfiguration.EndRule { get }
    /// Width and height of the images; `nil` if the model does not say.
    var imageSize: Int? { get }
    /// SHA-256 of the weights and of the computation, in hexadecimal.
    var fingerprint: String { get throws(DamaError) }

    /// - Parameter sequences: Different texts, each ending with the token whose row becomes the embedding.
    func embed(sequences: [[Int32]], run: RunOptions?) throws(DamaError) -> [[Float]]
    /// - Parameter images: Images of the size that the vision tower takes.
    func embed(images: [PreparedImage], run: RunOptions?) throws(DamaError) -> [[Float]]
}

extension CLIPTowers {
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
}

/// Our graphs over a Hugging Face directory's safetensors.
final class CLIPGraphTowers: CLIPTowers {
    let configuration: CLIPConfiguration
    let logitScale: Float
    private let weights: ModelWeights
    let runtime: OnnxRuntime
    private let text: Session
    private let vision: Session

    /// Images of one run. Larger runs are no faster and take more memory.
    private static let imagesPerRun = 8

    var dimension: Int { configuration.projectionSize }
    var vocabularySize: Int? { configuration.text.vocabularySize }
    var maximumLength: Int { configuration.text.maximumLength }
    var endRule: CLIPTextConfiguration.EndRule { configuration.text.endRule }
    var imageSize: Int? { configuration.vision.imageSize }

    init(directory: String, runtime: OnnxRuntime, options: SessionOptions) throws(DamaError) {
        let configuration = try CLIPConfiguration(directory: directory)
        let weights = ModelWeights.shared(try WeightStore(directory: directory), runtime)
        let graph = CLIPGraph(configuration)
        logitScale = try Self.logitScale(weights.store)
        text = try weights.session(
            graph.text(), named: "\(directory) (text)", placement: .mappedFile, options: options)
        vision = try weights.session(
            graph.vision(), named: "\(directory) (vision)", placement: .mappedFile, options: options)
        self.configuration = configuration
        self.weights = weights
        self.runtime = runtime
    }

    /// exp(logit_scale).
    private static func logitScale(_ store: WeightStore) throws(DamaError) -> Float {
        let tensor = try store.tensor("logit_scale")
        guard tensor.count == 1, let logarithm = try tensor.floats().first else {
            throw .model("\(store.path): tensor \"logit_scale\" has the shape \(tensor.shape), expected one number")
        }
        let scale = expf(logarithm)
        guard scale.isFinite, scale > 0 else {
            throw .model("\(store.path): exp(logit_scale) is \(scale); expected a positive number")
        }
        return scale
    }

    var fingerprint: String {
        get throws(DamaError) {
            var hash = SHA256()
            hash.update(weights.store.fingerprint.utf8)
            hash.update(configuration.identity.utf8)
            return hash.hexDigest
        }
    }

    func embed(sequences: [[Int32]], run: RunOptions?) throws(DamaError) -> [[Float]] {
        var embeddings = [[Float]](repeating: [], count: sequences.count)
        for packs in TokenPacks.layOut(sequences) {
            typealias Port = CLIPGraph.Port
            let (count, length, ends) = (packs.packs, packs.length, packs.ends)
            let result = try text.run(
                [
                    Port.tokens: TensorValue(runtime, packs.tokens, shape: [count, length]),
                    Port.positions: TensorValue(runtime, packs.positions, shape: [count, length]),
                    Port.mask: TensorValue(runtime, packs.mask, shape: [count, 1, length, length]),
                    Port.ends: TensorValue(runtime, packs.endRows, shape: [count, ends]),
                    Port.endMask: TensorValue(runtime, packs.endMask, shape: [count, 1, ends, length]),
                ], outputs: [Port.textEmbeddings], options: run)
            let rows = try rows(result[0], Port.textEmbeddings)
            for place in packs.places { embeddings[place.text] = rows[place.row] }
        }
        return embeddings
    }

    func embed(images: [PreparedImage], run: RunOptions?) throws(DamaError) -> [[Float]] {
        var embeddings: [[Float]] = []
        embeddings.reserveCapacity(images.count)
        for start in stride(from: 0, to: images.count, by: Self.imagesPerRun) {
            let pixels = try TensorValue.pixels(runtime, images[start..<min(start + Self.imagesPerRun, images.count)])
            let result = try vision.run(
                [CLIPGraph.Port.pixels: pixels], outputs: [CLIPGraph.Port.imageEmbeddings], options: run)
            embeddings += try rows(result[0], CLIPGraph.Port.imageEmbeddings)
        }
        return embeddings
    }
}

extension TensorValue {
    /// [images, 3, height, width] of images of one size.
    package static func pixels(
        _ runtime: OnnxRuntime, _ images: ArraySlice<PreparedImage>
    ) throws(DamaError) -> TensorValue {
        guard let first = images.first else { throw .internal("no images") }
        let size = 3 * first.height * first.width
        guard
            images.allSatisfy({
                $0.height == first.height && $0.width == first.width && $0.pixels.count == $0.tileCount * size
            })
        else { throw .shapeMismatch("images of one run differ in size, or their pixels are not [3, height, width]") }
        let tiles = images.reduce(0) { $0 + $1.tileCount }
        let tensor = try TensorValue(runtime, allocating: .float32, shape: [tiles, 3, first.height, first.width])
        try tensor.withMutableElements(of: Float.self) { target throws(DamaError) in
            var start = 0
            for image in images {
                _ = UnsafeMutableBufferPointer(rebasing: target[start..<start + image.pixels.count])
                    .update(fromContentsOf: image.pixels)
                start += image.pixels.count
            }
        }
        return tensor
    }
}
