import CDamaShims
import DamaSupport

/// What a decoder may spend on one image.
public struct ImageLimits: Sendable, Equatable {
    /// The most pixels that an image may have when decoded. Checked before anything of that size is allocated, so
    /// that a small file cannot claim all memory. The default, 178,956,970, is where Pillow refuses.
    public var pixels: Int

    public init(pixels: Int = 178_956_970) { self.pixels = pixels }

    /// 3 · width · height.
    ///
    /// - Throws: ``DamaError/Code/outOfMemory`` where that is more than the limit.
    func byteCount(width: Int, height: Int) throws(DamaError) -> Int {
        let (area, overflow) = width.multipliedReportingOverflow(by: height)
        let (count, overflow3) = area.multipliedReportingOverflow(by: 3)
        guard !overflow, !overflow3, area <= pixels else {
            throw .outOfMemory("an image of \(width) × \(height) pixels is larger than the limit of \(pixels) pixels")
        }
        try Allocation.check(count, for: "an image of \(width) × \(height) pixels")
        return count
    }
}

/// Reads JPEG and PNG files, recognised by their contents, to the pixels that Pillow's
/// `Image.open(…).convert("RGB")` gives.
///
/// As there, EXIF orientation is not applied, colour profiles and gamma are ignored, and transparency is dropped
/// without blending. CMYK is taken for Adobe's inverted kind. Stricter than there: a file that is cut short or
/// damaged in its picture data is an error, never a picture that is partly grey.
///
/// Pure functions; call them from as many threads as there are.
public enum ImageDecoder {
    /// The picture in the bytes of a file.
    ///
    /// - Throws: ``DamaError/Code/model`` for damaged contents; ``DamaError/Code/unsupported`` for other formats;
    ///   ``DamaError/Code/outOfMemory`` for more pixels than `limits` allow.
    public static func decode(
        _ bytes: UnsafeRawBufferPointer, limits: ImageLimits = ImageLimits()
    ) throws(DamaError) -> RGBImage {
        switch ImageFormat(of: bytes) {
        case .jpeg: return try decode(bytes, limits: limits, as: JPEGFile.self)
        case .png: return try decode(bytes, limits: limits, as: PNGFile.self)
        case .other(let found):
            throw .unsupported("the image is \(found); JPEG and PNG can be read")
        }
    }

    /// As ``decode(_:limits:)-(UnsafeRawBufferPointer,_)``.
    public static func decode(_ bytes: [UInt8], limits: ImageLimits = ImageLimits()) throws(DamaError) -> RGBImage {
        try bytes.withUnsafeBufferPointer { buffer throws(DamaError) in
            try decode(UnsafeRawBufferPointer(buffer), limits: limits)
        }
    }

    /// The picture in the file at `path`; errors name it.
    public static func decode(path: String, limits: ImageLimits = ImageLimits()) throws(DamaError) -> RGBImage {
        let file = try MappedFile(path: path)
        do {
            return try decode(file.bytes, limits: limits)
        } catch {
            throw DamaError(error.code, "\(path): \(error.message)")
        }
    }

    private static func decode<File: DecodableFile>(
        _ bytes: UnsafeRawBufferPointer, limits: ImageLimits, as type: File.Type
    ) throws(DamaError) -> RGBImage {
        var message = [CChar](repeating: 0, count: Int(CDAMA_IMAGE_MESSAGE_SIZE))
        func check(_ status: cdama_image_status) throws(DamaError) {
            switch status {
            case CDAMA_IMAGE_OK: return
            case CDAMA_IMAGE_NO_MEMORY: throw .outOfMemory("no memory to decode the \(File.name) image")
            case CDAMA_IMAGE_UNSUPPORTED: throw .unsupported("\(File.name) of a kind not read: \(text(message))")
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
            status = File.read(handle, buffer.baseAddress, &message)
            initialized = status == CDAMA_IMAGE_OK ? count : 0
        }
        try check(status)
        return RGBImage(checkedWidth: width, height: height, pixels: pixels)
    }

    /// One line of ASCII out of a C library's message.
    static func text(_ message: [CChar]) -> String {
        let bytes = message.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }
        return String(decoding: bytes.map { (0x20..<0x7F).contains($0) ? $0 : UInt8(ascii: "?") }, as: UTF8.self)
    }
}

/// The kinds of image file, by their first bytes.
private enum ImageFormat {
    case jpeg
    case png
    /// Something else, in words.
    case other(String)

    init(of bytes: UnsafeRawBufferPointer) {
        func starts(with signature: [UInt8], at offset: Int = 0) -> Bool {
            bytes.count >= offset + signature.count && zip(bytes[offset...], signature).allSatisfy { $0 == $1 }
        }
        if starts(with: [0xFF, 0xD8, 0xFF]) {
            self = .jpeg
        } else if starts(with: [0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A]) {
            self = .png
        } else if bytes.isEmpty {
            self = .other("empty")
        } else if starts(with: Array("GIF8".utf8)) {
            self = .other("a GIF")
        } else if starts(with: Array("RIFF".utf8)), starts(with: Array("WEBP".utf8), at: 8) {
            self = .other("a WebP")
        } else if starts(with: Array("BM".utf8)) {
            self = .other("a BMP")
        } else if starts(with: [0x49, 0x49, 0x2A, 0]) || starts(with: [0x4D, 0x4D, 0, 0x2A]) {
            self = .other("a TIFF")
        } else if starts(with: Array("ftyp".utf8), at: 4) {
            self = .other("an AVIF, HEIF or video")
        } else {
            self = .other("of no known format")
        }
    }
}

/// The one face of libjpeg and libpng.
private protocol DecodableFile {
    static var name: String { get }
    static func open(
        _ handle: inout OpaquePointer?, _ bytes: UnsafeRawBufferPointer, _ width: inout UInt32, _ height: inout UInt32,
        _ message: inout [CChar]
    ) -> cdama_image_status
    static func read(
        _ handle: OpaquePointer?, _ pixels: UnsafeMutablePointer<UInt8>?, _ message: inout [CChar]
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
        _ handle: OpaquePointer?, _ pixels: UnsafeMutablePointer<UInt8>?, _ message: inout [CChar]
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
        _ handle: OpaquePointer?, _ pixels: UnsafeMutablePointer<UInt8>?, _ message: inout [CChar]
    ) -> cdama_image_status {
        cdama_png_read(handle, pixels, &message)
    }
    static func close(_ handle: OpaquePointer?) { cdama_png_close(handle) }
}
