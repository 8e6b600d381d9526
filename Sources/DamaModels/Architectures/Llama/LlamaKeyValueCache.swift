import DamaRuntime
import DamaSupport

/// The keys and values of a batch in the model's precision, in preallocated memory that each step writes into.
final class LlamaKeyValueCache: KeyValueCache {
    private typealias Port = LlamaGraph.Port
    private let decoder: LlamaDecoder
    private let binding: Binding
    /// The capacity of a row in tokens.
    private let length: Int
    /// Bytes of one row.
    private let rowSize: Int
    private var elementType: ElementType { decoder.precision.elementType }
    private(set) var batch: Int
    /// Key and value of each layer in turn, [batch, heads, length, head size]. The capacity may exceed the batch.
    private var memory: [FloatMemory] = []

    init(_ decoder: LlamaDecoder, batch: Int, length: Int) throws(DamaError) {
        self.decoder = decoder
        self.length = length
        self.batch = batch
        let c = decoder.configuration
        var size = 1
        for factor in [c.keyValueHeads, length, decoder.graphs.cachedHeadSize, decoder.precision.elementType.size] {
            let (product, overflow) = size.multipliedReportingOverflow(by: factor)
            guard !overflow else { throw .outOfMemory("a key-value cache cannot hold texts of \(length) tokens") }
            size = product
        }
        rowSize = size
        binding = try Binding(try decoder.session(.generation))
        memory = try allocate(batch)
        try bindMemory()
        let (cosine, sine) = try decoder.rotaryTables(length)
        try binding.bind(input: Port.cosine, to: cosine)
        try binding.bind(input: Port.sine, to: sine)
    }

    // MARK: Rows

    func keep(_ rows: [Int]) throws(DamaError) {
        // Rows that only move forward can be moved in place.
        let isInPlace = zip(rows, rows.dropFirst()).allSatisfy { $0 < $1 }
        let target = isInPlace ? memory : try allocate(rows.count)
        for (old, new) in zip(memory, target) {
            let (from, to) = (old.bytes, UnsafeMutableRawBufferPointer(new.elements))
            for (place, row) in rows.enumerated() where !isInPlace || place != row {
                UnsafeMutableRawBufferPointer(rebasing: to[place * rowSize..<(place + 1) * rowSize])
                    .copyMemory(from: UnsafeRawBufferPointer(rebasing: from[row * rowSize..<(row + 1) * rowSize]))
            }
        }
        memory = target
        batch = rows.count
        try bindMemory()
    }

    func copy(_ copies: [CacheCopy]) throws(DamaError) {
        // Bytes of one head of one token.
        let (heads, size) = (
            decoder.configuration.keyValueHeads, decoder.graphs.cachedHeadSize * elementType.size
        )
        let total = copies.reduce(0) { $0 + $1.positions.count } * heads * size
        try Allocation.check(total, for: "the keys and values that beams exchange")
        var buffer: [UInt8] = []
        buffer.reserveCapacity(total)
        for memory in memory {
            buffer.removeAll(keepingCapacity: true)
            let target = UnsafeMutableRawBufferPointer(memory.elements)
            for copy in copies {
                for head in 0..<heads {
                    let start = ((copy.source * heads + head) * length + copy.positions.lowerBound) * size
                    buffer += memory.bytes[start..<start + copy.positions.count * size]
                }
            }
            var rest = buffer[...]
            for copy in copies {
                for head in 0..<heads {
                    let start = ((copy.target * heads + head) * length + copy.positions.lowerBound) * size
                    let count = copy.positions.count * size
                    UnsafeMutableRawBufferPointer(rebasing: target[start..<start + count])
                        .copyBytes(from: rest.prefix(count))
                    rest = rest.dropFirst(count)
                }
            }
        }
    }

