import DamaSupport

/// What a decoder may spend on one image.
public struct ImageLimits: Sendable, Equatable {
    /// The most pixels that an image may have when decoded. Checked before anything of that size is allocated, so
    /// that a small file cannot claim all memory. The default, 178,956,970, is where Pillow refuses.
    public var pixels: Int
    /// The most pixels of one side. Decoders work row by row: a million rows of one pixel cost as much as a million of
    /// a hundred.
    public var side = 1 << 20

    public init(pixels: Int = 178_956_970) { self.pixels = pixels }

    /// 3 · width · height.
    ///
    /// - Throws: ``DamaError/Code/outOfMemory`` where that is more than the limit.
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

/// What is made of an image file besides its colours.
///
/// The defaults follow `datasets` and transformers: `load_image` turns a picture as its EXIF data says, and the image
/// processors put what is transparent on white. The original LLaVA trainer does neither.
public struct ImageDecoding: Sendable, Equatable {
    /// Turn the picture as a viewer would, by its EXIF orientation: `ImageOps.exif_transpose` of Pillow.
    public var appliesOrientation = true
    /// Put transparent pixels on white: `convert_to_rgb` of transformers. Otherwise transparency is dropped, and what
    /// the file stores below it shows, as with Pillow's `convert("RGB")`.
    public var blendsOnWhite = true

    public init() {}

    /// For the identity of whatever depends on it.
    package var json: JSON {
        ["exif_orientation": .bool(appliesOrientation), "white_background": .bool(blendsOnWhite)]
    }
}
