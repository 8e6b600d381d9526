import DamaGraph
import DamaModels
import DamaRuntime
import DamaSupport

/// Draws the masks of the adapters' dropout. The same generator gives the same masks.
struct Dropout {
    /// p, a multiple of 2⁻¹⁶.
    let probability: Double
    private let threshold: UInt16
    private var generator: RandomGenerator

    /// - Parameters:
    ///   - adapters: their ``LowRankAdapters/dropout`` is rounded to a multiple of 2⁻¹⁶, and never to 1.
    ///   - step, rank: distinguish the masks of one step and rank from those of another.
    init(_ adapters: LowRankAdapters, seed: UInt64, step: UInt64, rank: Int = 0) {
        threshold = UInt16(min(adapters.dropout * 65536, 65535).rounded())
        probability = Double(threshold) / 65536
        generator = RandomGenerator(seed: seed, stream: (0xD209 &+ step) ^ UInt64(rank) << 48)
    }

    /// A mask, 1 with the probability 1 − p.
    mutating func mask(_ runtime: OnnxRuntime, shape: [Int]) throws(DamaError) -> TensorValue {
        let value = try TensorValue(runtime, allocating: .uint8, shape: shape)
        try value.withMutableElements(of: UInt8.self) { all in
            var bits: UInt64 = 0
            for index in all.indices {
                if index % 4 == 0 { bits = generator.next() }
                all[index] = UInt16(truncatingIfNeeded: bits) < threshold ? 0 : 1
                bits >>= 16
            }
        }
        return value
    }
}

extension TrainedPolicy {
    /// The inputs of dropout for a run with these other inputs: masks, and the scale 1 / (1 − p).
    ///
    /// - Parameter dropout: `nil` keeps every number, as outside training.
    func dropoutInputs(
        _ dropout: inout Dropout?, _ inputs: [String: TensorValue]
    ) throws(DamaError) -> [String: TensorValue] {
        var lengths: [String: Int] = [:]
        for input in selection.graph.inputs {
            guard let value = inputs[selection.graph.name(of: input)] else { continue }
            for case (.symbol(let symbol), let length) in zip(input.shape, value.shape) { lengths[symbol] = length }
        }
        var found: [String: TensorValue] = [:]
        for mask in selection.masks {
            var shape: [Int] = []
            for dimension in mask.shape {
                switch dimension {
                case .fixed(let length): shape.append(length)
                case .symbol(let symbol):
                    guard let length = lengths[symbol] else { throw .internal("the axis \(symbol) has no length") }
                    shape.append(length)
                }
            }
            let name = selection.graph.name(of: mask)
            if dropout == nil {
                found[name] = try TensorValue(
                    decoder.runtime, [UInt8](repeating: 1, count: shape.reduce(1, *)), shape: shape)
            } else {
                found[name] = try dropout?.mask(decoder.runtime, shape: shape)
            }
        }
        if !selection.masks.isEmpty {
            let scale = 1 / (1 - (dropout?.probability ?? 0))
            found[Graph.dropoutScale] = try TensorValue(decoder.runtime, [Float(scale)], shape: [])
        }
        return found
    }
}
