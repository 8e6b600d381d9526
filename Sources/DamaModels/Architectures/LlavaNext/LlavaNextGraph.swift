import DamaGraph
import DamaImage
import DamaRuntime
import DamaSupport

/// LLaVA-1.6's vision part as a graph.
enum LlavaNextGraph {
    /// The names of the weights in the files.
    struct Names {
        var llava: LlavaVision.Names
        /// The line break's vector.
        var newline: String
    }

    /// Inputs besides the pixels.
    enum Port {
        /// int64 [rows]: a patch for each row of features, any for a line break.
        static let rows = "rows"
        /// [rows, 1]: 1 for a line break, otherwise 0.
        static let breaks = "line_breaks"
        /// int64 [patches, uses], for training: the inverse of the rows that are patches.
        static let inverseRows = "inverse_rows"
    }

    /// The patches of all tiles.
    static let patchAxis = "patches"

    /// Names of the line break's vector in files of different versions.
    private static let knownNewlines = ["image_newline", "model.image_newline"]

    static func names(_ store: WeightStore) throws(DamaError) -> Names {
        let llava = try LlavaVision.names(store)
        guard let newline = knownNewlines.first(where: store.contains) else {
            throw .model("\(store.path) has none of the tensors \(knownNewlines.joined(separator: ", "))")
        }
        return Names(llava: llava, newline: newline)
    }

    /// The graph: pixels [tiles, 3, size, size] to features [rows, hidden of the text model].
    static func graph(
        _ c: LlavaNextConfiguration, _ names: Names, _ kernels: GraphKernels = .none, trainable: Bool = false
    ) throws(DamaError) -> Graph {
        let g = GraphBuilder("llava-next-vision", kernels: kernels)
        let width = c.llava.text.hiddenSize
        let patches = try g.reshape(
            LlavaVision.projected(g, c.llava, names.llava),
            [.symbol(patchAxis), .fixed(width)])
        let rows = try g.input(Port.rows, .int64, [.symbol(TrainingAxis.rows)])
        let breaks = try g.input(Port.breaks, .float32, [.symbol(TrainingAxis.rows), 1])
        let newline = try g.weight(names.newline, .float32, [width])
        let picked: Value
        if trainable {
            let inverse = try g.input(Port.inverseRows, .int64, [.symbol(patchAxis), "uses"])
            picked = try g.selectRows(patches, rows, inverse: inverse)
        } else {
            picked = try g.gather(patches, rows)
        }
        // A product instead of one more row of the table: there, every line break of a batch would be one row's use.
        let kept = try g.multiply(picked, g.subtract(1, breaks))
        try g.output(LlavaVision.Port.features, g.add(kept, g.multiply(breaks, newline)))
        return g.graph
    }
}

/// The row inputs of the graph for some images.
struct LlavaNextRows {
    private var rows: [Int64] = []
    private var breaks: [Float] = []
    /// The row of each patch; the number of rows for a patch that shows padding.
    private var inverse: [Int64] = []

    init(_ images: [PreparedImage], _ configuration: LlavaNextConfiguration) throws(DamaError) {
        var used: [(patch: Int, row: Int)] = []
        var first = 0
        for image in images {
            let tiling = try LlavaNextVision.tiling(of: image)
            for patch in configuration.features(tiling) {
                if let patch { used.append((first + patch, rows.count)) }
                rows.append(Int64(patch.map { first + $0 } ?? 0))
                breaks.append(patch == nil ? 1 : 0)
            }
            first += tiling.tileCount * configuration.llava.imageTokens
        }
        inverse = [Int64](repeating: Int64(rows.count), count: first)
        for (patch, row) in used { inverse[patch] = Int64(row) }
    }

    /// The inputs that the features depend on.
    func forward(_ runtime: OnnxRuntime) throws(DamaError) -> [String: TensorValue] {
        [
            LlavaNextGraph.Port.rows: try TensorValue(runtime, rows, shape: [rows.count]),
            LlavaNextGraph.Port.breaks: try TensorValue(runtime, breaks, shape: [breaks.count, 1]),
        ]
    }

    /// The inputs that only the gradient depends on.
    func backward(_ runtime: OnnxRuntime) throws(DamaError) -> [String: TensorValue] {
        [LlavaNextGraph.Port.inverseRows: try TensorValue(runtime, inverse, shape: [inverse.count, 1])]
    }
}
