import DamaSupport

/// The limits of an image to decode.
public struct ImageLimits: Sendable, Equatable {
    /// The most pixels of a decoded image. Checked before anything of that size is allocated, so that a small file
    /// cannot claim all memory. The default, 178,956,970, is Pillow's limit.
    public var pixels: Int
    /// The most pixels along one side. Decoders work row by row: a million rows of one pixel cost as much as a million
    /// rows of a hundred.
    public var side = 1 << 20

    public init(pixels: Int = 178_956_970) { self.pixels = pixels }

    /// 3 · width · height.
    ///
    /// - Throws: ``DamaError/Code/outOfMemory`` if that exceeds the limit.
    func byteCount(width: Int, height: Int) throws(DamaError) -> Int {
        let (area, overflow) = width.multipliedReportingOverflow(by: height)
        let (count, overflow3) = area.multipliedReportingOverflow(by: 3)
        guard !overflow, !overflow3, area <= pixels else {
            throw .outOfMemory("an image of \(width) × \(height) pixels is larger than the limit of \(pixels) pixels")
        }
        guard max(width, height) <= side else {
            throw .outOfMemory("an image of \(width) × \(height) pixels is larger than the limit of \(side) a side")
        }
        try Allocation.check(count, for: "an image of \(width) × \(height) pixels")
        return count
    }
}

/// How the orientation and the transparency of an image file are handled.
///
/// The defaults follow `datasets` and transformers: `load_image` applies the EXIF orientation, and the image processors
/// blend transparent pixels on white. The original LLaVA trainer does neither.
public struct ImageDecoding: Sendable, Equatable {
    /// Turn the picture by its EXIF orientation, as viewers do: `ImageOps.exif_transpose` of Pillow.
    public var appliesOrientation = true
    /// Blend transparent pixels on white: `convert_to_rgb` of transformers. Otherwise transparency is dropped, and the
    /// stored colours are used, as in Pillow's `convert("RGB")`.
    public var blendsOnWhite = true

    public init() {}

    /// The settings as JSON, for the identity of results that depend on them.
    package var json: JSON {
        ["exif_orientation": .bool(appliesOrientation), "white_background": .bool(blendsOnWhite)]
    }
}
