import DamaSupport

/// An image in one of the forms that callers have.
public enum ImageSource: Sendable {
    /// An image file of a kind that ``ImageDecoder`` reads.
    case path(String)
    /// The bytes of such a file.
    case bytes([UInt8])
    /// Decoded pixels.
    case pixels(RGBImage)

    /// The pixels, decoded if needed.
    ///
    /// - Throws: The errors of ``ImageDecoder``.
    public func decode(
        limits: ImageLimits = ImageLimits(), _ decoding: ImageDecoding = ImageDecoding()
    ) throws(DamaError) -> RGBImage {
        switch self {
        case .path(let path): try ImageDecoder.decode(path: path, limits: limits, decoding)
        case .bytes(let bytes): try ImageDecoder.decode(bytes, limits: limits, decoding)
        case .pixels(let image): image
        }
    }
}
