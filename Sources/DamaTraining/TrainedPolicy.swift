import DamaGraph
import DamaModels
import DamaRuntime
import DamaSupport

/// A policy with trained weights. It computes log-probabilities of pairs forward and gradients backward.
///
/// It starts with the weights of a ``Policy``, which does not change and can serve as the reference. Not for use by two
/// threads at the same time.
public final class TrainedPolicy {
    /// The values of the forward run that are kept for the backward run.
    public enum Activations: String, CaseIterable, Sendable {
        /// Everything that the gradient needs.
        case keep
        /// The inputs of layers; the backward run recomputes the values inside.
        case recompute
    }

    public let base: Policy
    public let trainable: Trainable
    public let activations: Activations
    /// The parameters of the decoder in the order of its graph, then those of the vision part.
    public let parameters: [Parameter]
    /// The trained adapters, if ``trainable`` is ``Trainable/lora(_:)``.
    public let adapters: LowRankAdapters?

    /// The seed of the adapters' initial values and of their dropout.
    private let seed: UInt64
    /// Where the parameters lie; `nil` for the host, in fp32.
    let place: DevicePlace?
    /// The factor of all gradients, which keeps small ones in the range of fp16; see ``LossScale``.
    var lossScale: Double = 1
    let decoder: any TrainableDecoder
    /// The trained weights of the decoder.
    let selection: DecoderSelection
    let decoderModel: DifferentiableModel
    /// The vision part, if some of its weights are trained.
    let vision: (encoder: any TrainableImageEncoder, model: DifferentiableModel)?

    /// - Parameters:
    ///   - seed: the seed of the adapters' initial values and of their dropout.
    ///   - offloads: whether the host keeps the fp32 values and the moments of a policy on a device, and updates them.
    /// - Throws: ``DamaError/Code/invalidArgument`` if no weight is selected, naming the patterns;
    ///   ``DamaError/Code/unsupported`` for a policy that cannot be trained, such as one from ONNX files, and for a
    ///   runtime with wrong gradients.
    public convenience init(
        _ base: Policy, _ trainable: Trainable, activations: Activations = .keep, seed: UInt64 = 0,
        offloads: Bool = false
    ) throws(DamaError) {
        try self.init(
            base, trainable, activations: activations, seed: seed, offloads: offloads,
            piece: OffloadPipeline.usualPiece)
    }

    /// - Parameter piece: numbers of a piece of ``OffloadPipeline``.
    init(
        _ base: Policy, _ trainable: Trainable, activations: Activations, seed: UInt64, offloads: Bool, piece: Int
    ) throws(DamaError) {
        guard let decoder = base.decoder as? any TrainableDecoder else {
            throw .unsupported(
                "\(base.directory) can be run but not trained; training needs the model's safetensors")
        }
        let precision = decoder.weights.precision
        var place: DevicePlace?
        if decoder.device != .cpu || precision != .float32 {
            place = try DevicePlace(decoder.runtime, decoder.device, precision, offloads: offloads, piece: piece)
        }
        self.place = place
        let placement = place.map { ParameterPlacement.device($0) } ?? .host
        let selection = try DecoderSelection(decoder, trainable, seed: seed, placement: placement)
        let seen = try Self.visionSelection(base, trainable, placement)
        parameters = selection.parameters + (seen?.parameters ?? [])
        guard !parameters.isEmpty else { throw Self.nothingSelected(base, trainable, decoder) }
        if case .lora(let adapters) = trainable { self.adapters = adapters } else { adapters = nil }
        (self.base, self.trainable, self.decoder, self.selection) = (base, trainable, decoder, selection)
        self.activations = activations
        self.seed = seed

        try GradientCheck.require(decoder.runtime, decoder.device)
        decoderModel = try DifferentiableModel(
            selection.graph, outputs: [decoder.trainingOutput], parameters: selection.graphParameters,
            inputs: selection.table != nil || seen != nil ? [decoder.embeddingInput] : [],
            recompute: activations == .recompute ? decoder.layerScopes : [],
            place: GraphPlace(
                runtime: decoder.runtime, device: decoder.device, precision: precision,
                natural: decoder.residentInputs)
        ) { name, shape throws(DamaError) in
            try decoder.weights.value(decoder.fileName(name), shape: shape, on: decoder.device)
        }
        guard let seen else {
            vision = nil
            return
        }
        let model = try DifferentiableModel(
            seen.graph, outputs: [seen.encoder.trainingOutput], parameters: seen.parameters,
            place: GraphPlace(
                runtime: decoder.runtime, device: decoder.device, precision: precision,
                natural: decoder.device.residentFeatures(seen.encoder.trainingOutput))
        ) { name, shape throws(DamaError) in
            try seen.encoder.weights.value(name, shape: shape, on: decoder.device)
        }
        vision = (seen.encoder, model)
    }

    /// The trained weights of the vision part; `nil` without one, or if all of it is frozen.
    private static func visionSelection(
        _ base: Policy, _ trainable: Trainable, _ placement: ParameterPlacement
    ) throws(DamaError) -> VisionSelection? {
        guard let vision = base.vision else { return nil }
        // Only the decoder's projections have adapters.
        if case .lora = trainable { return nil }
        guard let encoder = vision as? any TrainableImageEncoder else {
            throw .unsupported(
                "the vision part of \(base.directory) can be run but not trained; train adapters of the language model")
        }
        return try VisionSelection(encoder, trainable, placement)
    }

    private static func nothingSelected(
        _ base: Policy, _ trainable: Trainable, _ decoder: any TrainableDecoder
    ) -> DamaError {
        switch trainable {
        case .projector:
            .invalidArgument("\(base.directory) has no projector to train: it is a text-only model")
        case .patterns(let patterns):
            .invalidArgument(
                "no weight matches \(patterns.joined(separator: ", ")); examples of names are "
                    + "\(decoder.weights.store.names.prefix(3).joined(separator: ", ")), …")
        default: .invalidArgument("no weight is selected for training")
        }
    }

    /// The dropout of a step; `nil` if there is none.
    func dropout(step: UInt64, rank: Int) -> Dropout? {
        guard let adapters, adapters.dropout > 0 else { return nil }
        return Dropout(adapters, seed: seed, step: step, rank: rank)
    }

    /// Sets all gradients to 0.
    ///
    /// - Throws: if the device that holds them is lost.
    public func clearGradients() throws(DamaError) {
        for parameter in parameters { try parameter.clearGradient() }
    }
}
