import DamaSupport

/// An image prepared for the vision tower.
public struct PreparedImage: Sendable {
    /// [tiles, 3, height, width], normalised.
    public var pixels: [Float]
    /// The height of a tile.
    public var height: Int
    /// The width of a tile.
    public var width: Int
    /// How the picture was cut; `nil` for a picture that is one tile.
    public var tiling: ImageTiling?

    public init(pixels: [Float], height: Int, width: Int, tiling: ImageTiling? = nil) {
        self.pixels = pixels
        self.height = height
        self.width = width
        self.tiling = tiling
    }

    /// The number of tiles.
    public var tileCount: Int { tiling?.tileCount ?? 1 }

    /// Each tile as an image.
    ///
    /// - Throws: ``DamaError/Code/shapeMismatch`` if the pixels are not those of ``tileCount`` tiles.
    package func separateTiles() throws(DamaError) -> [PreparedImage] {
        let size = 3 * height * width
        guard pixels.count == tileCount * size else {
            throw .shapeMismatch("\(pixels.count) values are not \(tileCount) tiles of 3 × \(height) × \(width)")
        }
        return (0..<tileCount).map {
            PreparedImage(pixels: Array(pixels[$0 * size..<($0 + 1) * size]), height: height, width: width)
        }
    }
}

/// The tiles that a picture was cut into. One more tile shows the whole picture.
public struct ImageTiling: Sendable, Equatable {
    /// Rows of tiles; 0 if the tile of the whole picture is the only one.
    public var rows: Int
    /// Columns of tiles; 0 if the tile of the whole picture is the only one.
    public var columns: Int
    /// The picture's size before all steps.
    public var picture: PixelSize

    public init(rows: Int, columns: Int, picture: PixelSize) {
        self.rows = rows
        self.columns = columns
        self.picture = picture
    }

    /// The number of tiles, with that of the whole picture.
    public var tileCount: Int { rows * columns + 1 }
}

extension PreparedImage {
    /// The most tiles of a picture.
    package static let mostTiles = 1024

    /// Prepares pictures as the tiles of one image.
    ///
    /// - Throws: ``DamaError/Code/model`` if the steps give tiles of different sizes.
    init(tiles: [RGBImage], _ steps: ImageProcessor, _ tiling: ImageTiling) throws(DamaError) {
        self.init(pixels: [], height: 0, width: 0, tiling: tiling)
        for tile in tiles {
            let prepared = try steps.process(tile)
            if pixels.isEmpty {
                (height, width) = (prepared.height, prepared.width)
                try Allocation.check(tiles.count * prepared.pixels.count, of: 4, for: "the prepared image")
                pixels.reserveCapacity(tiles.count * prepared.pixels.count)
            }
            guard prepared.height == height, prepared.width == width else {
                throw .model(
                    "the tiles of an image are \(width) × \(height) and \(prepared.width) × \(prepared.height)")
            }
            pixels += prepared.pixels
        }
    }
}

extension RGBImage {
    /// The picture cut into `rows` × `columns` squares of `side` pixels, row by row.
    func tiles(rows: Int, columns: Int, side: Int) -> [RGBImage] {
        (0..<rows * columns).map { index in
            cropped(
                PixelRect(left: index % columns * side, top: index / columns * side, width: side, height: side))
        }
    }
}
