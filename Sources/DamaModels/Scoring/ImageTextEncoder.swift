import DamaImage
import DamaRuntime
import DamaSupport

/// A model that places images and sentences in one space: CLIP, or a stand-in with known answers in tests.
///
/// Γ(I, S) of Eq. (4) is ``logitScale`` · ⟨image embedding, text embedding⟩. The seam between the models and the jobs
/// over datasets: a job prepares images on several threads while the model embeds the batch before, and keeps embeddings
/// of sentences and images that come again.
public protocol ImageTextEncoder: Sendable {
    /// Numbers in one embedding.
    var dimension: Int { get }
    /// exp(logit_scale) of the model; 100 in OpenAI's.
    var logitScale: Float { get }
    /// The most tokens a text may have, start and end included; 77 in CLIP.
    var tokenLimit: Int { get }
    /// SHA-256, in hexadecimal, of everything a score depends on: weights, tokenizer, image processing.
    var fingerprint: String { get throws(DamaError) }

    /// How many tokens `text` has, start and end included.
    func tokenCount(_ text: String) throws(DamaError) -> Int

    /// Decodes, resizes, crops and normalises an image file's bytes. May be called from several threads at once.
    func prepare(imageBytes: [UInt8]) throws(DamaError) -> PreparedImage

    /// Unit-norm embeddings, one for each image, in order.
    ///
    /// - Parameter run: By which another thread stops the call, inside a run of the model too.
    /// - Throws: ``DamaError/cancelled`` where `run` was told to stop.
    func embed(images: [PreparedImage], run: RunOptions?) throws(DamaError) -> [[Float]]

    /// Unit-norm embeddings, one for each text, in order.
    ///
    /// - Parameter run: As for images.
    /// - Throws: ``DamaError/cancelled`` where `run` was told to stop.
    func embed(texts: [String], run: RunOptions?) throws(DamaError) -> [[Float]]
}

extension ImageTextEncoder {
    /// Unit-norm embeddings, one for each image, in order.
    public func embed(images: [PreparedImage]) throws(DamaError) -> [[Float]] { try embed(images: images, run: nil) }

    /// Unit-norm embeddings, one for each text, in order.
    public func embed(texts: [String]) throws(DamaError) -> [[Float]] { try embed(texts: texts, run: nil) }
}
