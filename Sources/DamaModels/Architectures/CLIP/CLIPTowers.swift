import DamaImage
import DamaRuntime
import DamaSupport

/// Our graphs over safetensors.
final class CLIPGraphTowers: EncoderTowers {
    let configuration: CLIPConfiguration
    let logitScale: Float
    private let weights: ModelWeights
    let runtime: OnnxRuntime
    private let text: Session
    private let vision: Session

    var dimension: Int { configuration.projectionSize }
    var vocabularySize: Int? { configuration.text.vocabularySize }
    var maximumLength: Int { configuration.text.maximumLength }
    var imageSize: Int? { configuration.vision.imageSize }

    init(_ graph: CLIPGraph, _ store: WeightStore, _ opening: EncoderOpening) throws(DamaError) {
        let weights = try opening.weights(store)
        logitScale = try store.logitScale()
        text = try weights.session(
            graph.text(), named: "\(opening.directory) (text)", placement: .mappedFile, options: opening.session)
        vision = try weights.session(
            graph.vision(), named: "\(opening.directory) (vision)", placement: .mappedFile, options: opening.session)
        configuration = graph.configuration
        self.weights = weights
        runtime = opening.runtime
    }

    var fingerprint: String {
        get throws(DamaError) {
            var hash = SHA256()
            hash.update(weights.store.fingerprint.utf8)
            hash.update(configuration.identity.utf8)
            hash.update(weights.precision.mark.utf8)
            return hash.hexDigest
        }
    }

    func sequence(_ tokens: [Int32]) -> [Int32] { configuration.text.endRule.sequence(tokens) }

    func embed(sequences: [[Int32]], run: RunOptions?) throws(DamaError) -> [[Float]] {
        var embeddings = [[Float]](repeating: [], count: sequences.count)
        for packs in TokenPacks.layOut(sequences, runTokens: text.device.scoredTokens) {
            typealias Port = CLIPGraph.Port
            let (count, length, ends) = (packs.packs, packs.length, packs.ends)
            let result = try text.run(
                [
                    Port.tokens: TensorValue(runtime, packs.tokens, shape: [count, length]),
                    Port.positions: TensorValue(runtime, packs.positions, shape: [count, length]),
                    Port.mask: TensorValue(runtime, packs.mask, shape: [count, 1, length, length]),
                    Port.ends: TensorValue(runtime, packs.endRows, shape: [count, ends]),
                    Port.endMask: TensorValue(runtime, packs.endMask, shape: [count, 1, ends, length]),
                ], outputs: [Port.textEmbeddings], options: run)
            let rows = try rows(result[0], Port.textEmbeddings)
            for place in packs.places { embeddings[place.text] = rows[place.row] }
        }
        return embeddings
    }

    func embed(images: [PreparedImage], run: RunOptions?) throws(DamaError) -> [[Float]] {
        try embed(images, vision, CLIPGraph.Port.pixels, CLIPGraph.Port.imageEmbeddings, run: run)
    }
}

extension TensorValue {
    /// [images, 3, height, width] of images of one size, for a run on `device`.
    package static func pixels(
        _ runtime: OnnxRuntime, _ images: ArraySlice<PreparedImage>, for device: Device
    ) throws(DamaError) -> TensorValue {
        guard let first = images.first else { throw .internal("no images") }
        let size = 3 * first.height * first.width
        guard
            images.allSatisfy({
                $0.height == first.height && $0.width == first.width && $0.pixels.count == $0.tileCount * size
            })
        else { throw .shapeMismatch("images of one run differ in size, or their pixels are not [3, height, width]") }
        let tiles = images.reduce(0) { $0 + $1.tileCount }
        let tensor = try TensorValue(runtime, for: device, .float32, shape: [tiles, 3, first.height, first.width])
        var ends: [Int] = []
        for image in images { ends.append((ends.last ?? 0) + image.pixels.count) }
        try tensor.withMutableElements(of: Float.self) { target throws(DamaError) in
            nonisolated(unsafe) let target = target
            Concurrent.forEach(images.count, threads: runtime.threads) { [ends] index in
                let pixels = images[images.startIndex + index].pixels
                let end = ends[index]
                _ = UnsafeMutableBufferPointer(rebasing: target[end - pixels.count..<end]).update(
                    fromContentsOf: pixels)
            }
        }
        return tensor
    }
}
