import CDamaShims
import DamaSupport

/// A BMP file, with Pillow's reading of its many variants. What Pillow does not support is an error that names it.
///
/// Read here and not by a library, because Debian has no small maintained one: the format is stored rows, except for
/// two run-length codes, and equality with Pillow is in the headers.
struct BMPFile {
    private let bytes: UnsafeRawBufferPointer
    let width: Int
    let height: Int
    private let isTopDown: Bool
    /// Of the file's header; the number of bits that are read may differ (see `indices`).
    private let bits: Int
    private let pixelsStart: Int
    private let layout: Layout

    private enum Layout {
        /// Stored indices of `bits` bits into 256 colours of 3 bytes.
        case indices(bits: Int, colors: [UInt8])
        /// Indices of a byte in runs.
        case runs(BMPRuns, colors: [UInt8])
        /// 16 bits: 5 of blue, `green`, 5 of red.
        case packed(green: Int)
        /// A byte each: the places of red, green and blue and maybe alpha, in pixels of `size` bytes.
        case channels(size: Int, red: Int, green: Int, blue: Int, alpha: Int?)
    }

    /// Reads the header and the palette.
    init(_ bytes: UnsafeRawBufferPointer) throws(DamaError) {
        self.bytes = bytes
        var reader = ByteReader(bytes)
        guard let start = reader.readAll(18) else { throw Self.damage("it is cut short") }
        let headerSize = start.uint32(at: 14)
        guard [12, 40, 52, 56, 64, 108, 124].contains(headerSize) else {
            throw .unsupported("unsupported BMP: a header of \(headerSize) bytes")
        }
        guard let header = reader.readAll(headerSize - 4) else { throw Self.damage("it is cut short") }
        let isShort = headerSize == 12
        isTopDown = !isShort && header[7] == 0xFF
        width = isShort ? header.uint16(at: 0) : header.uint32(at: 0)
        let rows = isShort ? header.uint16(at: 2) : header.uint32(at: 4)
        height = isTopDown ? 1 << 32 - rows : rows
        bits = header.uint16(at: isShort ? 6 : 10)
        guard [1, 4, 8, 16, 24, 32].contains(bits) else { throw .unsupported("unsupported BMP: \(bits) bits a pixel") }
        let compression = isShort ? 0 : header.uint32(at: 12)
        var colorCount = isShort ? 0 : header.uint32(at: 28)
        if colorCount == 0 { colorCount = 1 << bits }
        let masks = compression == 3 ? try Self.masks(header, &reader) : nil

        let colorSize = isShort ? 3 : 4
        var palette: Palette?
        if bits <= 8 {
            guard colorCount <= 65_536 else {
                throw .unsupported("unsupported BMP: a palette of \(colorCount) colours")
            }
            palette = Palette(reader.read(colorSize * colorCount), colorSize: colorSize, count: colorCount)
        }
        var offset = start.uint32(at: 10)
        // A file whose pixels begin where its palette is has them behind it.
        if offset == 14 + headerSize, bits <= 8 { offset += colorSize * colorCount }
        pixelsStart = offset > 0 ? offset : reader.position
        layout = try Self.layout(bits: bits, compression: compression, masks: masks, palette: palette)
    }

    private static func damage(_ reason: String) -> DamaError { .model("damaged BMP: \(reason)") }

    /// The masks of red, green, blue and alpha. The shortest header has three of them behind it.
    private static func masks(_ header: [UInt8], _ reader: inout ByteReader) throws(DamaError) -> [Int] {
        if header.count >= 48 {
            return (0..<4).map { $0 < 3 || header.count >= 52 ? header.uint32(at: 36 + 4 * $0) : 0 }
        }
        guard let masks = reader.readAll(12) else { throw damage("it is cut short") }
        return [masks.uint32(at: 0), masks.uint32(at: 4), masks.uint32(at: 8), 0]
    }

