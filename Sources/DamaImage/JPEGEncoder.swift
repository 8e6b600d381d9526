import CDamaShims
import DamaSupport
import Glibc

/// Writes JPEG files.
public enum JPEGEncoder {
    /// The bytes of a baseline JPEG file.
    ///
    /// - Parameters:
    ///   - quality: libjpeg's scale, 1 to 100; Pillow's `quality` is the same.
    ///   - fullChroma: keep the colour at full resolution (4:4:4) rather than half of it each way (4:2:0, the default
    ///     of libjpeg and Pillow). Small pictures with sharp coloured edges need it.
    /// - Throws: ``DamaError/Code/invalidArgument`` for a quality outside 1…100 or a side above 65,500 pixels, the
    ///   limit of the format.
    public static func encode(
        _ image: RGBImage, quality: Int = 90, fullChroma: Bool = false
    ) throws(DamaError) -> [UInt8] {
        guard (1...100).contains(quality) else {
            throw .invalidArgument("JPEG quality \(quality); expected 1 to 100")
        }
        guard image.width <= 65_500, image.height <= 65_500 else {
            throw .invalidArgument(
                "an image of \(image.width) × \(image.height) pixels is too large for JPEG; the most is 65500 a side")
        }
        var message = [CChar](repeating: 0, count: Int(CDAMA_IMAGE_MESSAGE_SIZE))
        var bytes: UnsafeMutablePointer<UInt8>?
        var count = 0
        let status = cdama_jpeg_encode(
            image.pixels, UInt32(image.width), UInt32(image.height), Int32(quality), fullChroma ? 1 : 0, &bytes,
            &count, &message)
        guard status == CDAMA_IMAGE_OK else {
            if status == CDAMA_IMAGE_NO_MEMORY { throw .outOfMemory("no memory to encode a JPEG image") }
            throw .internal("cannot encode a JPEG image: \(ImageMessage.text(message))")
        }
        defer { free(bytes) }
        return Array(UnsafeBufferPointer(start: bytes, count: count))
    }
}
