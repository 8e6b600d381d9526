import DamaGraph
import DamaImage
import DamaRuntime
import DamaSupport

/// What a policy needs of its vision part: how an image is prepared, how many tokens it takes, and the rows that stand
/// for it among token embeddings. May be used from several threads.
///
/// One that can be trained is a ``TrainableImageEncoder`` as well.
package protocol ImageFeatureEncoder: Sendable {
    /// The image as the vision part takes it.
    func prepare(_ image: RGBImage) throws(DamaError) -> PreparedImage
    /// The tokens that a prepared image takes; at least one.
    func tokenCount(of image: PreparedImage) -> Int
    /// The fewest and the most tokens that an image takes.
    var tokenCounts: ClosedRange<Int> { get }
    /// The features of images, [tokens of the image, hidden of the decoder] each.
    ///
    /// - Throws: ``DamaError/Code/shapeMismatch`` for an image of another size than the vision part takes.
    func features(_ images: [PreparedImage], options: RunOptions?) throws(DamaError) -> [[Float]]

    /// The sizes and switches that features depend on, by keys that stay when the code changes.
    var identity: JSON { get }
    /// The settings of ``prepare(_:)``, likewise.
    var processing: JSON { get }
}

/// A vision part with the half that training needs.
package protocol TrainableImageEncoder: ImageFeatureEncoder {
    var weights: RuntimeWeights { get }
    /// The graph from prepared images to features. Its weights carry the names that the files have.
    func trainingGraph() throws(DamaError) -> Graph
    /// The graph's output: the features of all images one after the other; the innermost axis is the decoder's hidden size.
    var trainingOutput: String { get }
    /// Whether a weight of the graph belongs to the projector, which is trained with the language model.
    func isProjector(_ weight: String) -> Bool
    /// All inputs of the graph for these images.
    func trainingInputs(_ images: [PreparedImage]) throws(DamaError) -> [String: TensorValue]
    /// What belongs to some of the images, by the name of an outermost axis of the graph.
    func axes(of part: Range<Int>, in images: [PreparedImage]) -> [String: Range<Int>]
}
