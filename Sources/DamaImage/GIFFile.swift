import CDamaShims
import DamaSupport

/// The first frame of a GIF file on its canvas, as Pillow composes it.
///
/// The file's blocks are found here, with Pillow's tolerance: bytes between blocks are skipped, a frame beyond the canvas
/// enlarges it, and whatever follows the pixels may be missing. giflib decompresses the pixels. Outside the frame the
/// canvas is transparent if the frame has a transparent colour, else it has colour 0; the background colour is not
/// used.
struct GIFFile {
    private let bytes: UnsafeRawBufferPointer
    private(set) var width: Int
    private(set) var height: Int
    private var frame = PixelRect(left: 0, top: 0, width: 0, height: 0)
    private var isInterlaced = false
    /// Without one, indices are grey levels.
    private var palette: Palette?
    private var transparentIndex: UInt8?
    /// Where the size of codes and the compressed pixels begin.
    private var dataStart = 0

    /// Reads up to the first frame's pixels.
    init(_ bytes: UnsafeRawBufferPointer) throws(DamaError) {
        self.bytes = bytes
        var reader = ByteReader(bytes)
        guard let screen = reader.readAll(13) else { throw Self.damage("it is cut short") }
        (width, height) = (screen.uint16(at: 6), screen.uint16(at: 8))
        let globalPalette = try Palette(flags: screen[10], &reader)
        guard try findFrame(&reader) else { throw Self.damage("it has no picture") }
        guard let header = reader.readAll(9) else { throw Self.damage("it is cut short") }
        frame = PixelRect(
            left: header.uint16(at: 0), top: header.uint16(at: 2), width: header.uint16(at: 4),
            height: header.uint16(at: 6))
        width = max(width, frame.left + frame.width)
        height = max(height, frame.top + frame.height)
        guard frame.width > 0, frame.height > 0 else {
            throw Self.damage("a picture of \(frame.width) × \(frame.height) pixels")
        }
        isInterlaced = header[8] & 0x40 != 0
        palette = try Palette(flags: header[8], &reader) ?? globalPalette
        dataStart = reader.position
    }

    private static func damage(_ reason: String) -> DamaError { .model("damaged GIF: \(reason)") }

    /// Reads to the mark of the first frame, and the transparent colour of the extensions before it. False if there is
    /// no frame.
    private mutating func findFrame(_ reader: inout ByteReader) throws(DamaError) -> Bool {
        while let mark = reader.byte(), mark != UInt8(ascii: ";") {
            guard mark != UInt8(ascii: ",") else { return true }
            guard mark == UInt8(ascii: "!") else { continue }
            guard let label = reader.byte() else { return false }
            let size = reader.byte()
            guard let size, size > 0 else {
                // Of an extension without a block Pillow takes the next one for its own, except of a comment.
                if label != 0xFE { Self.skipBlocks(&reader) }
                continue
            }
            let block = reader.read(Int(size))
            if label == 0xF9 {
                guard block.count >= 3, block[0] & 1 == 0 || block.count >= 4 else {
                    throw Self.damage("a graphic control of \(block.count) bytes")
                }
                if block[0] & 1 != 0 { transparentIndex = block[3] }
            }
            // Pillow reads the block behind this name even if the extension ends there.
            if label == 0xFF, block.starts(with: "NETSCAPE2.0".utf8), let size = reader.byte() {
                reader.position += Int(size)
            }
            Self.skipBlocks(&reader)
        }
        return false
    }

    /// Skips blocks up to one without bytes, the end of an extension.
    private static func skipBlocks(_ reader: inout ByteReader) {
        while let size = reader.byte(), size > 0 { reader.position += Int(size) }
    }

    func decode(limits: ImageLimits, _ decoding: ImageDecoding) throws(DamaError) -> RGBImage {
        let count = try limits.byteCount(width: width, height: height)
        try Allocation.check(frame.width * frame.height, for: "the indices of a GIF")
        var status = CDAMA_IMAGE_OK
        let indices = [UInt8](unsafeUninitializedCapacity: frame.width * frame.height) { buffer, initialized in
            let data = UnsafeRawBufferPointer(rebasing: bytes[min(dataStart, bytes.count)...])
            status = cdama_gif_read(data.baseAddress, data.count, buffer.baseAddress, buffer.count)
            initialized = status == CDAMA_IMAGE_OK ? frame.width * frame.height : 0
        }
        guard status == CDAMA_IMAGE_OK else {
            if status == CDAMA_IMAGE_NO_MEMORY { throw .outOfMemory("no memory to decode the GIF image") }
            throw Self.damage("the pixels are cut short or wrong")
        }
        let colors = colors(decoding)
        let background = colors[Int(transparentIndex ?? 0)]
        let pixels = [UInt8](unsafeUninitializedCapacity: count) { buffer, initialized in
            guard var target = buffer.baseAddress else { return }
            for _ in 0..<width * height {
                (target[0], target[1], target[2]) = background
                target += 3
            }
            draw(indices, colors, on: buffer)
            initialized = count
        }
        return RGBImage(checkedWidth: width, height: height, pixels: pixels)
    }

    private typealias Color = (UInt8, UInt8, UInt8)

    /// The colour of each index. Those beyond the palette are black.
    private func colors(_ decoding: ImageDecoding) -> [Color] {
        var colors: [Color] = (0...255).map { palette?.color($0) ?? ($0, $0, $0) }
        if decoding.blendsOnWhite, let transparentIndex { colors[Int(transparentIndex)] = (255, 255, 255) }
        return colors
    }

    private func draw(_ indices: [UInt8], _ colors: [Color], on canvas: UnsafeMutableBufferPointer<UInt8>) {
        // The rows of an interlaced picture come in four passes.
        let passes = isInterlaced ? [(0, 8), (4, 8), (2, 4), (1, 2)] : [(0, 1)]
        var next = 0
        for (first, step) in passes {
            for row in stride(from: first, to: frame.height, by: step) {
                var position = 3 * ((frame.top + row) * width + frame.left)
                for index in indices[next..<next + frame.width] {
                    (canvas[position], canvas[position + 1], canvas[position + 2]) = colors[Int(index)]
                    position += 3
                }
                next += frame.width
            }
        }
    }

    private struct Palette {
        let bytes: [UInt8]

        /// `nil` if the flags announce none, and for the palette 0, 1, 2, …, which Pillow takes for none.
        init?(flags: UInt8, _ reader: inout ByteReader) throws(DamaError) {
            guard flags & 0x80 != 0 else { return nil }
            guard let bytes = reader.readAll(3 << (Int(flags & 7) + 1)) else { throw GIFFile.damage("it is cut short") }
            if bytes.indices.allSatisfy({ Int(bytes[$0]) == $0 / 3 }) { return nil }
            self.bytes = bytes
        }

        func color(_ index: UInt8) -> Color {
            let start = 3 * Int(index)
            return start < bytes.count ? (bytes[start], bytes[start + 1], bytes[start + 2]) : (0, 0, 0)
        }
    }
}
