import DamaGraph
import DamaImage
import DamaModels
import DamaRuntime
import DamaSupport

/// A policy whose weights are trained: log-probabilities of pairs forward, gradients backward.
///
/// It starts from the weights of a ``Policy``, which stays as it is and can serve as the reference. Not for use by two
/// threads at the same time.
public final class TrainedPolicy {
    /// How much of the forward run is kept for the backward run.
    public enum Activations: String, CaseIterable, Sendable {
        /// Everything that the gradient takes.
        case keep
        /// The borders of layers; what lies inside is computed again.
        case recompute
    }

    public let base: Policy
    public let trainable: Trainable
    public let parameters: [Parameter]
    /// The adapters that are trained, where ``trainable`` says so.
    public let adapters: LowRankAdapters?

    /// The base's decoder, whose weights are safetensors.
    let llama: LlamaDecoder
    private let decoder: DifferentiableModel
    private let vision: DifferentiableModel?
    /// The trained embedding table, where it is trained.
    private let table: Parameter?
    /// Whether the table is the LM head too, so that the decoder gives a part of its gradient.
    private let isTableInDecoder: Bool
    private typealias Port = LlamaGraph.Port

    /// - Parameter seed: of the adapters' first values.
    /// - Throws: ``DamaError/Code/invalidArgument`` where nothing is selected, naming the patterns;
    ///   ``DamaError/Code/unsupported`` for a policy from ONNX files, and for a runtime whose gradients are wrong.
    public init(
        _ base: Policy, _ trainable: Trainable, activations: Activations = .keep, seed: UInt64 = 0
    ) throws(DamaError) {
        self.base = base
        self.trainable = trainable
        if case .lora(let adapters) = trainable { self.adapters = adapters } else { adapters = nil }
        guard let llama = base.decoder as? LlamaDecoder else {
            throw .unsupported(
                "\(base.directory) holds ONNX files, which can be run but not trained; training needs the model's "
                    + "safetensors")
        }
        self.llama = llama
        let store = llama.weights.store
        let runtime = llama.runtime
        var graph = try LlamaGraph(llama.configuration).scoring(
            llama.scoresOnHost ? .logits : .logProbabilities, trainable: true)
        if let adapters { graph = try graph.adding(adapters.adapters(in: graph)) }

        // MARK: What is trained in the decoder
        var generator = RandomGenerator(seed: seed, stream: 0x10A)
        var decoderParameters: [Parameter] = []
        for weight in graph.weights {
            let graphName = graph.name(of: weight)
            let shape = weight.shape.compactMap(\.fixed)
            if graphName.hasSuffix(".lora_A.weight") || graphName.hasSuffix(".lora_B.weight") {
                let parameter = try Parameter(name: graphName, graphName: graphName, shape: shape)
                if graphName.hasSuffix(".lora_A.weight") {
                    // PEFT's start: uniform within 1/√in, and B at zero, so that the first step begins at the base model.
                    let bound = 1 / Double(shape[1]).squareRoot()
                    for index in 0..<parameter.count {
                        parameter.value.elements[index] = Float((2 * generator.uniform() - 1) * bound)
                    }
                }
                decoderParameters.append(parameter)
                continue
            }
            let name = llama.names.fileName(graphName)
            guard trainable.selects(name, isVision: false, isProjector: false) else { continue }
            let parameter = try Parameter(name: name, graphName: graphName, shape: shape)
            try store.tensor(name, expectedShape: shape).copyFloats(into: parameter.value.elements)
            decoderParameters.append(parameter)
        }
        // The table is looked up on the host. Where it is not the LM head as well, the graph does not know it.
        let tableGraphName = "model.embed_tokens.weight"
        let tableName = llama.names.fileName(tableGraphName)
        var table = decoderParameters.first { $0.graphName == tableGraphName }
        if table == nil, trainable.selects(tableName, isVision: false, isProjector: false) {
            let c = llama.configuration
            let parameter = try Parameter(
                name: tableName, graphName: tableGraphName, shape: [c.vocabularySize, c.hiddenSize])
            try store.tensor(tableName, expectedShape: parameter.shape).copyFloats(into: parameter.value.elements)
            table = parameter
        }
        self.table = table

        // MARK: What is trained before it
        var visionParameters: [Parameter] = []
        var visionGraph: Graph?
        if let llava = base.vision {
            let prefixes = try LlavaVision.prefixes(store)
            let graph = try LlavaVision.graph(llava.configuration, prefixes) { g in
                { name, shape throws(DamaError) in try g.weight(name, .float32, shape) }
            }
            for weight in graph.weights {
                let name = graph.name(of: weight)
                let isProjector = name.hasPrefix(prefixes.projector)
                guard trainable.selects(name, isVision: true, isProjector: isProjector) else { continue }
                let parameter = try Parameter(name: name, graphName: name, shape: weight.shape.compactMap(\.fixed))
                try store.tensor(name, expectedShape: parameter.shape).copyFloats(into: parameter.value.elements)
                visionParameters.append(parameter)
            }
            if !visionParameters.isEmpty { visionGraph = graph }
        }
        isTableInDecoder = decoderParameters.contains { $0 === table }
        let ownTable = isTableInDecoder ? [] : [table].compactMap(\.self)
        parameters = decoderParameters + ownTable + visionParameters
        guard !parameters.isEmpty else {
            switch trainable {
            case .projector:
                throw .invalidArgument("\(base.directory) has no projector to train: it is a model of text alone")
            case .patterns(let patterns):
                throw .invalidArgument(
                    "no weight matches \(patterns.joined(separator: ", ")); weights are called "
                        + "\(store.names.prefix(3).joined(separator: ", ")), …")
            default: throw .invalidArgument("nothing is trained")
            }
        }

        // MARK: Graphs
        try GradientCheck.require(runtime, llama.device)
        let layers = (0..<llama.configuration.layers).map { "layers.\($0)" }
        decoder = try DifferentiableModel(
            graph, outputs: [llama.scoresOnHost ? Port.logits : Port.logProbabilities], parameters: decoderParameters,
            inputs: table != nil || visionGraph != nil ? [Port.embeddings] : [],
            recompute: activations == .recompute ? layers : [], runtime: runtime, device: llama.device
        ) { [graph] weight throws(DamaError) in
            try llama.weights.value(
                llama.names.fileName(graph.name(of: weight)), shape: weight.shape.compactMap(\.fixed))
        }
        if let visionGraph {
            vision = try DifferentiableModel(
                visionGraph, outputs: [LlavaVision.Port.features], parameters: visionParameters, runtime: runtime,
                device: llama.device
            ) { weight throws(DamaError) in
                try llama.weights.value(visionGraph.name(of: weight), shape: weight.shape.compactMap(\.fixed))
            }
        } else {
            vision = nil
        }
    }

