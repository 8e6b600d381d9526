/// An image prepared for the vision tower.
public struct PreparedImage: Sendable {
    /// [3, height, width], normalised.
    public var pixels: [Float]
    public var height: Int
    public var width: Int

    public init(pixels: [Float], height: Int, width: Int) {
        self.pixels = pixels
        self.height = height
        self.width = width
    }
}
