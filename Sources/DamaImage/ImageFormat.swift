/// The kinds of image file, by their first bytes.
package enum ImageFormat: Equatable {
    case jpeg
    case png
    case webp
    case gif
    case bmp
    /// Another kind of file, in words.
    case known(String)
    case unknown

    init(of bytes: UnsafeRawBufferPointer) {
        func starts(with signature: [UInt8], at offset: Int = 0) -> Bool {
            bytes.count >= offset + signature.count && zip(bytes[offset...], signature).allSatisfy { $0 == $1 }
        }
        func starts(with text: String, at offset: Int = 0) -> Bool { starts(with: Array(text.utf8), at: offset) }
        if starts(with: [0xFF, 0xD8, 0xFF]) {
            self = .jpeg
        } else if starts(with: [0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A]) {
            self = .png
        } else if starts(with: "GIF87a") || starts(with: "GIF89a") {
            self = .gif
        } else if starts(with: "RIFF"), starts(with: "WEBP", at: 8) {
            self = .webp
        } else if starts(with: "BM") {
            self = .bmp
        } else if starts(with: [0x49, 0x49, 0x2A, 0]) || starts(with: [0x4D, 0x4D, 0, 0x2A])
            || starts(with: [0x49, 0x49, 0x2B, 0]) || starts(with: [0x4D, 0x4D, 0, 0x2B])
        {
            self = .known("a TIFF")
        } else if starts(with: "ftyp", at: 4) {
            self = .known("an AVIF, HEIF or video")
        } else if starts(with: [0xFF, 0x0A]) || starts(with: "JXL ", at: 4) {
            self = .known("a JPEG XL")
        } else if starts(with: [0, 0, 0, 0x0C, 0x6A, 0x50]) || starts(with: [0xFF, 0x4F, 0xFF, 0x51]) {
            self = .known("a JPEG 2000")
        } else if starts(with: "8BPS") {
            self = .known("a Photoshop file")
        } else if starts(with: [0, 0, 1, 0]) {
            self = .known("an icon (ICO)")
        } else if starts(with: "GIF8") {
            self = .known("a GIF of an unknown version")
        } else if starts(with: "PK") {
            self = .known("a ZIP archive")
        } else if starts(with: [0x1F, 0x8B]) {
            self = .known("a gzip file")
        } else if starts(with: "%PDF") {
            self = .known("a PDF")
        } else if ["<svg", "<?xml", "<!DOCTYPE", "<!doctype", "<html"].contains(where: { starts(with: $0) }) {
            self = .known("an SVG, XML or HTML text")
        } else if bytes.count > 2, bytes[0] == UInt8(ascii: "P"), (0x31...0x37).contains(bytes[1]),
            [0x0A, 0x0D, 0x20, 0x09].contains(bytes[2])
        {
            self = .known("a PNM")
        } else {
            self = .unknown
        }
    }
}

extension ImageFormat {
    /// Whether `bytes` begin like an image of any format.
    package static func isImage(_ bytes: [UInt8]) -> Bool {
        bytes.withUnsafeBytes { ImageFormat(of: $0) } != .unknown
    }
}
