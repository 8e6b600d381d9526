extension RGBImage {
    /// The picture turned by an EXIF orientation of 1 to 8; any other number leaves it unchanged.
    ///
    /// | 2 | mirrored | 3 | upside down | 4 | upside down, mirrored |
    /// |---|---|---|---|---|---|
    /// | 5 | transposed | 6 | a quarter turn right | 7 | the other transpose | 8 | a quarter turn left |
    func turned(_ orientation: Int) -> RGBImage {
        guard (2...8).contains(orientation) else { return self }
        let swapsSides = orientation >= 5
        let (columns, rows) = swapsSides ? (height, width) : (width, height)
        // The pixel at (x, y) of the result is pixel start + x · right + y · down of this picture.
        let (last, bottom) = (width - 1, (height - 1) * width)
        let (start, right, down): (Int, Int, Int) =
            switch orientation {
            case 2: (last, -1, width)
            case 3: (bottom + last, -1, -width)
            case 4: (bottom, 1, -width)
            case 5: (0, width, 1)
            case 6: (bottom, -width, 1)
            case 7: (bottom + last, -width, -1)
            default: (last, width, -1)
            }
        let turned = [UInt8](unsafeUninitializedCapacity: pixels.count) { target, count in
            pixels.withUnsafeBufferPointer { source in
                guard let source = source.baseAddress, var pixel = target.baseAddress else { return }
                for y in 0..<rows {
                    var from = source + 3 * (start + y * down)
                    for x in 0..<columns {
                        if x > 0 { from += 3 * right }
                        pixel[0] = from[0]
                        pixel[1] = from[1]
                        pixel[2] = from[2]
                        pixel += 3
                    }
                }
            }
            count = pixels.count
        }
        return RGBImage(checkedWidth: columns, height: rows, pixels: turned)
    }
}