    // MARK: Forward

    /// A forward run over some pairs, and what flows back through it.
    public struct Pass {
        /// log π of the responses' tokens of each pair.
        public var logProbabilities: [PairLogProbabilities]
        fileprivate var pairs: [PreparedPair]
        fileprivate var decoder: DifferentiableModel.Pass
        fileprivate var vision: DifferentiableModel.Pass?
        fileprivate var length: Int
        /// The logits that the log-probabilities were taken from, where that was on the host.
        fileprivate var logits: TokenLogits?
    }

    /// log π of every response, with everything kept that ``backward(_:chosen:rejected:run:)`` needs.
    public func forward(_ pairs: [PreparedPair], run: RunOptions? = nil) throws(DamaError) -> Pass {
        guard !pairs.isEmpty else { throw .invalidArgument("the batch is empty; expected at least one pair") }
        let runtime = llama.runtime
        var features = [[Float]](repeating: [], count: pairs.count)
        var visionPass: DifferentiableModel.Pass?
        let images = pairs.compactMap(\.image)
        if let vision {
            let pixels = try TensorValue.pixels(runtime, images[...])
            let pass = try vision.forward([LlavaVision.Port.pixels: pixels], run: run)
            guard let output = pass.outputs[LlavaVision.Port.features] else { throw .internal("no image features") }
            let size = output.count / max(1, images.count)
            let all: [Float] = try output.array()
            for index in pairs.indices { features[index] = Array(all[index * size..<(index + 1) * size]) }
            visionPass = pass
        } else if let frozen = base.vision {
            features = try frozen.features(images, options: run)
        }
        let rows = zip(pairs, features).map { LlamaDecoder.Row($0.sequence, features: $1) }
        var inputs = try llama.scoringInputs(rows, table: table?.value)
        let targets = rows.flatMap { $0.sequence.targets.map(Int64.init) }
        guard let length = inputs[Port.embeddings]?.shape[1] else { throw .internal("the decoder has no input") }
        if !llama.scoresOnHost { inputs[Port.targets] = try TensorValue(runtime, targets, shape: [targets.count]) }
        inputs.merge(try rowInputs(pairs, length)) { $1 }
        let pass = try decoder.forward(inputs, run: run)
        guard let output = pass.outputs.values.first else { throw .internal("no log-probabilities") }
        let logits = llama.scoresOnHost ? try TokenLogits(output, targets: targets) : nil
        let flat: [Float]
        if let logits { flat = logits.logProbabilities } else { flat = try output.array() }
        var start = 0
        let found = pairs.map { pair in
            defer { start += pair.sequence.targets.count }
            return pair.split(Array(flat[start..<start + pair.sequence.targets.count]))
        }
        return Pass(
            logProbabilities: found, pairs: pairs, decoder: pass, vision: visionPass, length: length, logits: logits)
    }

