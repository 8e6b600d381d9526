import DamaImage
import DamaRuntime
import DamaSupport

/// What a policy needs of its vision tower: the rows that stand for an image among token embeddings. May be used from
/// several threads.
public protocol ImageFeatureEncoder: Sendable {
    var configuration: LlavaConfiguration { get }

    /// The features of images, [image tokens, hidden of the text model] each.
    ///
    /// - Throws: ``DamaError/Code/shapeMismatch`` for an image of another size than the tower's.
    func features(_ images: [PreparedImage], options: RunOptions?) throws(DamaError) -> [[Float]]
}

extension LlavaConfiguration {
    /// - Throws: ``DamaError/Code/shapeMismatch`` for an image of another size than the tower's.
    func check(_ images: [PreparedImage]) throws(DamaError) {
        let size = vision.imageSize
        for image in images where image.width != size || image.height != size {
            throw .shapeMismatch(
                "the image was prepared as \(image.width) × \(image.height); the vision tower takes \(size) × \(size); "
                    + "see preprocessor_config.json")
        }
    }
}
