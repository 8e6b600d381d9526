import DamaGraph
import DamaModels
import DamaRuntime
import DamaSupport

/// The graphs of a training as ``TrainedPolicy`` makes them, without memory.
struct PlannedTraining {
    let precision: Precision
    /// Whether ``DeviceNumbers`` hold the parameters.
    let isPlaced: Bool
    /// The trained weights of the decoder and of the vision part.
    let groups: [[TrainedWeight]]
    var trained: [TrainedWeight] { groups.flatMap(\.self) }
    /// The numbers of elements of the weights that sessions read beside the trained ones, by their names in the files.
    private(set) var frozen: [String: Int] = [:]
    /// The most bytes of a run of the frozen vision part.
    private(set) var featurePeak = 0
    /// The bytes of all image features, which stay on the device until the step ends.
    private(set) var featureBytes = 0
    let networks: ModelNetworks
    private let step: PlannedStep
    private let kernels: GraphKernels
    private let decoder: Differentiation
    private let output: String
    private let residentInputs: Set<String>
    /// The halves of the vision part, if some of its weights are trained.
    private let vision: Differentiation?

    init(
        _ networks: ModelNetworks, _ trainable: Trainable, _ step: PlannedStep, _ name: String
    ) throws(DamaError) {
        precision = try Precision.resolve(step.precision, on: step.device)
        let onHost = step.device == .cpu
        isPlaced = !onHost || precision != .float32
        let kernels = GraphKernels(fused: !onHost && step.hasKernels, flash: precision != .float32)
        self.kernels = kernels
        (self.networks, self.step) = (networks, step)
        residentInputs = onHost ? [] : networks.residentInputs
        output = networks.trainingOutput(scoresOnHost: onHost)
        let choice = try DecoderChoice(
            networks.trainingGraph(scoresOnHost: onHost, kernels: kernels), trainable,
            modules: networks.adapterModules,
            embeddings: (networks.embeddingWeight, [networks.decoder.vocabularySize, networks.decoder.hiddenSize]),
            fileName: networks.fileName)
        let seen = try networks.vision.map { vision throws(DamaError) in
            trainable.weights(of: try vision.graph(true, kernels), isProjector: vision.isProjector)
        }
        let groups = [choice.all, seen ?? []]
        self.groups = groups
        guard groups.contains(where: { !$0.isEmpty }) else {
            throw .invalidArgument("no weight of \(name) is selected for training by trainable: \(trainable.name)")
        }
        let hasTable = choice.table != nil || choice.weights.contains { $0.graphName == networks.embeddingWeight }
        let hasVision = seen?.isEmpty == false
        decoder = try DifferentiableModel.halves(
            choice.graph, outputs: [output],
            trained: choice.weights.map(\.graphName) + (hasTable || hasVision ? [networks.embeddingInput] : []),
            recompute: step.activations == .recompute ? networks.layerScopes : [], precision,
            natural: residentInputs)
        if let network = networks.vision, let seen, hasVision {
            vision = try DifferentiableModel.halves(
                network.graph(true, kernels), outputs: [network.output], trained: seen.map(\.graphName), recompute: [],
                precision, natural: step.device.residentFeatures(network.output))
        } else {
            vision = nil
        }
        try addFrozen(choice, Set(trained.map(\.name)), hasTable: hasTable)
        try addFeatures()
    }

    /// Tokens of a pair, without padding.
    var sequenceLength: Int {
        let image = networks.vision.map { step.imageTokens ?? $0.tokens } ?? 0
        return step.images * image + step.promptTokens + 2 * step.responseTokens
    }

    // MARK: Weights

    private mutating func addFrozen(
        _ choice: DecoderChoice, _ trained: Set<String>, hasTable: Bool
    ) throws(DamaError) {
        let onHost = step.device == .cpu
        let adapters = Set(choice.adapters.flatMap { [$0.nameA, $0.nameB] })
        for weight in choice.graph.weights where !adapters.contains(choice.graph.name(of: weight)) {
            let name = networks.fileName(choice.graph.name(of: weight))
            guard step.computesReference || !trained.contains(name) else { continue }
            frozen[name] = try MemoryPlan.count(weight.shape.compactMap(\.fixed))
        }
        // On the CPU the host looks embeddings up in the files.
        if !onHost, step.computesReference || !hasTable {
            frozen[networks.fileName(networks.embeddingWeight)] = try MemoryPlan.count([
                networks.decoder.vocabularySize, networks.decoder.hiddenSize,
            ])
        }
        guard let graph = try networks.vision.map({ vision throws(DamaError) in try vision.graph(false, kernels) })
        else {
            return
        }
        // The session of the vision part exists from the opening on.
        for weight in graph.weights {
            frozen[graph.name(of: weight)] = try MemoryPlan.count(weight.shape.compactMap(\.fixed))
        }
    }

