import CDamaShims
import DamaSupport

/// The common interface to libjpeg, libpng and libwebp.
protocol DecodableFile {
    static var name: String { get }
    static func open(
        _ handle: inout OpaquePointer?, _ bytes: UnsafeRawBufferPointer, _ width: inout UInt32, _ height: inout UInt32,
        _ message: inout [CChar]
    ) -> cdama_image_status
    static func read(
        _ handle: OpaquePointer?, _ pixels: UnsafeMutablePointer<UInt8>?, _ decoding: ImageDecoding,
        _ message: inout [CChar]
    ) -> cdama_image_status
    static func close(_ handle: OpaquePointer?)
}

extension DecodableFile {
    /// The picture, without its orientation. Its size is checked before anything of that size is allocated.
    static func decode(
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
        try check(open(&handle, bytes, &width32, &height32, &message))
        defer { close(handle) }
        let (width, height) = (Int(width32), Int(height32))
        guard width > 0, height > 0 else { throw .model("damaged \(name): \(width) × \(height) pixels") }
        let count = try limits.byteCount(width: width, height: height)
        var status = CDAMA_IMAGE_OK
        let pixels = [UInt8](unsafeUninitializedCapacity: count) { buffer, initialized in
            status = read(handle, buffer.baseAddress, decoding, &message)
            initialized = status == CDAMA_IMAGE_OK ? count : 0
        }
        try check(status)
        return RGBImage(checkedWidth: width, height: height, pixels: pixels)
    }
}

enum ImageMessage {
    /// A C library's message as one line of ASCII.
    static func text(_ message: [CChar]) -> String {
        let bytes = message.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }
        return String(decoding: bytes.map { (0x20..<0x7F).contains($0) ? $0 : UInt8(ascii: "?") }, as: UTF8.self)
    }
}

enum JPEGFile: DecodableFile {
    static let name = "JPEG"
    static func open(
        _ handle: inout OpaquePointer?, _ bytes: UnsafeRawBufferPointer, _ width: inout UInt32, _ height: inout UInt32,
        _ message: inout [CChar]
    ) -> cdama_image_status {
        cdama_jpeg_open(&handle, bytes.baseAddress, bytes.count, &width, &height, &message)
    }
    static func read(
        _ handle: OpaquePointer?, _ pixels: UnsafeMutablePointer<UInt8>?, _ decoding: ImageDecoding,
        _ message: inout [CChar]
    ) -> cdama_image_status {
        cdama_jpeg_read(handle, pixels, &message)
    }
    static func close(_ handle: OpaquePointer?) { cdama_jpeg_close(handle) }
}

enum PNGFile: DecodableFile {
    static let name = "PNG"
    static func open(
        _ handle: inout OpaquePointer?, _ bytes: UnsafeRawBufferPointer, _ width: inout UInt32, _ height: inout UInt32,
        _ message: inout [CChar]
    ) -> cdama_image_status {
        cdama_png_open(&handle, bytes.baseAddress, bytes.count, &width, &height, &message)
    }
    static func read(
        _ handle: OpaquePointer?, _ pixels: UnsafeMutablePointer<UInt8>?, _ decoding: ImageDecoding,
        _ message: inout [CChar]
    ) -> cdama_image_status {
        cdama_png_read(handle, pixels, decoding.blendsOnWhite ? 1 : 0, &message)
    }
    static func close(_ handle: OpaquePointer?) { cdama_png_close(handle) }
}

enum WebPFile: DecodableFile {
    static let name = "WebP"
    static func open(
        _ handle: inout OpaquePointer?, _ bytes: UnsafeRawBufferPointer, _ width: inout UInt32, _ height: inout UInt32,
        _ message: inout [CChar]
    ) -> cdama_image_status {
        cdama_webp_open(&handle, bytes.baseAddress, bytes.count, &width, &height, &message)
    }
    static func read(
        _ handle: OpaquePointer?, _ pixels: UnsafeMutablePointer<UInt8>?, _ decoding: ImageDecoding,
        _ message: inout [CChar]
    ) -> cdama_image_status {
        cdama_webp_read(handle, pixels, decoding.blendsOnWhite ? 1 : 0, &message)
    }
    static func close(_ handle: OpaquePointer?) { cdama_webp_close(handle) }

    /// The EXIF and XMP chunks of a file.
    static func metadata(_ bytes: UnsafeRawBufferPointer) -> (exif: [UInt8]?, xmp: [UInt8]?) {
        var message = [CChar](repeating: 0, count: Int(CDAMA_IMAGE_MESSAGE_SIZE))
        var (width, height): (UInt32, UInt32) = (0, 0)
        var handle: OpaquePointer?
        guard open(&handle, bytes, &width, &height, &message) == CDAMA_IMAGE_OK else { return (nil, nil) }
        defer { close(handle) }
        func chunk(_ name: String) -> [UInt8]? {
            var count = 0
            return cdama_webp_chunk(handle, name, &count).map { Array(UnsafeBufferPointer(start: $0, count: count)) }
        }
        return (chunk("EXIF"), chunk("XMP "))
    }
}
