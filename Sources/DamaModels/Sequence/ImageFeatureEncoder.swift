import DamaGraph
import DamaImage
import DamaRuntime
import DamaSupport

/// A vision part as a policy uses it: it prepares an image, gives the tokens that stand for the image in a prompt, and
/// computes the rows that replace the embeddings of its placeholders. May be used from several threads.
///
/// A vision part that can be trained is also a ``TrainableImageEncoder``.
package protocol ImageFeatureEncoder: Sendable {
    /// Converts an image to the pixels that the vision part takes.
    func prepare(_ image: RGBImage) throws(DamaError) -> PreparedImage
    /// The tokens that replace a prepared image's place in a prompt: ``TokenSequence/imagePlaceholder`` for each row of
    /// its features, at least one, and the tokens of the vocabulary around them.
    func expansion(of image: PreparedImage) throws(DamaError) -> [Int32]
    /// The fewest and the most tokens that an image takes.
    var tokenCounts: ClosedRange<Int> { get }
    /// The features of images, [placeholders of the image, hidden of the decoder] each: on the host in float32, or where
    /// the decoder reads them.
    ///
    /// - Throws: ``DamaError/Code/shapeMismatch`` for an image of a size that the vision part does not take.
    func features(_ images: [PreparedImage], options: RunOptions?) throws(DamaError) -> [FeatureRows]

    /// The settings that features depend on, under keys that never change.
    var identity: JSON { get }
    /// The settings of ``prepare(_:)``, under keys that never change.
    var processing: JSON { get }
}

/// A vision part with what training needs.
package protocol TrainableImageEncoder: ImageFeatureEncoder {
    var weights: ModelWeights { get }
    /// The graph from prepared images to features. Its weights have the names of the files.
    func trainingGraph() throws(DamaError) -> Graph
    /// The graph's output: the features of all images, concatenated; the innermost axis is the decoder's hidden size.
    var trainingOutput: String { get }
    /// Whether a weight of the graph belongs to the projector, which is trained with the language model.
    func isProjector(_ weight: String) -> Bool
    /// All inputs of the graph for these images.
    func trainingInputs(_ images: [PreparedImage]) throws(DamaError) -> [String: TensorValue]
    /// The ranges that belong to some of the images, by the name of an outermost axis of the graph.
    func axes(of part: Range<Int>, in images: [PreparedImage]) -> [String: Range<Int>]
    /// The inputs of the graph that hold row numbers, for a part of a batch. There are none by default.
    func rowInputs(_ images: [PreparedImage]) throws(DamaError) -> [String: TensorValue]
}

extension TrainableImageEncoder {
    package func rowInputs(_ images: [PreparedImage]) throws(DamaError) -> [String: TensorValue] { [:] }
}
