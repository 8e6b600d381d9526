import DamaKernels
import DamaRuntime
import DamaSupport

/// The decoder of the hub's ONNX layout. It can be run but not trained. Each response is a sequence of its own.
///
/// Rows are padded at the end and the padding is masked, so that positions are right both for exports that apply the
/// mask and for those that only count its ones.
final class OnnxDecoder: CausalDecoder {
    let configuration: OnnxDecoderConfiguration
    let runtime: OnnxRuntime
    private let layout: OnnxLayout
    private let session: Session
    /// `nil` if the decoder takes token ids.
    private let embedding: Session?
    private let known: Set<String>

    /// Names of inputs and outputs.
    private enum Port {
        static let tokens = "input_ids"
        static let embeddings = "inputs_embeds"
        static let mask = "attention_mask"
        static let positions = "position_ids"
        static let usesCache = "use_cache_branch"
        static let logitsToKeep = "num_logits_to_keep"
        static let logits = "logits"
        static func past(_ layers: Int) -> [String] { cache("past_key_values", layers) }
        static func present(_ layers: Int) -> [String] { cache("present", layers) }
        private static func cache(_ name: String, _ layers: Int) -> [String] {
            (0..<layers).flatMap { ["\(name).\($0).key", "\(name).\($0).value"] }
        }
    }

    private let past: [String]
    private let present: [String]

