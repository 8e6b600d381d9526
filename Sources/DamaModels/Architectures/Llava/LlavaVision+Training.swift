import DamaGraph
import DamaImage
import DamaRuntime
import DamaSupport

extension LlavaVision: TrainableImageEncoder {
    package func trainingGraph() throws(DamaError) -> Graph { try Self.graph(configuration, names, kernels) }

    package var trainingOutput: String { Port.features }

    package func isProjector(_ weight: String) -> Bool { weight.hasPrefix(names.projector) }

    package func trainingInputs(_ images: [PreparedImage]) throws(DamaError) -> [String: TensorValue] {
        [Port.pixels: try TensorValue.pixels(runtime, images[...], for: session.device)]
    }

    package func axes(of part: Range<Int>, in images: [PreparedImage]) -> [String: Range<Int>] {
        [TrainingAxis.pairs: part]
    }
}
