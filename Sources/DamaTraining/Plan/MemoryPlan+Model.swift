import DamaGraph
import DamaModels
import DamaRuntime
import DamaSupport

extension MemoryPlan {
    /// Plans a step with the model of a directory. Its config.json is enough: weights need not be there.
    ///
    /// - Parameter visionTower: the directory of a vision tower that the model's directory does not hold.
    /// - Throws: ``DamaError/Code/unsupported`` for another architecture; ``DamaError/Code/invalidArgument`` if nothing
    ///   is selected for training.
    public init(
        model directory: String, _ trainable: Trainable, _ step: PlannedStep, visionTower: String? = nil
    ) throws(DamaError) {
        try self.init(
            ModelNetworks.read(directory: directory, visionTower: visionTower), trainable, step, name: directory)
    }

    /// - Parameter name: the model's name in messages.
    init(
        _ networks: ModelNetworks, _ trainable: Trainable, _ step: PlannedStep, name: String
    ) throws(DamaError) {
        try step.check()
        self.init(step, try Precision.resolve(step.precision, on: step.device))
        let planned = try PlannedTraining(networks, trainable, step, name)
        try addWeights(planned)
        try addRuns(planned)
        if step.device != .cpu { try add(.runtime, Self.runtimeAllowance, onHost: false) }
    }

    /// CUDA's context, the code of the libraries and cuBLAS's workspace. They depend on versions; this is not computed.
    static let runtimeAllowance = 600 << 20

    // MARK: Weights

    private mutating func addWeights(_ planned: PlannedTraining) throws(DamaError) {
        let (onHost, offloads) = (step.device == .cpu, step.offloads || !step.hasKernels)
        let size = planned.precision.elementType.size
        for (_, count) in planned.frozen.sorted(by: { $0.key < $1.key }) {
            try addTensor(.weights, count, size, onHost: onHost)
        }
        var largest = 0
        let isApart = planned.precision != .float32 || (planned.isPlaced && offloads)
        // What each trained weight has, in bytes of a number.
        var kinds: [(part: Part, size: Int, onHost: Bool)] = [(.trained, size, onHost), (.gradients, 4, onHost)]
        if isApart { kinds.append((.masters, 4, onHost || offloads)) }
        for _ in 0..<2 { kinds.append((.moments, 4, onHost || offloads)) }
        let hasSlabs = planned.isPlaced && !offloads
        for weight in planned.trained {
            let count = try Self.count(weight.shape)
            largest = max(largest, count)
            trainedCount += count
            for kind in kinds {
                try addTensor(
                    kind.part, count, kind.size, onHost: kind.onHost,
                    isShared: hasSlabs && DeviceSlabs.holds(weight.shape))
            }
        }
        for group in hasSlabs ? planned.groups : [] {
            for slab in DeviceSlabs.layout(group.map(\.shape)) {
                for kind in kinds { addTensor(slab.count * kind.size, onHost: kind.onHost) }
            }
        }
        // A weight passes through the host as fp32 when it is read; with the optimizer on the host pieces of gradients
        // and of new values do so in each update.
        if planned.isPlaced {
            let type = planned.precision.elementType
            try add(
                .workspace, offloads ? OffloadPipeline.byteCount(largest: largest, type) : largest * 4, onHost: true)
        }
    }

    /// - Parameter isShared: whether it lies in the memory of another tensor.
    private mutating func addTensor(
        _ part: Part, _ count: Int, _ size: Int, onHost: Bool, isShared: Bool = false
    ) throws(DamaError) {
        let (bytes, overflow) = count.multipliedReportingOverflow(by: size)
        guard !overflow else { throw .outOfMemory("no memory can hold a tensor of \(count) numbers") }
        try add(part, bytes, onHost: onHost)
        if !isShared { addTensor(bytes, onHost: onHost) }
    }

    private mutating func addTensor(_ bytes: Int, onHost: Bool) {
        if onHost { tensors.host.append(bytes) } else { tensors.device.append(bytes) }
    }

    static func count(_ shape: [Int]) throws(DamaError) -> Int {
        var count = 1
        for length in shape {
            let (product, overflow) = count.multipliedReportingOverflow(by: length)
            guard !overflow else { throw .outOfMemory("no memory can hold a tensor of the shape \(shape)") }
            count = product
        }
        return count
    }

    // MARK: Runs

    /// The pairs of each run, as ``LengthBatches`` divides sequences of one length.
    static func runs(of pairs: Int, length: Int, budget: Int) -> [Int] {
        let most = max(1, budget / max(1, length))
        let whole = [Int](repeating: most, count: pairs / most)
        return pairs % most == 0 ? whole : whole + [pairs % most]
    }

    private mutating func addRuns(_ planned: PlannedTraining) throws(DamaError) {
        let onHost = step.device == .cpu
        let length = planned.sequenceLength
        tokens = ModelNetworks.paddedLength(length, onHost: onHost)
        runs = Self.runs(of: step.pairs, length: length, budget: step.tokensPerRun)
        var known: [Int: PlannedRun] = [:]
        let isRepeated = runs.count > 1
        for pairs in runs where known[pairs] == nil {
            known[pairs] = try planned.run(pairs: pairs, length: tokens, accumulates: isRepeated)
        }
        // All forward runs come first; the backward runs follow in the same order, and each releases its pass.
        let features = planned.featureBytes
        var (kept, peak) = (features, features)
        for run in runs.compactMap({ known[$0] }) {
            peak = max(peak, kept + run.forwardPeak, kept + planned.featurePeak)
            kept += run.kept + run.logits
            try add(.activations, run.kept, onHost: onHost)
            try add(.logits, run.logits, onHost: onHost)
            try add(.activations, run.hostInputs, onHost: true)
        }
        for run in runs.compactMap({ known[$0] }) { peak = max(peak, kept + run.backwardPeak) }
        try add(.workspace, peak - (kept - features), onHost: onHost)
        guard !onHost else { return }
        // The rotary tables, cosines and sines, of the longest sequence so far.
        for _ in 0..<2 { try addTensor(.workspace, tokens * planned.networks.decoder.headSize / 2, 4, onHost: false) }
    }
}
