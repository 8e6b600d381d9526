import CDamaShims
import DamaSupport

/// A C library that decodes pictures: libjpeg, libpng or libwebp, behind functions of one form.
struct ImageLibrary: Sendable {
    typealias Open =
        @Sendable (
            UnsafeMutablePointer<OpaquePointer?>?, UnsafeRawPointer?, Int, UnsafeMutablePointer<UInt32>?,
            UnsafeMutablePointer<UInt32>?, UnsafeMutablePointer<CChar>?
        ) -> cdama_image_status
    /// The third argument says whether transparency is blended with white.
    typealias Read =
        @Sendable (
            OpaquePointer?, UnsafeMutablePointer<UInt8>?, Int32, UnsafeMutablePointer<CChar>?
        ) -> cdama_image_status

    /// The format's name in messages.
    let name: String
    private let open: Open
    private let read: Read
    private let close: @Sendable (OpaquePointer?) -> Void

    static let jpeg = ImageLibrary(
        name: "JPEG", open: cdama_jpeg_open,
        read: { handle, pixels, _, message in cdama_jpeg_read(handle, pixels, message) },
        close: cdama_jpeg_close)
    static let png = ImageLibrary(name: "PNG", open: cdama_png_open, read: cdama_png_read, close: cdama_png_close)
    static let webP = ImageLibrary(name: "WebP", open: cdama_webp_open, read: cdama_webp_read, close: cdama_webp_close)

    /// The picture, without its orientation. Its size is checked before anything of that size is allocated.
    func decode(
        _ bytes: UnsafeRawBufferPointer, _ limits: ImageLimits, _ decoding: ImageDecoding
    ) throws(DamaError) -> RGBImage {
        var message = [CChar](repeating: 0, count: Int(CDAMA_IMAGE_MESSAGE_SIZE))
        func check(_ status: cdama_image_status) throws(DamaError) {
            switch status {
            case CDAMA_IMAGE_OK: return
            case CDAMA_IMAGE_NO_MEMORY: throw .outOfMemory("no memory to decode the \(name) image")
            case CDAMA_IMAGE_UNSUPPORTED: throw .unsupported("unsupported \(name): \(ImageMessage.text(message))")
            default: throw .model("damaged \(name): \(ImageMessage.text(message))")
            }
        }
        var (width32, height32): (UInt32, UInt32) = (0, 0)
        var handle: OpaquePointer?
        try check(open(&handle, bytes.baseAddress, bytes.count, &width32, &height32, &message))
        defer { close(handle) }
        let (width, height) = (Int(width32), Int(height32))
        guard width > 0, height > 0 else { throw .model("damaged \(name): \(width) × \(height) pixels") }
        let count = try limits.byteCount(width: width, height: height)
        var status = CDAMA_IMAGE_OK
        let pixels = [UInt8](unsafeUninitializedCapacity: count) { buffer, initialized in
            status = read(handle, buffer.baseAddress, decoding.blendsOnWhite ? 1 : 0, &message)
            initialized = status == CDAMA_IMAGE_OK ? count : 0
        }
        try check(status)
        return RGBImage(checkedWidth: width, height: height, pixels: pixels)
    }

    /// The EXIF and XMP chunks of a WebP file.
    static func webPMetadata(_ bytes: UnsafeRawBufferPointer) -> (exif: [UInt8]?, xmp: [UInt8]?) {
        var message = [CChar](repeating: 0, count: Int(CDAMA_IMAGE_MESSAGE_SIZE))
        var (width, height): (UInt32, UInt32) = (0, 0)
        var handle: OpaquePointer?
        guard
            cdama_webp_open(&handle, bytes.baseAddress, bytes.count, &width, &height, &message) == CDAMA_IMAGE_OK
        else { return (nil, nil) }
        defer { cdama_webp_close(handle) }
        func chunk(_ name: String) -> [UInt8]? {
            var count = 0
            return cdama_webp_chunk(handle, name, &count).map { Array(UnsafeBufferPointer(start: $0, count: count)) }
        }
        return (chunk("EXIF"), chunk("XMP "))
    }
}

enum ImageMessage {
    /// A C library's message as one line of ASCII.
    static func text(_ message: [CChar]) -> String {
        let bytes = message.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }
        return String(decoding: bytes.map { (0x20..<0x7F).contains($0) ? $0 : UInt8(ascii: "?") }, as: UTF8.self)
    }
}