    /// Which places of the batch predict response tokens, and the way back.
    private func rowInputs(_ pairs: [PreparedPair], _ length: Int) throws(DamaError) -> [String: TensorValue] {
        var predicting: [Int64] = []
        for (index, pair) in pairs.enumerated() {
            predicting += pair.sequence.predictingRows.map { Int64(index * length) + Int64($0) }
        }
        let (table, uses) = try RowGradients.inverse(of: predicting, count: pairs.count * length)
        return [
            Port.rows: try TensorValue(llama.runtime, predicting, shape: [predicting.count]),
            Port.inverseRows: try TensorValue(llama.runtime, table, shape: [pairs.count * length, uses]),
        ]
    }

    // MARK: Backward

    /// Adds to the parameters' gradients those of Σ chosen · log π(y_w) + rejected · log π(y_l).
    ///
    /// - Parameters:
    ///   - chosen: ∂L/∂log π(y_w) of each pair of the pass, its tokens' sum.
    ///   - rejected: ∂L/∂log π(y_l).
    ///   - replacing: sets the gradients to them instead, whatever they hold, in less time than
    ///     ``clearGradients()`` and adding take.
    public func backward(
        _ pass: Pass, chosen: [Double], rejected: [Double], replacing: Bool = false, run: RunOptions? = nil
    ) throws(DamaError) {
        try backward(
            pass, chosen: chosen, rejected: rejected, replacing: replacing, consuming: false, run: run)
    }

    /// - Parameter consuming: the pass is not used again, and its memory may be written to.
    func backward(
        _ pass: Pass, chosen: [Double], rejected: [Double], replacing: Bool, consuming: Bool, run: RunOptions?
    ) throws(DamaError) {
        guard chosen.count == pass.pairs.count, rejected.count == pass.pairs.count else {
            throw .shapeMismatch(
                "\(chosen.count) and \(rejected.count) gradients for \(pass.pairs.count) pairs")
        }
        // A masked pair has no gradient: what flows back leaves it out.
        let weighted = pass.pairs.indices.filter { chosen[$0] != 0 || rejected[$0] != 0 }
        guard let first = weighted.first else {
            if replacing { clearGradients() }
            return
        }
        var ranges = [first..<first + 1]
        for index in weighted.dropFirst() {
            let before = ranges[ranges.count - 1]
            if (index - before.upperBound) * pass.length <= LengthBatches.overhead {
                ranges[ranges.count - 1] = before.lowerBound..<index + 1
            } else {
                ranges.append(index..<index + 1)
            }
        }
        var parts: [(pass: Pass, range: Range<Int>)] = []
        for range in ranges {
            guard let part = try part(pass, range) else {
                parts = [(pass, pass.pairs.indices)]
                break
            }
            parts.append((part, range))
        }
        // Replacing is for the only one: the first of several would take memory that the others, which add, have no use for.
        if replacing, parts.count > 1 { clearGradients() }
        for (part, range) in parts {
            try backward(
                whole: part, chosen: Array(chosen[range]), rejected: Array(rejected[range]),
                replacing: replacing && parts.count == 1, consuming: consuming, run: run)
        }
    }

