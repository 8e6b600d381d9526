import DamaRuntime
import DamaSupport

/// Keys and values of an ``OnnxDecoder``, which returns a longer cache from each run.
final class OnnxKeyValueCache: KeyValueCache {
    private let decoder: OnnxDecoder
    private var lanes: [Lane] = []
    private var count = 0

    /// Sequences that run together.
    private struct Lane {
        /// Which of the batch's sequences: all of them in one lane, or each in its own.
        var members: [Int]
        var past: [TensorValue]
        var mask: [[Int64]]
    }

    init(_ decoder: OnnxDecoder) { self.decoder = decoder }

    func start(_ prompts: [DecoderPrompt], run: RunOptions?) throws(DamaError) -> TensorValue {
        count = prompts.count
        lanes = []
        // A decoder that counts positions itself would count the padding too, so each sequence runs alone.
        let groups = decoder.takesPositions ? [Array(prompts.indices)] : prompts.indices.map { [$0] }
        let logits = try emptyLogits()
        for members in groups {
            let batch = OnnxDecoder.Batch(members.map { (prompts[$0].tokens, prompts[$0].features) })
            let lengths = batch.rows.map(\.tokens.count)
            let shortest = lengths.min() ?? 0
            let (found, first, past) = try decoder.run(
                batch, keeping: batch.length - shortest + 1, withCache: true, options: run)
            try copy(found, places: lengths.map { $0 - 1 - first }, of: members, to: logits)
            let mask = lengths.map {
                [Int64](repeating: 1, count: $0) + [Int64](repeating: 0, count: batch.length - $0)
            }
            lanes.append(Lane(members: members, past: past, mask: mask))
        }
        return logits
    }

    func keep(_ rows: [Int]) throws(DamaError) {
        if decoder.takesPositions, let all = lanes.first {
            var past: [TensorValue] = []
            for tensor in all.past { past.append(try select(rows, of: tensor)) }
            lanes = [Lane(members: Array(rows.indices), past: past, mask: rows.map { all.mask[$0] })]
        } else {
            // Lanes only grow by new tensors, so two lanes may share their first ones.
            lanes = rows.enumerated().map { index, row in
                Lane(members: [index], past: lanes[row].past, mask: lanes[row].mask)
            }
        }
        count = rows.count
    }

    /// Takes whole rows: each run writes new tensors anyway.
    func copy(_ copies: [CacheCopy]) throws(DamaError) {
        var rows = Array(0..<count)
        for copy in copies { rows[copy.target] = copy.source }
        try keep(rows)
    }

    private func select(_ rows: [Int], of tensor: TensorValue) throws(DamaError) -> TensorValue {
        let size = tensor.count / max(1, tensor.shape.first ?? 1)
        let selected = try TensorValue(
            decoder.runtime, allocating: .float32, shape: [rows.count] + tensor.shape.dropFirst())
        try tensor.withElements(of: Float.self) { source throws(DamaError) in
            try selected.withMutableElements(of: Float.self) { target in
                for (place, row) in rows.enumerated() where size > 0 {
                    _ = target.extracting(place * size..<(place + 1) * size)
                        .update(fromContentsOf: source.extracting(row * size..<(row + 1) * size))
                }
            }
        }
        return selected
    }

    func step(_ tokens: [Int32], at lengths: [Int], run: RunOptions?) throws(DamaError) -> TensorValue {
        let logits = try emptyLogits()
        for index in lanes.indices {
            let members = lanes[index].members
            var batch = OnnxDecoder.Batch(members.map { ([tokens[$0]], FeatureRows()) })
            batch.firstPositions = members.map { lengths[$0] }
            batch.past = lanes[index].past
            batch.pastMask = lanes[index].mask
            let (found, _, past) = try decoder.run(batch, keeping: 1, withCache: true, options: run)
            try copy(found, places: members.map { _ in 0 }, of: members, to: logits)
            lanes[index].past = past
            for row in lanes[index].mask.indices { lanes[index].mask[row].append(1) }
        }
        return logits
    }

    private func emptyLogits() throws(DamaError) -> TensorValue {
        try TensorValue(
            decoder.runtime, allocating: .float32, shape: [count, decoder.configuration.vocabularySize])
    }

    /// Copies row `places[i]` of sequence i of a lane to that sequence's row in the batch.
    private func copy(
        _ found: TensorValue, places: [Int], of members: [Int], to logits: TensorValue
    ) throws(DamaError) {
        let (rows, size) = (found.shape[1], decoder.configuration.vocabularySize)
        try found.withElements(of: Float.self) { source throws(DamaError) in
            try logits.withMutableElements(of: Float.self) { target in
                for (index, member) in members.enumerated() {
                    let start = (index * rows + places[index]) * size
                    _ = target.extracting(member * size..<(member + 1) * size)
                        .update(fromContentsOf: source.extracting(start..<start + size))
                }
            }
        }
    }
}
