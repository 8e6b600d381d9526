/// The orientation in a file's metadata, read as Pillow reads it: from EXIF, else from XMP. 1 if there is none or the
/// metadata is damaged.
enum ExifOrientation {
    static func ofJPEG(_ bytes: UnsafeRawBufferPointer) -> Int {
        var exif: [UInt8]?
        var xmp: [UInt8]?
        JPEGSegments.forEachApplication1(bytes) { body in
            if body.starts(with: Array("Exif\0\0".utf8)) {
                // A second segment continues the first one.
                exif = exif.map { $0 + body.dropFirst(6) } ?? Array(body)
            } else if body.starts(with: Array("http://ns.adobe.com/xap/1.0/\0".utf8)) {
                xmp = Array(body.dropFirst(29))
            }
        }
        return orientation(exif: exif, xmp: xmp)
    }

    static func ofPNG(_ bytes: UnsafeRawBufferPointer) -> Int {
        var metadata = PNGMetadata()
        var chunks = PNGChunks(bytes)
        while let chunk = chunks.next(), chunk.name != "IEND" { metadata.take(chunk) }
        return orientation(exif: metadata.exif, xmp: metadata.xmp)
    }

    static func ofWebP(_ bytes: UnsafeRawBufferPointer) -> Int {
        let (exif, xmp) = ImageLibrary.webPMetadata(bytes)
        return orientation(exif: exif, xmp: xmp)
    }

    private static func orientation(exif: [UInt8]?, xmp: [UInt8]?) -> Int {
        if let exif, let found = TIFFDirectory.orientation(in: exif) { return found }
        return xmp.flatMap { orientation(inXMP: $0) } ?? 1
    }

    /// The digit after the first `tiff:Orientation="` or `tiff:Orientation>`.
    private static func orientation(inXMP text: [UInt8]) -> Int? {
        let name = Array("tiff:Orientation".utf8)
        var start = 0
        while start + name.count < text.count {
            defer { start += 1 }
            guard text[start] == name[0], text[start...].starts(with: name) else { continue }
            let rest = text[(start + name.count)...].prefix(3)
            for ending in ["=\"", ">"] where rest.starts(with: Array(ending.utf8)) {
                if let digit = rest.dropFirst(ending.utf8.count).first, (0x30...0x39).contains(digit) {
                    return Int(digit) - 0x30
                }
            }
        }
        return nil
    }
}

/// The first directory of a TIFF structure, the format of EXIF data.
enum TIFFDirectory {
    private static let orientationTag = 0x0112

    /// The value of the orientation tag; 1 if the value is not an orientation, `nil` if the tag is missing.
    static func orientation(in exif: [UInt8]) -> Int? {
        let prefix = Array("Exif\0\0".utf8)
        var data = exif[...]
        while data.starts(with: prefix) { data = data.dropFirst(prefix.count) }
        guard let reader = Numbers(Array(data)), let start = reader.integer(at: 4, 4),
            let count = reader.integer(at: start, 2)
        else { return nil }
        for index in 0..<count {
            let entry = start + 2 + 12 * index
            guard reader.bytes.count - 12 >= entry, let tag = reader.integer(at: entry, 2) else { return nil }
            guard tag == orientationTag else { continue }
            guard let type = reader.integer(at: entry + 2, 2), let values = reader.integer(at: entry + 4, 4) else {
                return nil
            }
            guard let size = Self.size(ofType: type) else { continue }
            // A value that does not fit into the entry lies elsewhere.
            var place = entry + 8
            if values * size > 4 {
                guard let offset = reader.integer(at: place, 4) else { return nil }
                guard values * size <= reader.bytes.count else { continue }
                place = offset
            }
            guard values > 0 else { continue }
            guard place <= reader.bytes.count, values * size <= reader.bytes.count - place else { return nil }
            return reader.value(at: place, type: type) ?? 1
        }
        return nil
    }

    private static func size(ofType type: Int) -> Int? {
        switch type {
        case 1, 2, 6, 7: 1
        case 3, 8: 2
        case 4, 9, 11, 13: 4
        case 5, 10, 12, 16: 8
        default: nil
        }
    }

    private struct Numbers {
        let bytes: [UInt8]
        let isBigEndian: Bool

        /// `nil` if the bytes do not begin like a TIFF file.
        init?(_ bytes: [UInt8]) {
            guard bytes.count >= 8 else { return nil }
            switch (bytes[0], bytes[1], bytes[2], bytes[3]) {
            case (0x4D, 0x4D, 0, 0x2A), (0x4D, 0x4D, 0x2A, 0): isBigEndian = true
            case (0x49, 0x49, 0, 0x2A), (0x49, 0x49, 0x2A, 0): isBigEndian = false
            default: return nil
            }
            self.bytes = bytes
        }

        /// An unsigned integer of at most 7 bytes; `nil` beyond the end.
        func integer(at offset: Int, _ size: Int) -> Int? {
            guard offset >= 0, offset <= bytes.count, size <= bytes.count - offset else { return nil }
            let part = bytes[offset..<offset + size]
            return isBigEndian
                ? part.reduce(0) { $0 << 8 | Int($1) } : part.reversed().reduce(0) { $0 << 8 | Int($1) }
        }

        private func bits(at offset: Int) -> UInt64? {
            guard let first = integer(at: offset, 4), let second = integer(at: offset + 4, 4) else { return nil }
            let (high, low) = isBigEndian ? (first, second) : (second, first)
            return UInt64(truncatingIfNeeded: high) << 32 | UInt64(truncatingIfNeeded: low)
        }

        /// A number of any type that can hold 1 to 8; Pillow does not accept texts and bytes either.
        func value(at offset: Int, type: Int) -> Int? {
            switch type {
            case 3, 8: return integer(at: offset, 2)
            case 4, 9, 13: return integer(at: offset, 4)
            case 6: return integer(at: offset, 1)
            case 16: return bits(at: offset).flatMap { Int(exactly: $0) }
            case 11:
                return integer(at: offset, 4).flatMap {
                    Int(exactly: Float(bitPattern: UInt32(truncatingIfNeeded: $0)))
                }
            case 12: return bits(at: offset).flatMap { Int(exactly: Double(bitPattern: $0)) }
            case 5, 10:
                guard let above = integer(at: offset, 4), let below = integer(at: offset + 4, 4), below > 0,
                    above % below == 0
                else { return nil }
                return above / below
            default: return nil
            }
        }
    }
}

/// The segments of a JPEG file before the image data.
enum JPEGSegments {
    /// Calls `body` with the contents of each APP1 segment. Stops at the image data, or if no marker follows.
    static func forEachApplication1(_ bytes: UnsafeRawBufferPointer, _ body: (Slice<UnsafeRawBufferPointer>) -> Void) {
        var position = 2
        while position + 1 < bytes.count {
            // Between segments there may be fill bytes, and junk that decoders skip.
            guard bytes[position] == 0xFF, bytes[position + 1] != 0xFF, bytes[position + 1] != 0 else {
                position += 1
                continue
            }
            let marker = bytes[position + 1]
            position += 2
            switch marker {
            case 0xD0...0xD9, 0x01, 0xC8, 0xF0...0xFD: continue
            case 0x02...0xBF: return
            default: break
            }
            guard marker != 0xDA, position + 2 <= bytes.count else { return }
            let length = Int(bytes[position]) << 8 | Int(bytes[position + 1])
            guard length >= 2, length <= bytes.count - position else { return }
            if marker == 0xE1 { body(bytes[position + 2..<position + length]) }
            position += length
        }
    }
}
