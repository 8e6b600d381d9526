import DamaSupport

/// The image processor of Idefics3 and SmolVLM: a large picture is cut into tiles, and the whole in one tile follows
/// them; without splitting the whole is the only tile.
///
/// Equal to transformers' Pillow-based processors, as ``ImageProcessor``. All tiles are full: nothing is padded.
public struct SplitImageProcessor: Sendable, Equatable {
    /// The first scaling of a picture.
    public enum Resizing: Sendable, Equatable {
        case none
        /// Scales the longer side to this many pixels, and the shorter in proportion to an even number.
        case longestEdge(Int)
        case exact(PixelSize)
    }

    /// Rescaling and normalisation of every tile, and the filter of all scaling.
    public private(set) var steps: ImageProcessor
    public private(set) var resizing: Resizing
    /// Whether pictures are cut.
    public private(set) var splits: Bool
    /// Width and height of a tile (`max_image_size`).
    public private(set) var tile: Int

    private static let types = ["Idefics3ImageProcessor", "SmolVLMImageProcessor"]
    /// The longest side of a scaled picture, whatever the configuration.
    private static let longestSide = 4096

    /// Reads preprocessor_config.json of a Hugging Face directory.
    ///
    /// - Throws: as ``ImageProcessor/init(directory:)``.
    public init(directory: String) throws(DamaError) {
        try self.init(ImageProcessor.configuration(of: directory))
    }

    package init(json: JSON, place: String = "preprocessor_config.json") throws(DamaError) {
        try self.init(ConfigReader(json, place: place))
    }

    private init(_ config: ConfigReader) throws(DamaError) {
        let (key, type) = try ImageProcessor.type(config)
        guard Self.types.contains(String(ImageProcessor.family(type))) else {
            throw .unsupported(
                "\(config.place): \(key) is \"\(type)\"; it must be \(Self.types.joined(separator: " or ")), also with "
                    + "the suffix Fast")
        }
        steps = try ImageProcessor(
            levelsOf: config,
            defaults: ImageProcessor(
                resizing: .none, filter: .lanczos, crop: nil, rescaleFactor: 1 / 255, mean: [0.5, 0.5, 0.5],
                deviation: [0.5, 0.5, 0.5], normalizes: true))
        splits = try config.bool("do_image_splitting", default: true)
        tile = try config.nested("max_image_size").int("longest_edge", default: 364, in: ImageProcessor.sides)
        guard try config.bool("do_resize", default: true) else {
            resizing = .none
            return
        }
        let size = try config.nested("size")
        if size.has("height"), size.has("width"), !size.has("longest_edge") {
            resizing = .exact(
                PixelSize(
                    width: try size.int("width", in: ImageProcessor.sides),
                    height: try size.int("height", in: ImageProcessor.sides)))
        } else {
            resizing = .longestEdge(try size.int("longest_edge", default: 4 * 364, in: 1...(1 << 16)))
        }
    }

    /// The settings as JSON with all defaults filled in, under keys that never change.
    package var settings: JSON {
        let resize: JSON =
            switch resizing {
            case .none: .null
            case .longestEdge(let edge): ["longest_edge": .int(Int64(edge))]
            case .exact(let size): ImageProcessor.json(size)
            }
        return ["steps": steps.settings, "resize": resize, "splits": .bool(splits), "tile": .int(Int64(tile))]
    }

    /// The most rows and columns of tiles; `nil` if they depend on the picture.
    package var mostTilesPerSide: Int? {
        guard splits else { return 0 }
        let longest: Int
        switch resizing {
        case .none: return nil
        case .longestEdge(let edge): longest = min(edge, Self.longestSide)
        case .exact(let size): longest = max(size.width, size.height)
        }
        return (longest + tile - 1) / tile
    }

    /// Prepares a picture: the tiles row by row, then the whole.
    ///
    /// - Throws: as ``ImageProcessor/process(_:)``.
    public func process(_ image: RGBImage) throws(DamaError) -> PreparedImage {
        let picture = PixelSize(width: image.width, height: image.height)
        var scaled = image
        switch resizing {
        case .none: break
        case .exact(let size): scaled = try resized(scaled, size)
        case .longestEdge(let edge): scaled = try resized(scaled, Self.size(of: picture, longestEdge: edge))
        }
        let square = PixelSize(width: tile, height: tile)
        guard splits else {
            return try PreparedImage(
                tiles: [resized(scaled, square)], steps, ImageTiling(rows: 0, columns: 0, picture: picture))
        }
        scaled = try resized(scaled, Self.wholeTiles(of: PixelSize(width: scaled.width, height: scaled.height), tile))
        var (rows, columns) = (scaled.height / tile, scaled.width / tile)
        if rows == 1, columns == 1 { (rows, columns) = (0, 0) }
        let (count, overflow) = rows.multipliedReportingOverflow(by: columns)
        guard !overflow, count < PreparedImage.mostTiles else {
            throw .outOfMemory(
                "an image of \(image.width) × \(image.height) pixels would become \(rows) × \(columns) tiles; the "
                    + "most is \(PreparedImage.mostTiles)")
        }
        return try PreparedImage(
            tiles: scaled.tiles(rows: rows, columns: columns, side: tile) + [resized(scaled, square)], steps,
            ImageTiling(rows: rows, columns: columns, picture: picture))
    }

    private func resized(_ image: RGBImage, _ size: PixelSize) throws(DamaError) -> RGBImage {
        try image.resized(width: size.width, height: size.height, filter: steps.filter)
    }

    /// The longer side scaled to `edge` and the shorter in proportion, truncated and made even; then, where a side is
    /// still longer than ``longestSide``, both once more.
    private static func size(of picture: PixelSize, longestEdge edge: Int) -> PixelSize {
        var size = proportional(picture, longer: edge)
        if picture.width >= picture.height { size.height += size.height % 2 } else { size.width += size.width % 2 }
        size = PixelSize(width: max(size.width, 1), height: max(size.height, 1))
        if max(size.width, size.height) > longestSide { size = proportional(size, longer: longestSide) }
        return PixelSize(width: max(size.width, 1), height: max(size.height, 1))
    }

    /// The longer side changed to `longer`, and the shorter in proportion, truncated.
    private static func proportional(_ size: PixelSize, longer: Int) -> PixelSize {
        let ratio = Double(size.width) / Double(size.height)
        func truncated(_ value: Double) -> Int { Int(exactly: value.rounded(.towardZero)) ?? 1 }
        return size.width >= size.height
            ? PixelSize(width: longer, height: truncated(Double(longer) / ratio))
            : PixelSize(width: truncated(Double(longer) * ratio), height: longer)
    }

    /// Both sides in whole tiles: first the longer one, then the shorter in proportion.
    private static func wholeTiles(of size: PixelSize, _ tile: Int) -> PixelSize {
        func up(_ side: Int) -> Int { (side + tile - 1) / tile * tile }
        let scaled = proportional(size, longer: up(max(size.width, size.height)))
        return PixelSize(width: up(scaled.width), height: up(scaled.height))
    }
}