    private func allocate(_ rows: Int) throws(DamaError) -> [FloatMemory] {
        let (count, overflow) = rowSize.multipliedReportingOverflow(by: rows)
        let parts = 2 * decoder.configuration.layers
        let (all, overflowsAll) = count.multipliedReportingOverflow(by: parts)
        guard !overflow, !overflowsAll else {
            throw .outOfMemory("a key-value cache cannot hold \(rows) texts of \(length) tokens; use smaller batches")
        }
        // Checks the whole size first: allocating layer by layer would use up the memory before failing.
        try Allocation.check(
            all, for: "the key-value cache of \(rows) texts of \(length) tokens")
        var memory: [FloatMemory] = []
        for _ in 0..<parts { memory.append(try FloatMemory(count: (count + 3) / 4)) }
        return memory
    }

    private func bindMemory() throws(DamaError) {
        let shape = [batch, decoder.configuration.keyValueHeads, length, decoder.graphs.cachedHeadSize]
        let byteCount = shape.reduce(elementType.size, *)
        for (index, memory) in memory.enumerated() {
            let layer = index / 2
            let value = try TensorValue(
                decoder.runtime, borrowing: UnsafeRawBufferPointer(rebasing: memory.bytes[..<byteCount]),
                type: elementType, shape: shape, owner: memory)
            let isKey = index % 2 == 0
            try binding.bind(input: isKey ? Port.pastKey(layer) : Port.pastValue(layer), to: value)
            try binding.bind(output: isKey ? Port.presentKey(layer) : Port.presentValue(layer), to: value)
        }
        // An output that a run allocated stays bound with the old batch size, so it is bound again.
        try binding.bind(output: Port.logits, on: .cpu)
    }

    // MARK: Steps

    func start(_ prompts: [DecoderPrompt], run: RunOptions?) throws(DamaError) -> TensorValue {
        let length = prompts.map(\.tokens.count).max() ?? 0
        let hidden = decoder.configuration.hiddenSize
        let embeddings = try TensorValue(decoder.runtime, allocating: .float32, shape: [batch, length, hidden])
        try embeddings.withMutableElements(of: Float.self) { all throws(DamaError) in
            all.update(repeating: 0)
            for (index, prompt) in prompts.enumerated() {
                let start = index * length * hidden
                try decoder.embed(
                    prompt.tokens, features: prompt.features,
                    into: UnsafeMutableBufferPointer(rebasing: all[start..<start + prompt.tokens.count * hidden]))
            }
        }
        let last = prompts.map { $0.tokens.count - 1 }
        let positions = prompts.flatMap { _ in 0..<length }
        return try logits(
            embeddings, positions, last: last, rows: last.enumerated().map { $0 * length + $1 }, run: run)
    }

    func step(_ tokens: [Int32], at lengths: [Int], run: RunOptions?) throws(DamaError) -> TensorValue {
        let hidden = decoder.configuration.hiddenSize
        let embeddings = try TensorValue(decoder.runtime, allocating: .float32, shape: [batch, 1, hidden])
        try embeddings.withMutableElements(of: Float.self) { all throws(DamaError) in
            try decoder.embed(tokens, features: [], into: all)
        }
        return try logits(embeddings, lengths, last: lengths, rows: Array(0..<batch), run: run)
    }

    private func logits(
        _ embeddings: TensorValue, _ positions: [Int], last: [Int], rows: [Int], run: RunOptions?
    ) throws(DamaError) -> TensorValue {
        let runtime = decoder.runtime
        if !decoder.graphs.rotatesInAttention {
            let shape = Array(embeddings.shape.dropLast())
            try binding.bind(
                input: Port.positions, to: TensorValue(runtime, positions.map(Int64.init), shape: shape))
        }
        let total = Int32(clamping: (last.max() ?? 0) + 1)
        try binding.bind(input: Port.embeddings, to: embeddings)
        try binding.bind(
            input: Port.lastPositions, to: TensorValue(runtime, last.map { Int32(clamping: $0) }, shape: [batch]))
        try binding.bind(input: Port.totalLength, to: TensorValue(runtime, [total], shape: []))
        try binding.bind(input: Port.rows, to: TensorValue(runtime, rows.map(Int64.init), shape: [batch]))
        try binding.run(options: run)
        guard let logits = try binding.outputs()[Port.logits] else { throw .internal("the graph returned no logits") }
        return logits
    }
}