    private mutating func addFeatures() throws(DamaError) {
        guard vision == nil, let network = networks.vision, step.images > 0 else { return }
        // The images of a run's pairs go through the tower in batches.
        let (all, overflow) = step.pairs.multipliedReportingOverflow(by: step.images)
        let axes = network.axes(overflow ? step.device.imageBatch : min(step.device.imageBatch, all))
        let width = networks.decoder.hiddenSize
        if step.device != .cpu {
            featureBytes = try MemoryPlan.count([
                step.pairs, step.images, network.tokens, width, precision.elementType.size,
            ])
        }
        featurePeak = try network.graph(false, kernels).withoutUnreadNodes().fusingNorms().lowered(
            to: precision, natural: step.device.residentFeatures(network.output)
        ).peakByteCount(AxisLengths(axes))
    }

    // MARK: Runs

    /// A forward and a backward run over `pairs` pairs.
    ///
    /// - Parameters:
    ///   - length: the padded length of the sequences.
    ///   - accumulates: whether the backward run adds to existing gradients.
    func run(pairs: Int, length: Int, accumulates: Bool) throws(DamaError) -> PlannedRun {
        let rows = 2 * step.responseTokens * pairs
        // Both responses of a pair start at the last row of the prefix.
        let lengths = AxisLengths([
            TrainingAxis.pairs: pairs, "sequence": length, "positions": length, "tokens": pairs * length,
            TrainingAxis.rows: rows, "uses": 2,
        ])
        var run = PlannedRun()
        try add(decoder, outputs: [output], resident: residentInputs, lengths, accumulates, to: &run)
        guard let vision, let network = networks.vision else { return run }
        let axes = AxisLengths(network.axes(pairs * step.images))
        var seen = PlannedRun()
        let resident = step.device.residentFeatures(network.output)
        try add(vision, outputs: [network.output], resident: resident, axes, accumulates, to: &seen)
        // One run follows the other.
        run.forwardPeak = max(seen.forwardPeak, seen.kept + run.forwardPeak)
        run.backwardPeak = max(seen.backwardPeak, run.backwardPeak)
        run.kept += seen.kept
        run.hostInputs += seen.hostInputs
        return run
    }

    private func add(
        _ halves: Differentiation, outputs: [String], resident: Set<String>, _ lengths: AxisLengths,
        _ accumulates: Bool, to run: inout PlannedRun
    ) throws(DamaError) {
        let (forward, names) = (halves.forward, Set(trained.map(\.graphName)))
        var copied = 0
        /// Seeds that are made where the model runs.
        var seeds = 0
        for input in forward.inputs {
            let bytes = try lengths.byteCount(input.type, input.shape)
            if resident.contains(forward.name(of: input)) {
                run.kept += bytes
            } else {
                run.hostInputs += bytes
                copied += step.device == .cpu ? 0 : bytes
            }
        }
        // Rows of the inverse table are read by the backward half alone.
        for input in halves.backward.inputs {
            let name = halves.backward.name(of: input)
            if halves.seeds.contains(name), !resident.isDisjoint(with: outputs) {
                seeds += try lengths.byteCount(input.type, input.shape)
            }
            guard forward.value(named: name) == nil, !halves.seeds.contains(name) else { continue }
            let bytes = try lengths.byteCount(input.type, input.shape)
            run.hostInputs += bytes
            copied += step.device == .cpu ? 0 : bytes
        }
        let logits: Shape = [.symbol(TrainingAxis.rows), .fixed(networks.decoder.vocabularySize)]
        for value in forward.outputs {
            let name = forward.name(of: value)
            guard halves.activations.contains(name) || outputs.contains(name) else { continue }
            let bytes = try lengths.byteCount(value.type, value.shape)
            if value.shape == logits {
                run.logits += bytes
            } else if outputs.contains(name), step.device != .cpu, !resident.contains(name) {
                run.hostInputs += bytes
            } else {
                run.kept += bytes
            }
        }
        run.forwardPeak = try forward.peakByteCount(lengths) + copied
        let backward = accumulates ? try halves.accumulating(names) : halves.backward
        let bound = halves.gradients.filter { names.contains($0.name) }.compactMap(\.dense)
        run.backwardPeak = try backward.peakByteCount(lengths, bound: Set(bound)) + copied + seeds
    }
}

/// The bytes of a forward and a backward run.
struct PlannedRun {
    /// What the backward run takes besides the logits: values and inputs where the model runs.
    var kept = 0
    var logits = 0
    /// Inputs, and outputs, in host memory.
    var hostInputs = 0
    /// The most that the forward run holds at once, what it keeps included.
    var forwardPeak = 0
    /// The same of the backward run, without what it takes.
    var backwardPeak = 0
}
