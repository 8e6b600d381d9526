import DamaRuntime
import DamaSupport

/// The keys and values of a batch, in preallocated memory that each step writes into: the decoder's device's, or the
/// host's where the attention kernel runs.
final class LlamaKeyValueCache: KeyValueCache {
    private typealias Port = LlamaGraph.Port
    private let decoder: LlamaDecoder
    private let binding: Binding
    private let place: Device
    private let backend: any DeviceBackend
    /// The type of keys and values.
    private let type: ElementType
    /// The capacity of a row in tokens.
    private let length: Int
    /// Numbers of one row.
    private let rowSize: Int
    private(set) var batch: Int
    private let output: StepOutput
    /// What each step writes its output into.
    private var result: TensorValue?
    /// Key and value of each layer in turn, [batch, heads, length, head size]. The capacity may exceed the batch.
    private var memory: [DeviceMemory] = []

    init(_ decoder: LlamaDecoder, batch: Int, length: Int, output: StepOutput) throws(DamaError) {
        self.decoder = decoder
        self.output = output
        self.length = length
        self.batch = batch
        // The runtime's attention kernel for CUDA takes bfloat16 and float16. Float32 runs on the host.
        place = decoder.precision == .float32 ? .cpu : decoder.device
        backend = try decoder.runtime.backend(place)
        type = decoder.weights.precision.elementType
        let c = decoder.configuration
        var size = 1
        for factor in [c.keyValueHeads, length, decoder.graphs.cachedHeadSize] {
            let (product, overflow) = size.multipliedReportingOverflow(by: factor)
            guard !overflow else { throw .outOfMemory("a key-value cache cannot hold texts of \(length) tokens") }
            size = product
        }
        rowSize = size
        binding = try Binding(try decoder.session(output == .likeliest ? .choice : .generation))
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
        let size = rowSize * type.size
        for (old, new) in zip(memory, target) {
            for (place, row) in rows.enumerated() where !isInPlace || place != row {
                try backend.copy(old.start + row * size, to: new.start + place * size, byteCount: size)
            }
        }
        memory = target
        batch = rows.count
        try bindMemory()
    }

    func copy(_ copies: [CacheCopy]) throws(DamaError) {
        let heads = decoder.configuration.keyValueHeads
        let size = decoder.graphs.cachedHeadSize * type.size
        let total = copies.reduce(0) { $0 + $1.positions.count } * heads * size
        guard total > 0 else { return }
        // All sources are read before a target is written: beams exchange their texts.
        let buffer = try DeviceMemory(backend, byteCount: total)
        for memory in memory {
            for isSource in [true, false] {
                var done = 0
                for copy in copies {
                    for head in 0..<heads {
                        let row = isSource ? copy.source : copy.target
                        let place = memory.start + ((row * heads + head) * length + copy.positions.lowerBound) * size
                        let count = copy.positions.count * size
                        if isSource {
                            try backend.copy(place, to: buffer.start + done, byteCount: count)
                        } else {
                            try backend.copy(buffer.start + done, to: place, byteCount: count)
                        }
                        done += count
                    }
                }
            }
        }
    }

    private func allocate(_ rows: Int) throws(DamaError) -> [DeviceMemory] {
        let (count, overflow) = rowSize.multipliedReportingOverflow(by: rows * type.size)
        let parts = 2 * decoder.configuration.layers
        let (all, overflowsAll) = count.multipliedReportingOverflow(by: parts)
        guard !overflow, !overflowsAll else {
            throw .outOfMemory("a key-value cache cannot hold \(rows) texts of \(length) tokens; use smaller batches")
        }
        // Checks the whole size first: allocating layer by layer would use up the memory before failing.
        if backend.isHost {
            try Allocation.check(all, for: "the key-value cache of \(rows) texts of \(length) tokens")
        }
        var memory: [DeviceMemory] = []
        for _ in 0..<parts {
            let part = try DeviceMemory(backend, byteCount: count)
            try backend.clear(part.start, byteCount: count)
            memory.append(part)
        }
        return memory
    }

    private func bindMemory() throws(DamaError) {
        let shape = [batch, decoder.configuration.keyValueHeads, length, decoder.graphs.cachedHeadSize]
        let byteCount = shape.reduce(type.size, *)
        for (index, memory) in memory.enumerated() {
            let layer = index / 2
            let value = try TensorValue(
                decoder.runtime, borrowing: UnsafeRawBufferPointer(start: memory.start, count: byteCount), type: type,
                shape: shape, device: place, owner: memory)
            let isKey = index % 2 == 0
            try binding.bind(input: isKey ? Port.pastKey(layer) : Port.pastValue(layer), to: value)
            try binding.bind(output: isKey ? Port.presentKey(layer) : Port.presentValue(layer), to: value)
        }
        let result =
            switch output {
            case .logits:
                try TensorValue(
                    decoder.runtime, allocating: .float32, shape: [batch, decoder.configuration.vocabularySize])
            case .likeliest: try TensorValue(decoder.runtime, allocating: .int64, shape: [batch])
            }
        try binding.bind(output: output == .logits ? Port.logits : Port.likeliest, to: result)
        self.result = result
    }

    // MARK: Steps

    func start(_ prompts: [DecoderPrompt], run: RunOptions?) throws(DamaError) -> TensorValue {
        let length = prompts.map(\.tokens.count).max() ?? 0
        let hidden = decoder.configuration.hiddenSize
        let last = prompts.map { $0.tokens.count - 1 }
        let positions = prompts.flatMap { _ in 0..<length }
        let rows = last.enumerated().map { $0 * length + $1 }
        if decoder.device != .cpu {
            return try next(
                decoder.deviceEmbeddings(prompts, length: length), positions, last: last, rows: rows, run: run)
        }
        let embeddings = try TensorValue(decoder.runtime, allocating: .float32, shape: [batch, length, hidden])
        try embeddings.withMutableElements(of: Float.self) { all throws(DamaError) in
            nonisolated(unsafe) let all = all
            let decoder = decoder
            _ = try Concurrent.map(prompts.count, threads: decoder.runtime.threads) { index throws(DamaError) in
                let prompt = prompts[index]
                let start = index * length * hidden
                let end = start + prompt.tokens.count * hidden
                try decoder.embed(
                    prompt.tokens, features: prompt.features,
                    into: UnsafeMutableBufferPointer(rebasing: all[start..<end]))
                // Padding is computed too, so it must hold finite numbers.
                UnsafeMutableBufferPointer(rebasing: all[end..<start + length * hidden]).update(repeating: 0)
            }
        }
        return try next(embeddings, positions, last: last, rows: rows, run: run)
    }

    func step(_ tokens: [Int32], at lengths: [Int], run: RunOptions?) throws(DamaError) -> TensorValue {
        let hidden = decoder.configuration.hiddenSize
        let embeddings = try TensorValue(decoder.runtime, allocating: .float32, shape: [batch, 1, hidden])
        try embeddings.withMutableElements(of: Float.self) { all throws(DamaError) in
            try decoder.embed(tokens, features: FeatureRows(), into: all)
        }
        return try next(embeddings, lengths, last: lengths, rows: Array(0..<batch), run: run)
    }

    private func next(
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
        guard let result else { throw .internal("a step has no output") }
        return result
    }
}
