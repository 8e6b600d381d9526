import DamaSupport

/// The image processor of LLaVA-1.6 (`LlavaNextImageProcessor`): besides the whole picture in one tile, the picture is
/// scaled into the best of several grids of tiles and padded with black.
///
/// Equal to transformers' Pillow-based processor, as ``ImageProcessor``.
public struct GridImageProcessor: Sendable, Equatable {
    /// The steps of every tile.
    public private(set) var steps: ImageProcessor
    /// The sizes in pixels of the grids, multiples of ``tile``.
    public private(set) var grids: [PixelSize]
    /// Width and height of a tile of a grid before its steps.
    public private(set) var tile: Int
    /// The size to which the whole picture is scaled before the steps.
    public private(set) var whole: PixelSize
    /// Width and height of a prepared tile.
    public private(set) var side: Int

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
        guard ImageProcessor.family(type) == "LlavaNextImageProcessor" else {
            throw .unsupported(
                "\(config.place): \(key) is \"\(type)\"; it must be LlavaNextImageProcessor, also with the suffix Fast")
        }
        steps = try ImageProcessor(config, kind: .clip)
        // Sizes of tiles are read even where do_resize and do_center_crop switch the steps off.
        switch try ImageProcessor.resizing(config, kind: .clip) {
        case .shortestEdge(let edge): whole = PixelSize(width: edge, height: edge)
        case .exact(let size): whole = size
        case .none: whole = PixelSize(width: 224, height: 224)
        }
        tile = try ImageProcessor.size(config, "crop_size")?.height ?? 224
        grids = try Self.grids(config, default: Self.defaultGrids)
        for grid in grids {
            guard grid.width % tile == 0, grid.height % tile == 0,
                (grid.width / tile) * (grid.height / tile) < PreparedImage.mostTiles
            else {
                throw .unsupported(
                    "\(config.place): image_grid_pinpoints has [\(grid.height), \(grid.width)]; both must be multiples "
                        + "of the tiles' side of \(tile) (crop_size), with fewer than \(PreparedImage.mostTiles) tiles")
            }
        }
        let sizes = [steps.size(of: PixelSize(width: tile, height: tile)), steps.size(of: whole)]
        side = sizes[0].width
        guard sizes.allSatisfy({ $0 == PixelSize(width: side, height: side) }) else {
            throw .unsupported(
                "\(config.place): size and crop_size give tiles of \(sizes[0].width) × \(sizes[0].height) and "
                    + "\(sizes[1].width) × \(sizes[1].height); all must be the same square")
        }
    }

    /// The grids of transformers if a configuration names none.
    package static let defaultGrids = [(336, 672), (672, 336), (672, 672), (1008, 336), (336, 1008)].map {
        PixelSize(width: $0.1, height: $0.0)
    }

    /// `image_grid_pinpoints`: a list of [height, width].
    package static func grids(
        _ config: ConfigReader, default fallback: [PixelSize]
    ) throws(DamaError) -> [PixelSize] {
        guard let value = config.json["image_grid_pinpoints"] else { return fallback }
        var grids: [PixelSize] = []
        for element in value.array ?? [] {
            let numbers = (element.array ?? []).compactMap(\.int).filter((1...(1 << 16)).contains)
            if numbers.count == 2, element.array?.count == 2 {
                grids.append(PixelSize(width: numbers[1], height: numbers[0]))
            }
        }
        guard !grids.isEmpty, grids.count == value.array?.count else {
            throw config.wrong("image_grid_pinpoints", value, "a list of [height, width] in pixels")
        }
        return grids
    }

    /// The settings as JSON with all defaults filled in, under keys that never change.
    package var settings: JSON {
        [
            "steps": steps.settings, "tile": .int(Int64(tile)), "whole": ImageProcessor.json(whole),
            "grids": .array(grids.map(ImageProcessor.json)),
        ]
    }

    /// Prepares a picture: first the whole, then the tiles of its grid, row by row.
    ///
    /// - Throws: as ``ImageProcessor/process(_:)``; ``DamaError/Code/invalidArgument`` for a picture so narrow that
    ///   nothing of it remains in any grid.
    public func process(_ image: RGBImage) throws(DamaError) -> PreparedImage {
        let picture = PixelSize(width: image.width, height: image.height)
        let grid = try self.grid(for: picture)
        let inside = Self.size(of: picture, in: grid)
        let scaled = try image.resized(width: inside.width, height: inside.height, filter: steps.filter)
        let padded = try scaled.centred(in: grid, red: 0, green: 0, blue: 0)
        let (rows, columns) = (grid.height / tile, grid.width / tile)
        let first = try image.resized(width: whole.width, height: whole.height, filter: steps.filter)
        return try PreparedImage(
            tiles: [first] + padded.tiles(rows: rows, columns: columns, side: tile), steps,
            ImageTiling(rows: rows, columns: columns, picture: picture))
    }

    /// The grid in which the most pixels of a picture remain, and of these the one with the least padding.
    package func grid(for picture: PixelSize) throws(DamaError) -> PixelSize {
        let (width, height) = (Double(picture.width), Double(picture.height))
        var best: (grid: PixelSize, used: Double, wasted: Double)?
        for grid in grids {
            let scale = min(Double(grid.width) / width, Double(grid.height) / height)
            let inside = (width * scale).rounded(.towardZero) * (height * scale).rounded(.towardZero)
            let used = min(inside, width * height)
            let wasted = Double(grid.width * grid.height) - used
            if used > best?.used ?? 0 || (used == best?.used && wasted < best?.wasted ?? 0) {
                best = (grid, used, wasted)
            }
        }
        guard let best else {
            throw .invalidArgument(
                "an image of \(picture.width) × \(picture.height) pixels is too narrow: nothing of it remains in any "
                    + "grid of image_grid_pinpoints")
        }
        return best.grid
    }

    /// The size of a picture scaled into a grid.
    private static func size(of picture: PixelSize, in grid: PixelSize) -> PixelSize {
        let byWidth = Double(grid.width) / Double(picture.width)
        let byHeight = Double(grid.height) / Double(picture.height)
        func scaled(_ side: Int, _ scale: Double, _ most: Int) -> Int {
            min(Int(exactly: (Double(side) * scale).rounded(.up)) ?? most, most)
        }
        return byWidth < byHeight
            ? PixelSize(width: grid.width, height: scaled(picture.height, byWidth, grid.height))
            : PixelSize(width: scaled(picture.width, byHeight, grid.width), height: grid.height)
    }
}
