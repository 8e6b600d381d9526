import COpenBLAS
import DamaImage
import DamaSupport

/// Γ(I, S) of Eq. (4): CLIP's image-text logits, logit scale times cosine. May be used from several threads at once.
///
/// ```swift
/// let scorer = try Scorer(directory: "clip-vit-base-patch32")
/// let scores = try scorer.score(image: .path("cat.jpg"), sentences: ["a cat", "a dog"])
/// ```
public final class Scorer: Sendable {
    public typealias Options = CLIPEncoder.Options

    public typealias Image = ImageSource

    public let encoder: CLIPEncoder
    public var dimension: Int { encoder.dimension }
    public var logitScale: Float { encoder.logitScale }

    /// Opens a CLIP model. See ``CLIPEncoder/init(directory:options:)``.
    public init(directory: String, options: Options = Options()) throws(DamaError) {
        encoder = try CLIPEncoder(directory: directory, options: options)
    }

    /// The scores of sentences for one image. A sentence that stands there twice is computed once.
    public func score(image: Image, sentences: [String]) throws(DamaError) -> [Float] {
        let images = try embedImages([image])
        return try Self.scores(images: images, texts: encoder.embed(texts: sentences), scale: logitScale)
    }

    /// Unit-norm embeddings of images, in order.
    public func embedImages(_ images: [Image]) throws(DamaError) -> [[Float]] {
        var embeddings: [[Float]] = []
        embeddings.reserveCapacity(images.count)
        // A batch is decoded and embedded before the next is decoded: memory does not grow with the images.
        for start in stride(from: 0, to: images.count, by: 32) {
            var prepared: [PreparedImage] = []
            for image in images[start..<min(start + 32, images.count)] {
                switch image {
                case .path(let path): prepared.append(try encoder.prepare(imagePath: path))
                case .bytes(let bytes): prepared.append(try encoder.prepare(imageBytes: bytes))
                case .pixels(let pixels): prepared.append(try encoder.prepare(pixels))
                }
            }
            embeddings += try encoder.embed(images: prepared)
        }
        return embeddings
    }

    /// Unit-norm embeddings of texts, in order.
    public func embedTexts(_ texts: [String]) throws(DamaError) -> [[Float]] { try encoder.embed(texts: texts) }

    /// scale · images textsᵀ: [images, texts], row-major.
    public static func scores(images: [[Float]], texts: [[Float]], scale: Float) throws(DamaError) -> [Float] {
        guard let width = (images.first ?? texts.first)?.count, !images.isEmpty, !texts.isEmpty else { return [] }
        guard images.allSatisfy({ $0.count == width }), texts.allSatisfy({ $0.count == width }),
            let rows = Int32(exactly: images.count), let columns = Int32(exactly: texts.count),
            let inner = Int32(exactly: width), width > 0
        else { throw .shapeMismatch("embeddings of different sizes cannot be compared") }
        try Allocation.check(
            images.count * width + texts.count * width, of: 12, for: "the embeddings of \(texts.count) texts")
        var scores = [Float](repeating: 0, count: images.count * texts.count)
        cblas_sgemm(
            CblasRowMajor, CblasNoTrans, CblasTrans, rows, columns, inner, scale, images.flatMap { $0 }, inner,
            texts.flatMap { $0 }, inner, 0, &scores, columns)
        return scores
    }
}
