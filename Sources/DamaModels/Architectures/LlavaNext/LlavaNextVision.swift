import DamaGraph
import DamaImage
import DamaRuntime
import DamaSupport

/// LLaVA-1.6's vision part: LLaVA's over the tiles of an image, whose patches become rows with a line break behind
/// each. May be used from several threads.
final class LlavaNextVision: ImageFeatureEncoder {
    let configuration: LlavaNextConfiguration
    let weights: ModelWeights
    let runtime: OnnxRuntime
    let names: LlavaNextGraph.Names
    private let kernels: GraphKernels
    private let processor: GridImageProcessor
    private let session: Session

    init(
        _ configuration: LlavaNextConfiguration, _ weights: ModelWeights, _ runtime: OnnxRuntime,
        processor: GridImageProcessor, device: Device
    ) throws(DamaError) {
        names = try LlavaNextGraph.names(weights.store)
        var options = SessionOptions()
        options.device = device
        kernels = GraphKernels(on: device, weights.precision)
        session = try weights.session(
            LlavaNextGraph.graph(configuration, names, kernels), named: "\(weights.store.path) (vision)",
            placement: .mappedFile, options: options, natural: device.residentFeatures(LlavaVision.Port.features))
        self.configuration = configuration
        self.weights = weights
        self.processor = processor
        self.runtime = runtime
    }

    func prepare(_ image: RGBImage) throws(DamaError) -> PreparedImage { try processor.process(image) }
    var tokenCounts: ClosedRange<Int> { configuration.featureCounts }
    var identity: JSON { configuration.identity }
    var processing: JSON { processor.settings }

    func expansion(of image: PreparedImage) throws(DamaError) -> [Int32] {
        TokenSequence.placeholders(configuration.features(try Self.tiling(of: image)).count)
    }

    static func tiling(of image: PreparedImage) throws(DamaError) -> ImageTiling {
        guard let tiling = image.tiling else { throw .shapeMismatch("the image was prepared without tiles") }
        return tiling
    }

    /// One run for each image: its tiles are a batch.
    func features(_ images: [PreparedImage], options: RunOptions?) throws(DamaError) -> [FeatureRows] {
        try PreparedImage.require(images, size: configuration.llava.vision.imageSize)
        var features: [FeatureRows] = []
        for image in images {
            var inputs = try LlavaNextRows([image], configuration).forward(runtime)
            inputs[LlavaVision.Port.pixels] = try TensorValue.pixels(runtime, [image], for: session.device)
            features.append(FeatureRows([try session.features(inputs, LlavaVision.Port.features, options)]))
        }
        return features
    }
}

// MARK: - Training

extension LlavaNextVision: TrainableImageEncoder {
    func trainingGraph() throws(DamaError) -> Graph {
        try LlavaNextGraph.graph(configuration, names, kernels, trainable: true)
    }

    var trainingOutput: String { LlavaVision.Port.features }

    func isProjector(_ weight: String) -> Bool { weight.hasPrefix(names.llava.projector) || weight == names.newline }

    func trainingInputs(_ images: [PreparedImage]) throws(DamaError) -> [String: TensorValue] {
        let rows = try LlavaNextRows(images, configuration)
        return try rows.forward(runtime)
            .merging(rows.backward(runtime)) { $1 }
            .merging([LlavaVision.Port.pixels: TensorValue.pixels(runtime, images[...], for: session.device)]) { $1 }
    }

    func rowInputs(_ images: [PreparedImage]) throws(DamaError) -> [String: TensorValue] {
        try LlavaNextRows(images, configuration).backward(runtime)
    }

    func axes(of part: Range<Int>, in images: [PreparedImage]) -> [String: Range<Int>] {
        func range(_ count: (PreparedImage) -> Int) -> Range<Int> {
            let start = images[..<part.lowerBound].reduce(0) { $0 + count($1) }
            return start..<images[part].reduce(start) { $0 + count($1) }
        }
        let tiles = range(\.tileCount)
        let patches = configuration.llava.imageTokens
        return [
            TrainingAxis.pairs: tiles,
            LlavaNextGraph.patchAxis: tiles.lowerBound * patches..<tiles.upperBound * patches,
            TrainingAxis.rows: range { image in image.tiling.map { configuration.features($0).count } ?? 0 },
        ]
    }
}
