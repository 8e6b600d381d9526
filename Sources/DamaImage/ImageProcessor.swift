import DamaSupport

/// The steps of a Hugging Face directory's preprocessor_config.json: scale, crop, rescale, normalise.
///
/// Equal to the Pillow-based image processors of transformers (`CLIPImageProcessorPil`; the "slow" ones before version
/// 5): the same pixels, and the same float32 operations on them. The torchvision-based ("fast") processors scale with
/// torch's own resampling, which differs from Pillow's by up to a few grey levels, and fold rescaling and normalisation
/// into one step, which differs in the last bits.
///
/// A value without state, safe to use from any number of threads.
public struct ImageProcessor: Sendable, Equatable {
    /// How the picture is scaled.
    public enum Resizing: Sendable, Equatable {
        /// No scaling.
        case none
        /// Scales the shorter side to this many pixels and the longer in proportion, rounded down.
        case shortestEdge(Int)
        case exact(PixelSize)
    }

    /// Before all other steps, centres the picture in a square of the mean colour, so that nothing is cropped: the
    /// original LLaVA trainer's `image_aspect_ratio: pad`, and `do_pad` of `LlavaImageProcessor`.
    public var padsToSquare = false
    public var resizing: Resizing
    public var filter: ResizeFilter
    /// The central part to keep; black (zero before normalisation) outside a smaller picture.
    public var crop: PixelSize?
    /// Half a pixel beside the centre is rounded to an even offset of the crop, as torchvision does, and not down.
    package var cropsToEven = false
    /// The factor of grey levels; `nil` leaves them at 0 to 255.
    public var rescaleFactor: Double?
    /// The mean of red, green and blue, after rescaling. Also the colour of the padding.
    public var mean: [Double]
    public var deviation: [Double]
    public var normalizes: Bool

    /// The settings of `openai/clip-vit-base-patch32`, and of LLaVA-1.5 with `edge` 336.
    public static func clip(edge: Int = 224) -> ImageProcessor {
        ImageProcessor(
            resizing: .shortestEdge(edge), filter: .bicubic, crop: PixelSize(width: edge, height: edge),
            rescaleFactor: 1 / 255, mean: [0.48145466, 0.4578275, 0.40821073],
            deviation: [0.26862954, 0.26130258, 0.27577711], normalizes: true)
    }

    /// The size of every result; `nil` if it depends on the picture.
    public var outputSize: PixelSize? {
        if let crop { return crop }
        switch resizing {
        case .exact(let size): return size
        case .shortestEdge(let edge): return padsToSquare ? PixelSize(width: edge, height: edge) : nil
        case .none: return nil
        }
    }
}

/// Width and height in pixels.
public struct PixelSize: Sendable, Equatable {
    public var width: Int
    public var height: Int

    public init(width: Int, height: Int) {
        self.width = width
        self.height = height
    }
}

// MARK: - Processing

extension ImageProcessor {
    /// Prepares a picture for the vision tower.
    ///
    /// - Throws: ``DamaError/Code/outOfMemory`` if the configuration makes this picture too large;
    ///   ``DamaError/Code/invalidArgument`` for a mean or deviation that is not three numbers.
    public func process(_ image: RGBImage) throws(DamaError) -> PreparedImage {
        let levels = try levelTables()
        let image = padsToSquare ? try padded(image) : image
        let full = try scaledSize(of: image)
        guard let crop else {
            let scaled = try image.resized(width: full.width, height: full.height, filter: filter)
            try Allocation.check(full.width * full.height, of: 12, for: "the prepared image")
            return Self.planes(of: scaled, left: 0, top: 0, size: full, levels: levels)
        }
        // Only the part inside the crop is computed; outside the picture there is nothing to compute.
        let left = half(full.width - crop.width)
        let top = half(full.height - crop.height)
        let part = PixelRect(
            left: max(left, 0), top: max(top, 0), width: min(full.width, crop.width),
            height: min(full.height, crop.height))
        let scaled = try image.resized(width: full.width, height: full.height, filter: filter, part: part)
        try Allocation.check(crop.width * crop.height, of: 12, for: "the prepared image")
        return Self.planes(of: scaled, left: max(-left, 0), top: max(-top, 0), size: crop, levels: levels)
    }

