import DamaImage
import DamaSupport

/// The fields of the config.json of a `LlavaNextForConditionalGeneration`.
package struct LlavaNextConfiguration: Equatable, Sendable {
    /// The fields that LLaVA-1.5 has too.
    package var llava: LlavaConfiguration
    /// The sizes in pixels of the grids of tiles (`image_grid_pinpoints`).
    package var grids: [PixelSize]

    package init(_ config: ConfigReader) throws(DamaError) {
        llava = try LlavaConfiguration(config)
        guard llava.imageTokens == llava.vision.patches else {
            throw .unsupported(
                "\(config.place): vision_feature_select_strategy is \"\(llava.selection.rawValue)\"; it must be "
                    + "\"default\" for CLIP's tower and \"full\" for SigLIP's, since the patches form one grid")
        }
        grids = try GridImageProcessor.grids(config, default: GridImageProcessor.defaultGrids)
    }

    /// The settings that features depend on, under the keys of config.json.
    package var identity: JSON {
        var members = (llava.identity.object?.members ?? []).filter { $0.key != "model_type" }
        members.insert((key: "model_type", value: "llava_next"), at: 0)
        let pairs = grids.map { JSON.array([.int(Int64($0.height)), .int(Int64($0.width))]) }
        members.append((key: "image_grid_pinpoints", value: .array(pairs)))
        return .object(JSONObject(members))
    }

    /// Rows, and columns, of patches of a tile.
    private var patchesPerSide: Int { llava.vision.imageSize / llava.vision.patchSize }

    /// The fewest and the most rows of an image's features.
    package var featureCounts: ClosedRange<Int> {
        let patch = llava.vision.patchSize
        let most = grids.map { ($0.height / patch) * ($0.width / patch + 1) }.max() ?? 0
        return llava.imageTokens...llava.imageTokens + most
    }

    /// The rows of an image's features: the number of a patch, counted through all tiles, or `nil` for the line break.
    ///
    /// First the patches of the whole picture; then the rows of the grid without its padding, with a line break behind
    /// each.
    package func features(_ tiling: ImageTiling) -> [Int?] {
        let side = patchesPerSide
        var found: [Int?] = Array(0..<llava.imageTokens)
        let kept = Self.unpadded(rows: tiling.rows * side, columns: tiling.columns * side, tiling.picture)
        for row in kept.rows {
            for column in kept.columns {
                let tile = 1 + row / side * tiling.columns + column / side
                found.append(tile * llava.imageTokens + row % side * side + column % side)
            }
            found.append(nil)
        }
        return found
    }

    /// The rows and columns of patches that show the picture: `unpad_image` of transformers.
    private static func unpadded(
        rows: Int, columns: Int, _ picture: PixelSize
    ) -> (rows: Range<Int>, columns: Range<Int>) {
        let (height, width) = (Double(picture.height), Double(picture.width))
        if width / height > Double(columns) / Double(rows) {
            let margin = (rows - truncated(height * (Double(columns) / width), most: rows)) / 2
            return (margin..<rows - margin, 0..<columns)
        }
        let margin = (columns - truncated(width * (Double(rows) / height), most: columns)) / 2
        return (0..<rows, margin..<columns - margin)
    }

    /// Python's `int(round(x, 7))`, for x from 0 to `most`.
    private static func truncated(_ x: Double, most: Int) -> Int {
        let nearest = x.rounded()
        let whole = nearest > x && nearest - x <= 5e-8 ? nearest : x.rounded(.towardZero)
        return min(Int(exactly: whole) ?? 0, most)
    }
}
