import DamaImage
import DamaRuntime
import DamaSupport

/// A model that embeds images and sentences in one space: a ``DualEncoder``, or a test double with known answers.
///
/// Γ(I, S) of Eq. (4) is ``logitScale`` · ⟨image embedding, text embedding⟩. Jobs over datasets use models through this
/// protocol: a job prepares images on several threads while the model embeds the previous batch, and caches the
/// embeddings of repeated sentences and images.
public protocol ImageTextEncoder: Sendable {
    /// Numbers in one embedding.
    var dimension: Int { get }
    /// exp(logit_scale) of the model; 100 in OpenAI's models.
    var logitScale: Float { get }
    /// The most tokens a text may have, start and end included; 77 in CLIP.
    var tokenLimit: Int { get }
    /// The images, and the texts, that a job gives to one call unless its options say otherwise.
    var imagesPerStep: Int { get }
    var sentencesPerStep: Int { get }
    /// The threads of a job that read and decode, unless its options say otherwise; 0 leaves their number to the job.
    var preparationThreads: Int { get }
    /// SHA-256, in hexadecimal, of everything a score depends on: weights, tokenizer, image processing.
    var fingerprint: String { get throws(DamaError) }

    /// The number of tokens of `text`, start and end included.
    func tokenCount(_ text: String) throws(DamaError) -> Int

    /// Decodes, resizes, crops and normalises an image file's bytes. May be called from several threads at once.
    func prepare(imageBytes: [UInt8]) throws(DamaError) -> PreparedImage

    /// Unit-norm embeddings, one for each image, in order.
    ///
    /// - Parameter run: options by which another thread can stop the call, even during a run of the model.
    /// - Throws: ``DamaError/cancelled`` if `run` was stopped.
    func embed(images: [PreparedImage], run: RunOptions?) throws(DamaError) -> [[Float]]

    /// Unit-norm embeddings, one for each text, in order.
    ///
    /// - Parameter run: as for images.
    /// - Throws: ``DamaError/cancelled`` if `run` was stopped.
    func embed(texts: [String], run: RunOptions?) throws(DamaError) -> [[Float]]
}

extension ImageTextEncoder {
    public var imagesPerStep: Int { 8 }
    public var sentencesPerStep: Int { 256 }
    public var preparationThreads: Int { 0 }

    /// Unit-norm embeddings, one for each image, in order.
    public func embed(images: [PreparedImage]) throws(DamaError) -> [[Float]] { try embed(images: images, run: nil) }

    /// Unit-norm embeddings, one for each text, in order.
    public func embed(texts: [String]) throws(DamaError) -> [[Float]] { try embed(texts: texts, run: nil) }
}