    /// Decodes and prepares the bytes of a JPEG or PNG file.
    public func process(
        fileBytes: UnsafeRawBufferPointer, limits: ImageLimits = ImageLimits(),
        _ decoding: ImageDecoding = ImageDecoding()
    ) throws(DamaError) -> PreparedImage {
        try process(ImageDecoder.decode(fileBytes, limits: limits, decoding))
    }

    /// n / 2, rounded down (also below zero) or to even.
    private func half(_ n: Int) -> Int { n >> 1 + (cropsToEven && n & 3 == 3 ? 1 : 0) }

    /// The size of the result for a picture that is not padded; it must be a square if the shorter edge is scaled.
    func size(of picture: PixelSize) -> PixelSize {
        if let crop { return crop }
        switch resizing {
        case .none: return picture
        case .exact(let size): return size
        case .shortestEdge(let edge): return PixelSize(width: edge, height: edge)
        }
    }

    private func padded(_ image: RGBImage) throws(DamaError) -> RGBImage {
        var color: [UInt8] = []
        for value in mean {
            // Truncated, as in the trainer.
            guard value >= 0, value <= 1, let level = UInt8(exactly: (value * 255).rounded(.towardZero)) else {
                throw .invalidArgument("image_mean \(mean) is not a colour for padding; expected numbers from 0 to 1")
            }
            color.append(level)
        }
        return try image.paddedToSquare(red: color[0], green: color[1], blue: color[2])
    }

    private func scaledSize(of image: RGBImage) throws(DamaError) -> PixelSize {
        switch resizing {
        case .none: return PixelSize(width: image.width, height: image.height)
        case .exact(let size): return size
        case .shortestEdge(let edge):
            let (short, long) = (min(image.width, image.height), max(image.width, image.height))
            // Python's int(edge · long / short), in doubles.
            let (product, overflow) = edge.multipliedReportingOverflow(by: long)
            guard !overflow, let longer = Int(exactly: (Double(product) / Double(short)).rounded(.towardZero)) else {
                throw .outOfMemory("an image of \(image.width) × \(image.height) pixels cannot be scaled to \(edge)")
            }
            return image.width <= image.height
                ? PixelSize(width: edge, height: longer) : PixelSize(width: longer, height: edge)
        }
    }

    /// The value of each of the 256 levels, for each channel. The order and precision are those of NumPy in
    /// transformers: rescaling in double, rounded to float32; then mean and deviation in float32.
    private func levelTables() throws(DamaError) -> [Float] {
        guard mean.count == 3, deviation.count == 3 else {
            throw .invalidArgument("image_mean \(mean) and image_std \(deviation) must be three numbers each")
        }
        var tables: [Float] = []
        tables.reserveCapacity(3 * 256)
        for channel in 0..<3 {
            let (mean, deviation) = (Float(mean[channel]), Float(deviation[channel]))
            for level in 0..<256 {
                let value = Float(rescaleFactor.map { Double(level) * $0 } ?? Double(level))
                tables.append(normalizes ? (value - mean) / deviation : value)
            }
        }
        return tables
    }

    /// Red, green and blue planes of `size`, with the image at (`left`, `top`) and level 0 around it.
    private static func planes(
        of image: RGBImage, left: Int, top: Int, size: PixelSize, levels: [Float]
    ) -> PreparedImage {
        let area = size.width * size.height
        let pixels = [Float](unsafeUninitializedCapacity: 3 * area) { target, initialized in
            if image.width < size.width || image.height < size.height {
                for channel in 0..<3 {
                    target[channel * area..<(channel + 1) * area].update(repeating: levels[channel * 256])
                }
            }
            levels.withUnsafeBufferPointer { levels in
                image.pixels.withUnsafeBufferPointer { source in
                    guard let source = source.baseAddress, let target = target.baseAddress,
                        let levels = levels.baseAddress
                    else { return }
                    for y in 0..<image.height {
                        var pixel = source + 3 * y * image.width
                        let row = target + (top + y) * size.width + left
                        for x in 0..<image.width {
                            row[x] = levels[Int(pixel[0])]
                            row[area + x] = levels[256 + Int(pixel[1])]
                            row[2 * area + x] = levels[512 + Int(pixel[2])]
                            pixel += 3
                        }
                    }
                }
            }
            initialized = 3 * area
        }
        return PreparedImage(pixels: pixels, height: size.height, width: size.width)
    }
}
