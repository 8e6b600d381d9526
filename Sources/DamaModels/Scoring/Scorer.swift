import DamaImage
import DamaRuntime
import DamaSupport

/// Γ(I, S) of Eq. (4): image-text logits of CLIP or SigLIP, logit scale times cosine. SigLIP's bias is not part of it:
/// it cancels in Eq. (5). May be used from several threads at once.
///
/// ```swift
/// let scorer = try Scorer(directory: "clip-vit-base-patch32")
/// let scores = try scorer.score(image: .path("cat.jpg"), sentences: ["a cat", "a dog"])
/// ```
public final class Scorer: Sendable {
    public typealias Options = DualEncoder.Options

    public typealias Image = ImageSource

    public let encoder: DualEncoder
    public var dimension: Int { encoder.dimension }
    public var logitScale: Float { encoder.logitScale }

    /// Opens a model. See ``DualEncoder/init(directory:options:)``.
    public init(directory: String, options: Options = Options()) throws(DamaError) {
        encoder = try DualEncoder(directory: directory, options: options)
    }

    /// Options by which another thread can stop a call that takes them.
    public func makeRunOptions() throws(DamaError) -> RunOptions { try encoder.makeRunOptions() }

    /// The scores of sentences for one image, in order. A duplicate sentence is computed once.
    ///
    /// - Throws: ``DamaError/cancelled`` if `run` was stopped; otherwise an error that names the fault of the image or
    ///   the sentence.
    public func score(image: Image, sentences: [String], run: RunOptions? = nil) throws(DamaError) -> [Float] {
        let images = try embedImages([image], run: run)
        return try Self.scores(images: images, texts: embedTexts(sentences, run: run), scale: logitScale)
    }

    /// Unit-norm embeddings of images, in order. The images of a batch are decoded on all processors.
    public func embedImages(_ images: [Image], run: RunOptions? = nil) throws(DamaError) -> [[Float]] {
        var embeddings: [[Float]] = []
        embeddings.reserveCapacity(images.count)
        // A batch is embedded before the next one is decoded, so that memory does not grow with the number of images.
        for start in stride(from: 0, to: images.count, by: 32) {
            let part = images[start..<min(start + 32, images.count)]
            let prepared = try Concurrent.map(part.count) { [encoder] place throws(DamaError) in
                try run?.check()
                return try encoder.prepare(part[start + place])
            }
            embeddings += try encoder.embed(images: prepared, run: run)
        }
        return embeddings
    }

    /// Unit-norm embeddings of texts, in order.
    public func embedTexts(_ texts: [String], run: RunOptions? = nil) throws(DamaError) -> [[Float]] {
        try encoder.embed(texts: texts, run: run)
    }
}
