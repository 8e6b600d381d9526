/// The run-length codes of BMP, of bytes (RLE8) or half bytes (RLE4), with Pillow's treatment of odd data.
struct BMPRuns {
    let hasNibbles: Bool

    /// `width` · `height` indices in the order of the file; `nil` if the data ends before.
    func indices(_ bytes: UnsafeRawBufferPointer, at start: Int, width: Int, height: Int) -> [UInt8]? {
        let count = width * height
        var indices: [UInt8] = []
        indices.reserveCapacity(count + 255)
        var reader = ByteReader(bytes, at: start)
        var x = 0
        while indices.count < count, let length = reader.byte(), let value = reader.byte() {
            switch (length, value) {
            case (1..., _):
                // What exceeds the row is cut off.
                let length = min(Int(length), max(0, width - x))
                for index in 0..<length {
                    indices.append(!hasNibbles ? value : index % 2 == 0 ? value >> 4 : value & 15)
                }
                x += length
            case (_, 0):
                let rest = indices.count % width
                if rest > 0 { indices += repeatElement(0, count: width - rest) }
                x = 0
            case (_, 1): return nil
            case (_, 2):
                guard let step = reader.readAll(2) else { return nil }
                indices += repeatElement(0, count: min(count - indices.count, Int(step[0]) + Int(step[1]) * width))
                x = indices.count % width
            default:
                let length = min(Int(value), count - indices.count)
                let size = hasNibbles ? (length + 1) / 2 : length
                let data = reader.read(size)
                for (index, byte) in data.enumerated() {
                    if !hasNibbles {
                        indices.append(byte)
                    } else {
                        indices.append(byte >> 4)
                        if 2 * index + 1 < length { indices.append(byte & 15) }
                    }
                }
                guard data.count == size else { return nil }
                x += Int(value)
                // The next code begins at an even place of the file.
                if reader.position % 2 != 0 { reader.position += 1 }
            }
        }
        return indices.count >= count ? indices : nil
    }
}