    /// The pass of some of its pairs; `nil` where it does not divide.
    private func part(_ pass: Pass, _ range: Range<Int>) throws(DamaError) -> Pass? {
        if range == pass.pairs.indices { return pass }
        let pairs = Array(pass.pairs[range])
        let start = pass.pairs[..<range.lowerBound].reduce(0) { $0 + $1.sequence.targets.count }
        let rows = start..<pairs.reduce(start) { $0 + $1.sequence.targets.count }
        guard
            let decoded = try decoder.part(
                pass.decoder, ["batch": range, "rows": rows],
                inputs: rowInputs(pairs, pass.length))
        else { return nil }
        var part = Pass(
            logProbabilities: Array(pass.logProbabilities[range]), pairs: pairs, decoder: decoded, vision: nil,
            length: pass.length, logits: try pass.logits?.part(rows))
        if let vision, let seen = pass.vision {
            guard let divided = try vision.part(seen, ["batch": range], inputs: [:]) else { return nil }
            part.vision = divided
        }
        return part
    }

    private func backward(
        whole pass: Pass, chosen: [Double], rejected: [Double], replacing: Bool, consuming: Bool, run: RunOptions?
    ) throws(DamaError) {
        let runtime = llama.runtime
        var seeds: [Float] = []
        for (index, pair) in pass.pairs.enumerated() {
            for (response, weight) in zip(pair.sequence.responses, [chosen[index], rejected[index]]) {
                seeds += [Float](repeating: Float(weight), count: response.range.count)
            }
        }
        let seed: TensorValue
        if let logits = pass.logits {
            seed = try logits.gradient(seeds, inPlace: consuming)
        } else {
            seed = try TensorValue(runtime, seeds, shape: [seeds.count])
        }
        let gradients = try decoder.backward(pass.decoder, seeds: [seed], replacing: replacing, run: run)
        if replacing, !isTableInDecoder { table?.gradient.clear() }
        guard let embeddings = gradients[Port.embeddings] else { return }
        let width = llama.configuration.hiddenSize
        var imageSeeds: [Float] = []
        try embeddings.withElements(of: Float.self) { all throws(DamaError) in
            var tokens: [Int64] = []
            var rows: [Float] = []
            for (index, pair) in pass.pairs.enumerated() {
                for (position, token) in pair.sequence.tokens.enumerated() {
                    let start = (index * pass.length + position) * width
                    let row = all[start..<start + width]
                    if token == TokenSequence.imagePlaceholder {
                        if pass.vision != nil { imageSeeds += row }
                    } else if table != nil {
                        tokens.append(Int64(token))
                        rows += row
                    }
                }
            }
            guard let table else { return }
            try rows.withUnsafeBufferPointer { rows throws(DamaError) in
                try tokens.withUnsafeBufferPointer { tokens throws(DamaError) in
                    try RowGradients.add(rows, at: tokens, to: table.gradient.elements, width: width)
                }
            }
        }
        if let vision, let visionPass = pass.vision {
            let shape = [pass.pairs.count, imageSeeds.count / (pass.pairs.count * width), width]
            _ = try vision.backward(
                visionPass, seeds: [TensorValue(runtime, imageSeeds, shape: shape)], replacing: replacing, run: run)
        }
    }

    /// Sets all gradients to 0.
    public func clearGradients() {
        for parameter in parameters { parameter.gradient.clear() }
    }
}
