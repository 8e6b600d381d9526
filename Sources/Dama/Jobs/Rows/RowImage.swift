import DamaImage
import DamaSupport

/// The image of a dataset's row.
package enum RowImage: Sendable {
    /// A file below the image root.
    case path(String)
    /// The bytes of a file, embedded in the row.
    case bytes([UInt8])

    /// The image's name in messages: its path, shortened if long, or that the row holds the image.
    var name: String {
        switch self {
        case .path(let path): "image \"\(Self.short(path))\""
        case .bytes: "the image in the row"
        }
    }

    static func short(_ path: String) -> String {
        path.utf8.count <= 300 ? path : "\(path.unicodeScalars.prefix(100))… (\(path.utf8.count) bytes)"
    }
}

extension RowImage: Equatable {
    package static func == (a: RowImage, b: RowImage) -> Bool {
        switch (a, b) {
        case (.path(let a), .path(let b)): a.hasSameBytes(as: b)
        case (.bytes(let a), .bytes(let b)): a == b
        default: false
        }
    }
}

extension RowImage: ExpressibleByStringLiteral {
    package init(stringLiteral path: String) { self = .path(path) }
}

extension RowImage {
    /// The most images of a row.
    static let countLimit = 255

    /// Reads a field's value: an image, or a list of them.
    ///
    /// - Parameter field: The field's name in messages.
    static func list(_ value: JSON, field: String) throws(Rejection) -> [RowImage] {
        let elements = (value.array ?? [value]).filter { $0 != .null }
        guard !elements.isEmpty else { throw Rejection(.missingField, "\(field) is an empty list") }
        guard elements.count <= countLimit else {
            throw Rejection(
                .severalImages, "\(field) holds \(elements.count) images; a row has at most \(countLimit)")
        }
        var images: [RowImage] = []
        for element in elements {
            guard element.array == nil else { throw Rejection(.wrongType, "\(field) holds a nested list") }
            images.append(try RowImage(element, field: field))
        }
        return images
    }

    /// Reads one image: a path, a data URI, base64, or an object as `datasets` writes it (`bytes` and `path`).
    private init(_ value: JSON, field: String) throws(Rejection) {
        if let text = value.string {
            try self.init(text: text, field: field)
            return
        }
        guard value.object != nil else {
            throw Rejection(.wrongType, "\(field) must be a path or an image's bytes, found \(value.kind)")
        }
        // Bytes take precedence, as in `datasets`: the path beside them often names a file that does not exist here.
        for key in ["bytes", "base64", "path", "image", "url", "image_url"] {
            guard let part = value[key] else { continue }
            switch key {
            case "bytes", "base64":
                guard let text = part.string else {
                    throw Rejection(.wrongType, "\(field).\(key) must be base64 text, found \(part.kind)")
                }
                guard let bytes = Self.dataURI(text) ?? Base64.decode(text.utf8), !bytes.isEmpty else {
                    throw Rejection(.wrongType, "\(field).\(key) is not base64")
                }
                self = .bytes(bytes)
            default:
                let text = part.string ?? part["url"]?.string
                guard let text, !text.isEmpty else { continue }
                try self.init(text: text, field: field)
            }
            return
        }
        throw Rejection(.missingField, "\(field) has neither bytes nor a path")
    }

    private init(text: String, field: String) throws(Rejection) {
        guard !text.isEmpty else { throw Rejection(.missingField, "\(field) is empty") }
        if text.utf8.starts(with: "data:".utf8) {
            guard let bytes = Self.dataURI(text), !bytes.isEmpty else {
                throw Rejection(.wrongType, "\(field) is a data URI of another form than data:…;base64,…")
            }
            self = .bytes(bytes)
        } else if let bytes = Self.bareBase64(text) {
            self = .bytes(bytes)
        } else {
            for scheme in ["http://", "https://", "s3://", "gs://"] where text.utf8.starts(with: scheme.utf8) {
                throw Rejection(.imageMissing, "\(field) is a URL; images are read from files")
            }
            self = .path(text)
        }
    }

    private static func dataURI(_ text: String) -> [UInt8]? {
        guard text.utf8.starts(with: "data:".utf8), let comma = text.utf8.firstIndex(of: UInt8(ascii: ",")) else {
            return nil
        }
        guard text.utf8[..<comma].suffix(7).elementsEqual(";base64".utf8) else { return nil }
        return Base64.decode(text.utf8[text.utf8.index(after: comma)...])
    }

    /// Decodes a long base64 text that starts like an image file; it is not taken for a file name, although a JPEG's
    /// base64 begins `/9j/…`.
    private static func bareBase64(_ text: String) -> [UInt8]? {
        guard text.utf8.count >= 64, let head = Base64.decode(text.utf8.prefix(32)), ImageFormat.isImage(head) else {
            return nil
        }
        return Base64.decode(text.utf8)
    }
}