    init(
        _ configuration: OnnxDecoderConfiguration, _ layout: OnnxLayout, _ runtime: OnnxRuntime, device: Device
    ) throws(DamaError) {
        var options = SessionOptions()
        options.device = device
        session = try Session(runtime, path: layout.decoder, options: options)
        past = Port.past(configuration.layers)
        present = Port.present(configuration.layers)
        let main = layout.embedding == nil ? Port.tokens : Port.embeddings
        try OnnxFile.require(
            session, layout.decoder, "decoder of the hub's layout", inputs: [main, Port.mask] + past,
            outputs: [Port.logits] + present)
        let optional = [Port.positions, Port.usesCache, Port.logitsToKeep]
        for port in session.inputs where !([main, Port.mask] + past + optional).contains(port.name) {
            throw .unsupported(
                "\(layout.decoder) has the unknown input \"\(port.name)\"; the known inputs are \"\(main)\", "
                    + "\"\(Port.mask)\", \(optional.map { "\"\($0)\"" }.joined(separator: ", ")) and the cache")
        }
        known = Set(session.inputs.map(\.name))
        if let path = layout.embedding {
            let session = try Session(runtime, path: path, options: options)
            try OnnxFile.require(
                session, path, "embedding of the hub's layout", inputs: [Port.tokens], outputs: [Port.embeddings])
            embedding = session
        } else {
            embedding = nil
        }
        self.configuration = configuration
        self.layout = layout
        self.runtime = runtime
        try checkTypes()
    }

    /// Checks the types and sizes of ports, with errors that name the file.
    private func checkTypes() throws(DamaError) {
        let floats = Set(past + [Port.embeddings])
        for port in session.inputs + (embedding?.inputs ?? []) {
            let expected: ElementType =
                floats.contains(port.name) ? .float32 : port.name == Port.usesCache ? .bool : .int64
            guard port.elementType != expected else { continue }
            throw OnnxFile.wrongType(port, layout.decoder, expected: "\(expected)")
        }
        func check(_ path: String, _ port: Session.Port?, axis: Int, is size: Int, _ field: String) throws(DamaError) {
            guard let port, port.shape.indices.contains(axis), let found = port.shape[axis], found != size else {
                return
            }
            throw .model(
                "\(path): \"\(port.name)\" has the shape \(port.shapeText); axis \(axis) must be \(size), \(field) of "
                    + "config.json")
        }
        for port in session.inputs where past.contains(port.name) {
            try check(layout.decoder, port, axis: 1, is: configuration.keyValueHeads, "num_key_value_heads")
            try check(layout.decoder, port, axis: 3, is: configuration.headSize, "head_dim")
        }
        let logits = session.outputs.first { $0.name == Port.logits }
        try check(layout.decoder, logits, axis: 2, is: configuration.vocabularySize, "vocab_size")
        let embeddings = session.inputs.first { $0.name == Port.embeddings }
        try check(layout.decoder, embeddings, axis: 2, is: configuration.hiddenSize, "hidden_size")
    }

    var fingerprint: String {
        get throws(DamaError) { try OnnxFile.hash(of: layout.files).hexDigest }
    }

    var vocabularySize: Int { configuration.vocabularySize }
    var hiddenSize: Int { configuration.hiddenSize }
    var maximumPositions: Int { configuration.maximumPositions }
    var endTokens: [Int32] { configuration.endTokens }
    var packsResponses: Bool { false }
    var identity: JSON { configuration.identity }

    /// Whether the file takes positions. Otherwise they follow from a token's place in its row.
    var takesPositions: Bool { known.contains(Port.positions) }

    // MARK: Running

    /// Rows of tokens, and the cache of the tokens before them.
    struct Batch {
        /// One row for each sequence, with the image features of its placeholders.
        var rows: [(tokens: [Int32], features: FeatureRows)]
        /// The position of the first token of each row.
        var firstPositions: [Int]
        /// Keys and values of all layers; empty before the first run.
        var past: [TensorValue] = []
        /// [batch][tokens of the past]: 0 for padding.
        var pastMask: [[Int64]]

        init(_ rows: [(tokens: [Int32], features: FeatureRows)]) {
            self.rows = rows
            firstPositions = rows.map { _ in 0 }
            pastMask = rows.map { _ in [] }
        }

        var length: Int { rows.map(\.tokens.count).max() ?? 0 }
    }

    /// Logits of the last `kept` places of every row, padding included, [batch, kept, vocabulary]; and keys and values.
    ///
    /// The file may support computing only some of the logits: `first` is the position of the first ones returned.
    func run(
        _ batch: Batch, keeping kept: Int, withCache: Bool, options: RunOptions?
    ) throws(DamaError) -> (logits: TensorValue, first: Int, cache: [TensorValue]) {
        let (count, length) = (batch.rows.count, batch.length)
        var inputs = try mainInput(batch, length, options)
        var mask: [Int64] = []
        var positions: [Int64] = []
        for (index, row) in batch.rows.enumerated() {
            let padding = length - row.tokens.count
            mask += batch.pastMask[index]
            mask += row.tokens.map { _ in 1 } + [Int64](repeating: 0, count: padding)
            positions += row.tokens.indices.map { Int64(batch.firstPositions[index] + $0) }
            positions += [Int64](repeating: 0, count: padding)
        }
        inputs[Port.mask] = try TensorValue(runtime, mask, shape: [count, mask.count / max(1, count)])
        if takesPositions { inputs[Port.positions] = try TensorValue(runtime, positions, shape: [count, length]) }
        if known.contains(Port.usesCache) {
            inputs[Port.usesCache] = try TensorValue(runtime, [!batch.past.isEmpty], shape: [1])
        }
        var first = 0
        if known.contains(Port.logitsToKeep) {
            inputs[Port.logitsToKeep] = try TensorValue(runtime, [Int64(kept)], shape: [])
            first = length - kept
        }
        for (index, name) in past.enumerated() {
            inputs[name] =
                batch.past.isEmpty
                ? try TensorValue(
                    runtime, [Float](), shape: [count, configuration.keyValueHeads, 0, configuration.headSize])
                : batch.past[index]
        }
        var results = try session.run(
            inputs, outputs: [Port.logits] + (withCache ? present : []), options: options)
        let logits = results.removeFirst()
        let expected = [count, length - first, configuration.vocabularySize]
        guard logits.shape == expected else {
            throw .model("\(layout.decoder) returned logits of shape \(logits.shape); expected \(expected)")
        }
        return (logits, first, results)
    }

    /// The main input of the decoder: token ids, or embeddings with image features in their places.
    private func mainInput(
        _ batch: Batch, _ length: Int, _ options: RunOptions?
    ) throws(DamaError) -> [String: TensorValue] {
        let size = configuration.hiddenSize
        var ids: [Int64] = []
        for row in batch.rows {
            let places = row.tokens.count { $0 == TokenSequence.imagePlaceholder }
            guard row.features.count == places * size, places == 0 || embedding != nil else {
                throw .shapeMismatch(
                    "\(places) image placeholders, but \(row.features.count / size) rows of image features")
            }
            for token in row.tokens where token != TokenSequence.imagePlaceholder {
                guard token >= 0, Int(token) < configuration.vocabularySize else {
                    throw .invalidArgument(
                        "token \(token) is outside the model's vocabulary of \(configuration.vocabularySize)")
                }
            }
            // Any token works as padding and as image placeholder, whose embedding is overwritten.
            ids += row.tokens.map { Int64(max(0, $0)) } + [Int64](repeating: 0, count: length - row.tokens.count)
        }
        let tokens = try TensorValue(runtime, ids, shape: [batch.rows.count, length])
        guard let embedding, let path = layout.embedding else { return [Port.tokens: tokens] }
        let embeddings = try embedding.run(
            [Port.tokens: tokens], outputs: [Port.embeddings], options: options)[0]
        guard embeddings.shape == [batch.rows.count, length, size] else {
            throw .model(
                "\(path) returned embeddings of shape \(embeddings.shape); "
                    + "expected \([batch.rows.count, length, size])")
        }
        try embeddings.withMutableElements(of: Float.self) { all throws(DamaError) in
            for (index, row) in batch.rows.enumerated() {
                try row.features.withFloats { features in
                    var used = 0
                    for (place, token) in row.tokens.enumerated() where token == TokenSequence.imagePlaceholder {
                        _ = all.extracting((index * length + place) * size..<(index * length + place + 1) * size)
                            .update(fromContentsOf: features[used..<used + size])
                        used += size
                    }
                }
            }
        }
        return [Port.embeddings: embeddings]
    }

    // MARK: Log-probabilities

    /// The most logits of one run (256 MiB); the file computes all of them.
    private static let logitsPerRun = 64 << 20

    func logProbabilities(_ rows: [DecoderRow], options: RunOptions?) throws(DamaError) -> [[Float]] {
        guard !rows.isEmpty else { throw .invalidArgument("the batch is empty; expected at least one sequence") }
        let (size, _) = configuration.vocabularySize.multipliedReportingOverflow(
            by: rows.map(\.sequence.count).max() ?? 0)
        let rowsPerRun = max(1, Self.logitsPerRun / max(1, size))
        var results: [[Float]] = []
        for start in stride(from: 0, to: rows.count, by: rowsPerRun) {
            results += try score(rows[start..<min(start + rowsPerRun, rows.count)], options)
        }
        return results
    }

    private func score(_ rows: ArraySlice<DecoderRow>, _ options: RunOptions?) throws(DamaError) -> [[Float]] {
        let batch = Batch(rows.map { ($0.sequence.tokens, $0.features) })
        let vocabulary = configuration.vocabularySize
        // The first response token is predicted at the prompt's last place.
        let earliest = rows.map { $0.sequence.prefixLength - 1 }.min() ?? 0
        let (logits, first, _) = try run(batch, keeping: batch.length - earliest, withCache: false, options: options)
        let rowLength = batch.length - first
        var results: [[Float]] = []
        for (index, row) in rows.enumerated() {
            guard row.sequence.responses.count == 1 else {
                throw .internal("a row has \(row.sequence.responses.count) responses; the decoder takes one")
            }
            let labels = row.sequence.targets.map(Int64.init)
            var values = [Float](repeating: 0, count: labels.count)
            var normalizers = values
            let place = index * rowLength + row.sequence.prefixLength - 1 - first
            try logits.withElements(of: Float.self) { all throws(DamaError) in
                guard let base = all.baseAddress, (place + labels.count) * vocabulary <= all.count else {
                    throw .internal("the logits end before the response does")
                }
                try TokenLogProbabilities.forward(
                    logits: base + place * vocabulary, rows: labels.count, vocabulary: vocabulary, labels: labels,
                    logProbabilities: &values, normalizers: &normalizers)
            }
            results.append(values)
        }
        return results
    }

    func makeCache(batch: Int, length: Int, output: StepOutput) throws(DamaError) -> any KeyValueCache {
        OnnxKeyValueCache(self)
    }
}
