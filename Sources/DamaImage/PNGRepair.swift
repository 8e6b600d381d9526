import CDamaShims
import DamaSupport

/// Rewrites a PNG file that libpng rejects and Pillow reads, so that libpng reads the same pixels: a file without its
/// end, with a wrong checksum of image data, with unknown critical chunks, or whose compressed data ends before the
/// last row (the rest is zeros).
///
/// As in Pillow, everything before the image data must be valid, and a file that ends inside a chunk is an error.
enum PNGRepair {
    private static let signature: [UInt8] = [0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A]

    /// - Throws: ``DamaError/Code/outOfMemory`` if the picture exceeds `limits`.
    static func mended(_ bytes: UnsafeRawBufferPointer, _ limits: ImageLimits) throws(DamaError) -> [UInt8]? {
        var chunks = PNGChunks(bytes)
        guard let header = chunks.next(), header.name == "IHDR", header.isSound, let shape = Shape(header.body) else {
            return nil
        }
        _ = try limits.byteCount(width: shape.width, height: shape.height)
        var file = signature
        append("IHDR", Array(header.body), to: &file)
        var compressed: [UInt8] = []
        var isBehindPicture = false
        while let chunk = chunks.next(), chunk.name != "IEND" {
            // The checksum of image data is ignored, and so is everything after the image data, except a chunk that the
            // file ends in: it makes the file unreadable.
            switch chunk.name {
            case "IDAT" where !isBehindPicture: compressed += chunk.body
            case _ where !compressed.isEmpty:
                isBehindPicture = true
                guard chunk.isWhole else { return nil }
            case "PLTE", "tRNS":
                guard chunk.isSound else { return nil }
                append(chunk.name, Array(chunk.body), to: &file)
            default: guard chunk.isSound else { return nil }
            }
        }
        guard let rows = shape.rows(inflating: compressed) else { return nil }
        append("IDAT", rows, to: &file)
        append("IEND", [], to: &file)
        return file
    }

    private static func append(_ name: String, _ body: [UInt8], to file: inout [UInt8]) {
        func number(_ value: UInt32) -> [UInt8] { withUnsafeBytes(of: value.bigEndian) { Array($0) } }
        let content = Array(name.utf8) + body
        file += number(UInt32(truncatingIfNeeded: body.count)) + content + number(CRC32.of(content))
    }
}

/// The layout of a PNG's rows in its data.
private struct Shape {
    let width: Int
    let height: Int
    /// The rows and bytes a row, with the filter byte, in the order of the data: interlaced pictures have seven passes.
    private let passes: [(rows: Int, bytes: Int)]

    init?(_ header: Slice<UnsafeRawBufferPointer>) {
        guard header.count == 13 else { return nil }
        let bytes = Array(header)
        func number(_ offset: Int) -> Int { bytes[offset..<offset + 4].reduce(0) { $0 << 8 | Int($1) } }
        (width, height) = (number(0), number(4))
        guard width > 0, height > 0, width <= 1 << 31, height <= 1 << 31 else { return nil }
        let channels: Int
        switch bytes[9] {
        case 0, 3: channels = 1
        case 2: channels = 3
        case 4: channels = 2
        case 6: channels = 4
        default: return nil
        }
        let bits = channels * Int(bytes[8])
        guard bits > 0, bits <= 64 else { return nil }
        func pass(_ columns: Int, _ rows: Int) -> (rows: Int, bytes: Int) {
            columns > 0 ? (rows, 1 + (columns * bits + 7) / 8) : (0, 0)
        }
        guard bytes[12] == 1 else {
            passes = [pass(width, height)]
            return
        }
        let (width, height) = (width, height)
        passes = [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)].map
        {
            pass((width - $0.0 + $0.2 - 1) / $0.2, (height - $0.1 + $0.3 - 1) / $0.3)
        }
    }

    /// The rows as compressed data that stores them unchanged, with zeros for missing rows. `nil` if the data is
    /// damaged or ends inside a row.
    func rows(inflating compressed: [UInt8]) -> [UInt8]? {
        let size = passes.reduce(0) { $0 + $1.rows * $1.bytes }
        var ended: Int32 = 0
        var rows = [UInt8](unsafeUninitializedCapacity: size) { buffer, count in
            count = compressed.withUnsafeBytes {
                cdama_inflate($0.baseAddress, $0.count, buffer.baseAddress, size, &ended)
            }
        }
        guard rows.count == size ? ended >= 0 : ended == 1 else { return nil }
        // Data may end after any row but not inside one.
        var whole = 0
        passes: for pass in passes {
            for _ in 0..<pass.rows {
                guard rows.count - whole >= pass.bytes else { break passes }
                whole += pass.bytes
            }
        }
        guard whole == rows.count, whole > 0 else { return nil }
        rows += repeatElement(0, count: size - whole)
        return Self.stored(rows)
    }

    /// zlib's format without compression: blocks of at most 65,535 bytes.
    private static func stored(_ bytes: [UInt8]) -> [UInt8] {
        var result: [UInt8] = [0x78, 0x01]
        result.reserveCapacity(bytes.count + bytes.count / 65_535 * 5 + 16)
        var position = 0
        repeat {
            let end = min(position + 65_535, bytes.count)
            let length = UInt16(end - position)
            result.append(end == bytes.count ? 1 : 0)
            for value in [length, ~length] { result += [UInt8(truncatingIfNeeded: value), UInt8(value >> 8)] }
            result += bytes[position..<end]
            position = end
        } while position < bytes.count
        let sum = bytes.withUnsafeBytes { cdama_adler32($0.baseAddress, $0.count) }
        withUnsafeBytes(of: sum.bigEndian) { result.append(contentsOf: $0) }
        return result
    }
}