    private static func layout(
        bits: Int, compression: Int, masks: [Int]?, palette: Palette?
    ) throws(DamaError) -> Layout {
        switch (compression, bits) {
        case (0, 16): return .packed(green: 5)
        case (0, 24), (0, 32): return .channels(size: bits / 8, red: 2, green: 1, blue: 0, alpha: nil)
        case (3, _): return try layout(bits: bits, masks: masks ?? [])
        case (0...2, _):
            guard let palette else { throw damage("runs of \(bits) bits a pixel") }
            let colors = try palette.colors()
            // Pillow reads the pixels of a palette of greys by the palette's size, not by the header's bits.
            return compression == 0
                ? .indices(bits: palette.isBlackAndWhite ? 1 : palette.isGrey ? 8 : bits, colors: colors)
                : .runs(BMPRuns(hasNibbles: compression == 2), colors: colors)
        default: throw .unsupported("unsupported BMP: compression \(compression)")
        }
    }

    private static func layout(bits: Int, masks: [Int]) throws(DamaError) -> Layout {
        let names = masks.map { String($0, radix: 16) }.joined(separator: ", ")
        switch (bits, names) {
        case (16, _) where masks.starts(with: [0xF800, 0x7E0, 0x1F]): return .packed(green: 6)
        case (16, _) where masks.starts(with: [0x7C00, 0x3E0, 0x1F]): return .packed(green: 5)
        case (24, _) where masks.starts(with: [0xFF_0000, 0xFF00, 0xFF]):
            return .channels(size: 3, red: 2, green: 1, blue: 0, alpha: nil)
        case (32, "ff0000, ff00, ff, 0"): return .channels(size: 4, red: 2, green: 1, blue: 0, alpha: nil)
        case (32, "ff000000, ff0000, ff00, 0"): return .channels(size: 4, red: 3, green: 2, blue: 1, alpha: nil)
        case (32, "ff000000, ff00, ff, 0"): return .channels(size: 4, red: 3, green: 1, blue: 0, alpha: nil)
        case (32, "ff000000, ff0000, ff00, ff"): return .channels(size: 4, red: 3, green: 2, blue: 1, alpha: 0)
        case (32, "ff, ff00, ff0000, ff000000"): return .channels(size: 4, red: 0, green: 1, blue: 2, alpha: 3)
        case (32, "ff0000, ff00, ff, ff000000"), (32, "0, 0, 0, 0"):
            return .channels(size: 4, red: 2, green: 1, blue: 0, alpha: 3)
        case (32, "ff000000, ff00, ff, ff0000"): return .channels(size: 4, red: 3, green: 1, blue: 0, alpha: 2)
        default: throw .unsupported("unsupported BMP: \(bits) bits a pixel with the masks \(names)")
        }
    }

    func decode(limits: ImageLimits, _ decoding: ImageDecoding) throws(DamaError) -> RGBImage {
        guard width > 0, height > 0 else { throw Self.damage("\(width) × \(height) pixels") }
        let count = try limits.byteCount(width: width, height: height)
        switch layout {
        case .indices(let bits, let colors):
            let mask = UInt8(truncatingIfNeeded: 1 << bits - 1)
            return try image(count, bits: bits) { row, target in
                for x in 0..<width {
                    let place = x * bits
                    let index = row[place >> 3] >> UInt8(8 - bits - place & 7) & mask
                    for c in 0..<3 { target[3 * x + c] = colors[3 * Int(index) + c] }
                }
            }
        case .runs(let runs, let colors):
            try Allocation.check(width * height, for: "the indices of a BMP")
            guard let indices = runs.indices(bytes, at: pixelsStart, width: width, height: height) else {
                throw Self.damage("the runs end before the picture")
            }
            return indices.withUnsafeBytes { indices in
                image(count, from: indices, at: 0, stride: width) { row, target in
                    for x in 0..<width {
                        for c in 0..<3 { target[3 * x + c] = colors[3 * Int(row[x]) + c] }
                    }
                }
            }
        case .packed(let green):
            return try image(count, bits: 16) { row, target in
                for x in 0..<width {
                    let pixel = Int(row[2 * x]) | Int(row[2 * x + 1]) << 8
                    let most = 1 << green - 1
                    target[3 * x] = UInt8(truncatingIfNeeded: (pixel >> (5 + green) & 31) * 255 / 31)
                    target[3 * x + 1] = UInt8(truncatingIfNeeded: (pixel >> 5 & most) * 255 / most)
                    target[3 * x + 2] = UInt8(truncatingIfNeeded: (pixel & 31) * 255 / 31)
                }
            }
        case .channels(let size, let red, let green, let blue, let alpha):
            var pixels = [UInt8](repeating: 255, count: 4 * width)
            return try image(count, bits: 8 * size) { row, target in
                for x in 0..<width {
                    pixels[4 * x] = row[size * x + red]
                    pixels[4 * x + 1] = row[size * x + green]
                    pixels[4 * x + 2] = row[size * x + blue]
                    if decoding.blendsOnWhite, let alpha { pixels[4 * x + 3] = row[size * x + alpha] }
                }
                cdama_blend_on_white(target, pixels, width)
            }
        }
    }

