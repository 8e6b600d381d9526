import DamaGraph
import DamaImage
import DamaRuntime
import DamaSupport

/// The vision part of Idefics3 and SmolVLM. May be used from several threads.
///
/// transformers drops a tile whose prepared pixels are all exactly 0. With the models' mean of 0.5 no grey level
/// becomes 0, so that no tile is dropped.
final class Idefics3Vision: ImageFeatureEncoder {
    let configuration: Idefics3Configuration
    let weights: ModelWeights
    let tokenCounts: ClosedRange<Int>
    private let runtime: OnnxRuntime
    private let processor: SplitImageProcessor
    private let text: ImageTokenText
    private let kernels: GraphKernels
    private let session: Session

    init(
        _ configuration: Idefics3Configuration, _ weights: ModelWeights, _ runtime: OnnxRuntime,
        processor: SplitImageProcessor, text: ImageTokenText, device: Device
    ) throws(DamaError) {
        var options = SessionOptions()
        options.device = device
        kernels = GraphKernels(on: device, weights.precision)
        session = try weights.session(
            Idefics3Graph.graph(configuration, kernels), named: "\(weights.store.path) (vision)",
            placement: .mappedFile, options: options, natural: device.residentFeatures(Idefics3Graph.Port.features))
        // A column of tiles takes the most line breaks.
        let (rows, columns) = processor.mostTilesPerSide.map { ($0, $0) } ?? (PreparedImage.mostTiles - 1, 1)
        let fewest = try text.expansion(rows: 0, columns: 0).count
        tokenCounts = fewest...max(fewest, try text.expansion(rows: rows, columns: columns).count)
        self.configuration = configuration
        self.weights = weights
        self.runtime = runtime
        self.processor = processor
        self.text = text
    }

    func prepare(_ image: RGBImage) throws(DamaError) -> PreparedImage { try processor.process(image) }
    var identity: JSON { configuration.identity }
    var processing: JSON { processor.settings }

    func expansion(of image: PreparedImage) throws(DamaError) -> [Int32] {
        try text.expansion(rows: image.tiling?.rows ?? 0, columns: image.tiling?.columns ?? 0)
    }

    func features(_ images: [PreparedImage], options: RunOptions?) throws(DamaError) -> [FeatureRows] {
        try PreparedImage.require(images, size: configuration.tile)
        var features = images.map { _ in FeatureRows() }
        // The tiles of all images, with the numbers of their images.
        var tiles: [(image: Int, tile: PreparedImage)] = []
        for (index, image) in images.enumerated() { tiles += try image.separateTiles().map { (index, $0) } }
        let batch = session.device.imageBatch
        for start in stride(from: 0, to: tiles.count, by: batch) {
            let part = tiles[start..<min(start + batch, tiles.count)]
            let pixels = try TensorValue.pixels(runtime, part.map(\.tile)[...], for: session.device)
            let output = try session.features(
                [Idefics3Graph.Port.pixels: pixels], Idefics3Graph.Port.features, options)
            for (place, (image, _)) in part.enumerated() {
                features[image].append(try output.part(place..<place + 1))
            }
        }
        return features
    }
}

// MARK: - Training

extension Idefics3Vision: TrainableImageEncoder {
    func trainingGraph() throws(DamaError) -> Graph { try Idefics3Graph.graph(configuration, kernels) }

    var trainingOutput: String { Idefics3Graph.Port.features }

    func isProjector(_ weight: String) -> Bool { weight == Idefics3Graph.connector }

    func trainingInputs(_ images: [PreparedImage]) throws(DamaError) -> [String: TensorValue] {
        [Idefics3Graph.Port.pixels: try TensorValue.pixels(runtime, images[...], for: session.device)]
    }

    func axes(of part: Range<Int>, in images: [PreparedImage]) -> [String: Range<Int>] {
        let start = images[..<part.lowerBound].reduce(0) { $0 + $1.tileCount }
        return [TrainingAxis.pairs: start..<images[part].reduce(start) { $0 + $1.tileCount }]
    }
}
