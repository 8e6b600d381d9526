import CDamaShims
import DamaSupport

/// Decodes JPEG and PNG files, recognised by their contents, to the same pixels as Pillow.
///
/// That is `ImageOps.exif_transpose(Image.open(…))`, transparent pixels blended on white, and then `convert("RGB")`;
/// ``ImageDecoding`` can turn off the first two. Colour profiles and gamma are ignored. CMYK is read as Adobe's
/// inverted form. Damaged files are decoded if Pillow decodes them, to the same bytes; a truncated file is an error, as
/// in Pillow.
///
/// Pure functions, safe to call from any number of threads.
public enum ImageDecoder {
    /// Decodes the bytes of an image file.
    ///
    /// - Throws: ``DamaError/Code/model`` for damaged contents and for bytes that are not an image;
    ///   ``DamaError/Code/unsupported`` for other formats; ``DamaError/Code/outOfMemory`` for more pixels than `limits`
    ///   allow.
    public static func decode(
        _ bytes: UnsafeRawBufferPointer, limits: ImageLimits = ImageLimits(),
        _ decoding: ImageDecoding = ImageDecoding()
    ) throws(DamaError) -> RGBImage {
        switch ImageFormat(of: bytes) {
        case .jpeg:
            let image = try decode(bytes, limits: limits, decoding, as: JPEGFile.self)
            return decoding.appliesOrientation ? image.turned(ExifOrientation.ofJPEG(bytes)) : image
        case .png:
            let image = try decodePNG(bytes, limits, decoding)
            return decoding.appliesOrientation ? image.turned(ExifOrientation.ofPNG(bytes)) : image
        case .known(let format):
            throw .unsupported("the image is \(format), which is not supported; convert it to JPEG or PNG")
        case .unknown:
            throw .model("the image is \(bytes.isEmpty ? "empty" : "of no known format"); JPEG and PNG are supported")
        }
    }

    /// As ``decode(_:limits:_:)-(UnsafeRawBufferPointer,_,_)``.
    public static func decode(
        _ bytes: [UInt8], limits: ImageLimits = ImageLimits(), _ decoding: ImageDecoding = ImageDecoding()
    ) throws(DamaError) -> RGBImage {
        try bytes.withUnsafeBufferPointer { buffer throws(DamaError) in
            try decode(UnsafeRawBufferPointer(buffer), limits: limits, decoding)
        }
    }

    /// Decodes the image file at `path`; errors name it.
    public static func decode(
        path: String, limits: ImageLimits = ImageLimits(), _ decoding: ImageDecoding = ImageDecoding()
    ) throws(DamaError) -> RGBImage {
        let bytes = try ImageFile.read(path)
        do {
            return try decode(bytes, limits: limits, decoding)
        } catch {
            throw DamaError(error.code, "\(path): \(error.message)")
        }
    }

    /// Pillow reads some files that libpng rejects: such a file is repaired and decoded again.
    private static func decodePNG(
        _ bytes: UnsafeRawBufferPointer, _ limits: ImageLimits, _ decoding: ImageDecoding
    ) throws(DamaError) -> RGBImage {
        do {
            return try decode(bytes, limits: limits, decoding, as: PNGFile.self)
        } catch {
            guard error.code == .model, let mended = try PNGRepair.mended(bytes, limits) else { throw error }
            return try mended.withUnsafeBufferPointer { buffer throws(DamaError) in
                try decode(UnsafeRawBufferPointer(buffer), limits: limits, decoding, as: PNGFile.self)
            }
        }
    }

    private static func decode<File: DecodableFile>(
        _ bytes: UnsafeRawBufferPointer, limits: ImageLimits, _ decoding: ImageDecoding, as type: File.Type
    ) throws(DamaError) -> RGBImage {
        var message = [CChar](repeating: 0, count: Int(CDAMA_IMAGE_MESSAGE_SIZE))
        func check(_ status: cdama_image_status) throws(DamaError) {
            switch status {
            case CDAMA_IMAGE_OK: return
            case CDAMA_IMAGE_NO_MEMORY: throw .outOfMemory("no memory to decode the \(File.name) image")
            case CDAMA_IMAGE_UNSUPPORTED: throw .unsupported("unsupported \(File.name): \(text(message))")
            default: throw .model("damaged \(File.name): \(text(message))")
            }
        }
        var (width32, height32): (UInt32, UInt32) = (0, 0)
        var handle: OpaquePointer?
        try check(File.open(&handle, bytes, &width32, &height32, &message))
        defer { File.close(handle) }
        let (width, height) = (Int(width32), Int(height32))
        guard width > 0, height > 0 else { throw .model("damaged \(File.name): \(width) × \(height) pixels") }
        let count = try limits.byteCount(width: width, height: height)
        var status = CDAMA_IMAGE_OK
        let pixels = [UInt8](unsafeUninitializedCapacity: count) { buffer, initialized in
            status = File.read(handle, buffer.baseAddress, decoding, &message)
            initialized = status == CDAMA_IMAGE_OK ? count : 0
        }
        try check(status)
        return RGBImage(checkedWidth: width, height: height, pixels: pixels)
    }

    /// A C library's message as one line of ASCII.
    static func text(_ message: [CChar]) -> String {
        let bytes = message.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }
        return String(decoding: bytes.map { (0x20..<0x7F).contains($0) ? $0 : UInt8(ascii: "?") }, as: UTF8.self)
    }
}

/// The common interface to libjpeg and libpng.
private protocol DecodableFile {
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

private enum JPEGFile: DecodableFile {
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

private enum PNGFile: DecodableFile {
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
