import CDamaShims
import DamaSupport

/// A picture: rows of red, green, blue, a byte each.
public struct RGBImage: Sendable, Equatable {
    public let width: Int
    public let height: Int
    /// `height` × `width` × 3 bytes, row after row.
    public let pixels: [UInt8]

    /// - Throws: ``DamaError/Code/invalidArgument`` for sizes below 1; ``DamaError/Code/shapeMismatch`` if the number
    ///   of bytes is not `width` · `height` · 3.
    public init(width: Int, height: Int, pixels: [UInt8]) throws(DamaError) {
        guard width > 0, height > 0 else {
            throw .invalidArgument("an image of \(width) × \(height) pixels; both sides must be at least 1")
        }
        let (area, overflow) = width.multipliedReportingOverflow(by: height)
        let (count, overflow3) = area.multipliedReportingOverflow(by: 3)
        guard !overflow, !overflow3, count == pixels.count else {
            throw .shapeMismatch("an image of \(width) × \(height) pixels needs 3 bytes a pixel, found \(pixels.count)")
        }
        self.width = width
        self.height = height
        self.pixels = pixels
    }

    /// For sizes that are already checked.
    init(checkedWidth width: Int, height: Int, pixels: [UInt8]) {
        self.width = width
        self.height = height
        self.pixels = pixels
    }
}

/// The filter that scales an image. The raw values are Pillow's, which Hugging Face's configurations use.
public enum ResizeFilter: Int, Sendable, CaseIterable {
    case nearest = 0
    case lanczos = 1
    case bilinear = 2
    case bicubic = 3
    case box = 4
    case hamming = 5
}

/// A part of an image, in pixels from its upper left corner.
public struct PixelRect: Sendable, Equatable {
    public var left: Int
    public var top: Int
    public var width: Int
    public var height: Int

    public init(left: Int, top: Int, width: Int, height: Int) {
        self.left = left
        self.top = top
        self.width = width
        self.height = height
    }
}

extension RGBImage {
    /// Scales the image to `width` × `height` with antialiasing, byte for byte as `Image.resize` of Pillow 13.
    ///
    /// - Parameter part: The part of the result to compute.
    /// - Throws: ``DamaError/Code/invalidArgument`` for sizes below 1 or a part that reaches outside;
    ///   ``DamaError/Code/outOfMemory``.
    public func resized(
        width: Int, height: Int, filter: ResizeFilter = .bicubic, part: PixelRect? = nil
    ) throws(DamaError) -> RGBImage {
        guard width > 0, height > 0 else {
            throw .invalidArgument("cannot scale an image to \(width) × \(height) pixels; both must be at least 1")
        }
        // A sliver scaled by its short side gets a huge long side. Positions along one side must stay few.
        guard width <= 1 << 24, height <= 1 << 24 else {
            throw .outOfMemory(
                "scaling an image of \(self.width) × \(self.height) pixels makes it \(width) × \(height); the most is"
                    + " \(1 << 24) a side")
        }
        let part = part ?? PixelRect(left: 0, top: 0, width: width, height: height)
        guard part.left >= 0, part.top >= 0, part.width > 0, part.height > 0,
            part.left <= width, part.width <= width - part.left, part.top <= height, part.height <= height - part.top
        else {
            throw .invalidArgument("\(part) is not inside an image of \(width) × \(height) pixels")
        }
        if width == self.width, height == self.height { return cropped(part) }
        let count = try ImageLimits().byteCount(width: part.width, height: part.height)
        var status = CDAMA_IMAGE_OK
        let scaled = [UInt8](unsafeUninitializedCapacity: count) { buffer, initialized in
            status = cdama_resize_rgb(
                pixels, self.width, self.height, cdama_filter(UInt32(filter.rawValue)), width, height,
                part.left, part.top, part.width, part.height, buffer.baseAddress)
            initialized = status == CDAMA_IMAGE_OK ? count : 0
        }
        guard status == CDAMA_IMAGE_OK else {
            throw .outOfMemory(
                "no memory to scale an image of \(self.width) × \(self.height) pixels to \(width) × \(height)")
        }
        return RGBImage(checkedWidth: part.width, height: part.height, pixels: scaled)
    }

    /// The pixels of `part`, which lies inside.
    func cropped(_ part: PixelRect) -> RGBImage {
        if part.width == width, part.height == height { return self }
        var result: [UInt8] = []
        result.reserveCapacity(3 * part.width * part.height)
        for y in part.top..<part.top + part.height {
            let start = 3 * (y * width + part.left)
            result.append(contentsOf: pixels[start..<start + 3 * part.width])
        }
        return RGBImage(checkedWidth: part.width, height: part.height, pixels: result)
    }

    /// The image centred in a square as wide as its longer side, on a background of one colour: `expand2square` of the
    /// original LLaVA trainer.
    public func paddedToSquare(red: UInt8, green: UInt8, blue: UInt8) throws(DamaError) -> RGBImage {
        let side = max(width, height)
        return try centred(in: PixelSize(width: side, height: side), red: red, green: green, blue: blue)
    }

    /// The image in the middle of a larger one. Where the rest is odd, the right and the lower margin are one wider.
    func centred(in size: PixelSize, red: UInt8, green: UInt8, blue: UInt8) throws(DamaError) -> RGBImage {
        if size.width == width, size.height == height { return self }
        guard size.width >= width, size.height >= height else {
            throw .internal("\(width) × \(height) pixels do not fit into \(size)")
        }
        let count = try ImageLimits().byteCount(width: size.width, height: size.height)
        let (left, top) = ((size.width - width) / 2, (size.height - height) / 2)
        let filled = [UInt8](unsafeUninitializedCapacity: count) { buffer, initialized in
            guard let target = buffer.baseAddress else { return }
            for i in stride(from: 0, to: count, by: 3) {
                target[i] = red
                target[i + 1] = green
                target[i + 2] = blue
            }
            pixels.withUnsafeBufferPointer { source in
                guard let source = source.baseAddress else { return }
                for y in 0..<height {
                    (target + 3 * ((top + y) * size.width + left)).update(
                        from: source + 3 * y * width, count: 3 * width)
                }
            }
            initialized = count
        }
        return RGBImage(checkedWidth: size.width, height: size.height, pixels: filled)
    }
}