    private typealias Row = (_ row: UnsafeRawBufferPointer, _ target: UnsafeMutablePointer<UInt8>) -> Void

    /// The picture of stored rows, each padded to four bytes; the last one's padding may be missing.
    private func image(_ count: Int, bits pixelBits: Int, _ convert: Row) throws(DamaError) -> RGBImage {
        let size = (width * pixelBits + 7) / 8
        let stride = (width * bits + 31) / 32 * 4
        guard stride >= size else { throw Self.damage("rows of \(bits) bits a pixel for \(pixelBits)") }
        let end = pixelsStart + stride * (height - 1) + size
        guard end <= bytes.count else { throw Self.damage("it is cut short: \(bytes.count) bytes of \(end)") }
        return image(count, from: bytes, at: pixelsStart, stride: stride, convert)
    }

    private func image(
        _ count: Int, from source: UnsafeRawBufferPointer, at start: Int, stride: Int, _ convert: Row
    ) -> RGBImage {
        let pixels = [UInt8](unsafeUninitializedCapacity: count) { buffer, initialized in
            guard let target = buffer.baseAddress else { return }
            for y in 0..<height {
                let row = UnsafeRawBufferPointer(rebasing: source[(start + y * stride)...])
                convert(row, target + 3 * width * (isTopDown ? y : height - 1 - y))
            }
            initialized = count
        }
        return RGBImage(checkedWidth: width, height: height, pixels: pixels)
    }

    /// Blue, green, red and maybe a byte of padding for each colour.
    private struct Palette {
        let bytes: [UInt8]
        let colorSize: Int
        let count: Int
        /// Whether the colours are 0, 1, 2, …, or black and white.
        let isGrey: Bool
        var isBlackAndWhite: Bool { isGrey && count <= 2 }

        init(_ bytes: [UInt8], colorSize: Int, count: Int) {
            (self.bytes, self.colorSize, self.count) = (bytes, colorSize, count)
            isGrey = (0..<count).allSatisfy { index in
                let start = colorSize * index
                let grey = count == 2 ? UInt8(255 * index) : UInt8(truncatingIfNeeded: index)
                return start + 3 <= bytes.count && bytes[start..<start + 3].allSatisfy { $0 == grey }
            }
        }

        /// 256 colours of red, green and blue. Indices beyond the palette are black.
        func colors() throws(DamaError) -> [UInt8] {
            if isBlackAndWhite { return [0, 0, 0] + [UInt8](repeating: 255, count: 765) }
            if isGrey { return (0..<768).map { UInt8($0 / 3) } }
            let entries = bytes.count / colorSize
            guard entries <= 256 else { throw BMPFile.damage("a palette of \(entries) colours") }
            var colors = [UInt8](repeating: 0, count: 768)
            for index in 0..<entries {
                for c in 0..<3 { colors[3 * index + c] = bytes[colorSize * index + 2 - c] }
            }
            return colors
        }
    }
}
