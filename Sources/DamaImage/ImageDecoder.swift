import DamaSupport

/// Decodes JPEG, PNG, WebP, GIF and BMP files, recognised by their contents, to the same pixels as Pillow.
///
/// That is `ImageOps.exif_transpose(Image.open(…))`, transparent pixels blended on white, and then `convert("RGB")`;
/// ``ImageDecoding`` can turn off the first two. Of an animation or several pictures, the first one is decoded. Colour
/// profiles and gamma are ignored. CMYK is read as Adobe's inverted form. Damaged files are decoded if Pillow decodes
/// them, to the same bytes; a truncated file is an error, as in Pillow.
///
/// Pure functions, safe to call from any number of threads.
public enum ImageDecoder {
    /// Decodes the bytes of an image file.
    ///
    /// - Throws: ``DamaError/Code/model`` for damaged contents and for no bytes at all; ``DamaError/Code/unsupported``
    ///   for other formats, and for bytes that are no image; ``DamaError/Code/outOfMemory`` for more pixels than
    ///   `limits` allow.
    public static func decode(
        _ bytes: UnsafeRawBufferPointer, limits: ImageLimits = ImageLimits(),
        _ decoding: ImageDecoding = ImageDecoding()
    ) throws(DamaError) -> RGBImage {
        guard !bytes.isEmpty else { throw .model("the image is empty") }
        switch ImageFormat(of: bytes) {
        case .jpeg:
            let image = try ImageLibrary.jpeg.decode(bytes, limits, decoding)
            return decoding.appliesOrientation ? image.turned(ExifOrientation.ofJPEG(bytes)) : image
        case .png:
            let image = try decodePNG(bytes, limits, decoding)
            return decoding.appliesOrientation ? image.turned(ExifOrientation.ofPNG(bytes)) : image
        case .webp:
            let image = try ImageLibrary.webP.decode(bytes, limits, decoding)
            return decoding.appliesOrientation ? image.turned(ExifOrientation.ofWebP(bytes)) : image
        case .gif: return try GIFFile(bytes).decode(limits: limits, decoding)
        case .bmp: return try BMPFile(bytes).decode(limits: limits, decoding)
        case .known(let kind): throw .unsupported("the file is \(kind); the supported images are \(supported)")
        case .unknown:
            throw .unsupported("the file is of no known image format; the supported images are \(supported)")
        }
    }

    private static let supported = "JPEG, PNG, WebP, GIF and BMP"

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
            return try ImageLibrary.png.decode(bytes, limits, decoding)
        } catch {
            guard error.code == .model, let mended = try PNGRepair.mended(bytes, limits) else { throw error }
            return try mended.withUnsafeBufferPointer { buffer throws(DamaError) in
                try ImageLibrary.png.decode(UnsafeRawBufferPointer(buffer), limits, decoding)
            }
        }
    }
}
