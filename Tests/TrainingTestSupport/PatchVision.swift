import DamaGraph
import DamaImage
import DamaModels
import DamaRuntime
import DamaSupport
import Synchronization

/// A vision part whose images take one token for each patch of 8 × 8 pixels. A patch is the mean colours of its
/// quarters, and a linear projector computes its row of features. It counts its calls.
package final class PatchVision: TrainableImageEncoder {
    package static let weightName = "patches.projector.weight"
    private static let patch = 8
    /// The numbers of a patch: red, green and blue of four quarters.
    package static let patchSize = 12

    package let weights: ModelWeights
    private let runtime: OnnxRuntime
    private let hiddenSize: Int
    private let counts = Mutex((prepared: 0, encoded: 0))

    /// - Parameter weights: weights with the tensor ``weightName``, [hiddenSize, ``patchSize``].
    package init(_ weights: ModelWeights, _ runtime: OnnxRuntime, hiddenSize: Int) {
        (self.weights, self.runtime, self.hiddenSize) = (weights, runtime, hiddenSize)
    }

    /// The number of images prepared so far, and of images encoded.
    package var asked: (prepared: Int, encoded: Int) { counts.withLock { $0 } }

    package func prepare(_ image: RGBImage) throws(DamaError) -> PreparedImage {
        counts.withLock { $0.prepared += 1 }
        let area = image.width * image.height
        var pixels = [Float](repeating: 0, count: 3 * area)
        for index in 0..<area {
            for channel in 0..<3 { pixels[channel * area + index] = Float(image.pixels[3 * index + channel]) / 255 }
        }
        return PreparedImage(pixels: pixels, height: image.height, width: image.width)
    }

    package func expansion(of image: PreparedImage) -> [Int32] { TokenSequence.placeholders(tokenCount(of: image)) }
    private func tokenCount(of image: PreparedImage) -> Int { (image.width / Self.patch) * (image.height / Self.patch) }
    package var tokenCounts: ClosedRange<Int> { 1...64 }
    package var identity: JSON { "patches" }
    package var processing: JSON { .null }

    /// [tokens, ``patchSize``] of one image.
    package func patches(_ image: PreparedImage) -> [Float] {
        var patches: [Float] = []
        let half = Self.patch / 2
        for top in stride(from: 0, to: image.height, by: Self.patch) {
            for left in stride(from: 0, to: image.width, by: Self.patch) {
                for channel in 0..<3 {
                    for (down, right) in [(0, 0), (0, half), (half, 0), (half, half)] {
                        var sum: Float = 0
                        for y in 0..<half {
                            for x in 0..<half {
                                sum +=
                                    image.pixels[
                                        (channel * image.height + top + down + y) * image.width + left + right + x]
                            }
                        }
                        patches.append(sum / Float(half * half))
                    }
                }
            }
        }
        return patches
    }

    package func features(_ images: [PreparedImage], options: RunOptions?) throws(DamaError) -> [FeatureRows] {
        counts.withLock { $0.encoded += images.count }
        let weight = try weights.store.tensor(Self.weightName).floats()
        var features: [FeatureRows] = []
        for image in images {
            let (patches, tokens) = (patches(image), tokenCount(of: image))
            let rows: [Float] = (0..<tokens).flatMap { token in
                (0..<hiddenSize).map { row in
                    (0..<Self.patchSize).reduce(0) {
                        $0 + weight[row * Self.patchSize + $1] * patches[token * Self.patchSize + $1]
                    }
                }
            }
            features.append(FeatureRows([try TensorValue(runtime, rows, shape: [tokens, hiddenSize])]))
        }
        return features
    }

    // MARK: Training

    package func trainingGraph() throws(DamaError) -> Graph {
        let g = GraphBuilder("patches")
        let patches = try g.input("patches", .float32, ["patches", .fixed(Self.patchSize)])
        let weight = try g.weight(Self.weightName, .float32, [hiddenSize, Self.patchSize])
        try g.output(trainingOutput, g.linear(patches, weight))
        return g.graph
    }

    package var trainingOutput: String { "features" }
    package func isProjector(_ weight: String) -> Bool { true }

    package func trainingInputs(_ images: [PreparedImage]) throws(DamaError) -> [String: TensorValue] {
        let all = images.flatMap(patches)
        return ["patches": try TensorValue(runtime, all, shape: [all.count / Self.patchSize, Self.patchSize])]
    }

    package func axes(of part: Range<Int>, in images: [PreparedImage]) -> [String: Range<Int>] {
        let start = images[..<part.lowerBound].reduce(0) { $0 + tokenCount(of: $1) }
        return ["patches": start..<images[part].reduce(start) { $0 + tokenCount(of: $1) }]
    }
}
