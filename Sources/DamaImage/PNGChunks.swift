import CDamaShims
import DamaSupport

/// Iterates over the chunks of a PNG file without checking their contents.
struct PNGChunks {
    struct Chunk {
        var name: String
        var body: Slice<UnsafeRawBufferPointer>
        /// False if the file ends inside the body.
        var isWhole: Bool
        /// The four bytes after the body; `nil` if the file ends before them.
        var checksum: UInt32?
    }

    private let bytes: UnsafeRawBufferPointer
    private var position = 8

    init(_ bytes: UnsafeRawBufferPointer) { self.bytes = bytes }

    /// `nil` if no chunk begins: at the end, or before bytes that are not a chunk name.
    mutating func next() -> Chunk? {
        guard position <= bytes.count, bytes.count - position >= 8 else { return nil }
        let length = Int(number(at: position))
        let name = bytes[position + 4..<position + 8]
        guard name.allSatisfy(Self.isNameByte) else { return nil }
        let start = position + 8
        let end = min(start + length, bytes.count)
        position = start + length + 4
        return Chunk(
            name: String(decoding: name, as: UTF8.self), body: bytes[start..<end], isWhole: end - start == length,
            checksum: position <= bytes.count ? number(at: start + length) : nil)
    }

    /// The bytes that Pillow accepts in a chunk's name: `\w` of regular expressions.
    private static func isNameByte(_ byte: UInt8) -> Bool {
        switch byte {
        case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, 0x5F: true
        default: false
        }
    }

    private func number(at offset: Int) -> UInt32 {
        UInt32(bigEndian: bytes.loadUnaligned(fromByteOffset: offset, as: UInt32.self))
    }
}

extension PNGChunks.Chunk {
    var isSound: Bool {
        var sum = CRC32()
        Array(name.utf8).withUnsafeBytes { sum.update($0) }
        sum.update(UnsafeRawBufferPointer(rebasing: body))
        return isWhole && checksum == sum.value
    }
}

/// The orientation metadata in the chunks of a PNG file, by Pillow's names.
struct PNGMetadata {
    private(set) var exif: [UInt8]?
    private(set) var xmp: [UInt8]?
    /// Texts of metadata are small; Pillow reads at most a megabyte of one.
    private static let textLimit = 1 << 20

    mutating func take(_ chunk: PNGChunks.Chunk) {
        guard chunk.isWhole, ["eXIf", "iTXt", "tEXt", "zTXt"].contains(chunk.name) else { return }
        guard chunk.name != "eXIf" else {
            exif = Array(chunk.body)
            hasChunk = true
            return
        }
        let body = chunk.body
        guard let end = body.firstIndex(of: 0) else { return }
        let key = String(decoding: body[..<end], as: UTF8.self)
        let rest = body[(end + 1)...]
        switch (chunk.name, key) {
        case ("iTXt", "XML:com.adobe.xmp"): xmp = internationalText(rest) ?? xmp
        case ("tEXt", "Raw profile type exif"): takeProfile(Array(rest))
        case ("zTXt", "Raw profile type exif"):
            if rest.first == 0, let text = inflate(rest.dropFirst()) { takeProfile(text) }
        default: break
        }
    }

    /// Whether ``exif`` comes from a chunk of its own, which takes precedence over a profile in a text.
    private var hasChunk = false

    /// ImageMagick's form of a stored profile: a line with its name, one with its length, and hexadecimal digits.
    private mutating func takeProfile(_ text: [UInt8]) {
        guard !hasChunk else { return }
        let lines = text.split(separator: 0x0A, omittingEmptySubsequences: false)
        guard lines.count > 3 else { return }
        let digits = lines[3...].joined().filter { $0 != 0x20 && $0 != 0x0D && $0 != 0x09 }
        guard digits.count % 2 == 0 else { return }
        var bytes: [UInt8] = []
        for index in stride(from: 0, to: digits.count, by: 2) {
            guard let high = Self.value(digits[index]), let low = Self.value(digits[index + 1]) else { return }
            bytes.append(high << 4 | low)
        }
        exif = bytes
    }

    private static func value(_ digit: UInt8) -> UInt8? {
        switch digit {
        case 0x30...0x39: digit - 0x30
        case 0x41...0x46: digit - 0x41 + 10
        case 0x61...0x66: digit - 0x61 + 10
        default: nil
        }
    }

    /// Flag, method, language, translated key, text.
    private func internationalText(_ body: Slice<UnsafeRawBufferPointer>) -> [UInt8]? {
        guard body.count >= 2 else { return nil }
        let (flag, method) = (body[body.startIndex], body[body.startIndex + 1])
        let parts = body.dropFirst(2).split(separator: 0, maxSplits: 2, omittingEmptySubsequences: false)
        guard parts.count == 3 else { return nil }
        if flag == 0 { return Array(parts[2]) }
        return method == 0 ? inflate(parts[2]) : nil
    }

    private func inflate(_ body: Slice<UnsafeRawBufferPointer>) -> [UInt8]? {
        let source = UnsafeRawBufferPointer(rebasing: body)
        var ended: Int32 = 0
        let text = [UInt8](unsafeUninitializedCapacity: Self.textLimit) { buffer, count in
            count = cdama_inflate(source.baseAddress, source.count, buffer.baseAddress, buffer.count, &ended)
        }
        return ended == 1 ? text : nil
    }
}
