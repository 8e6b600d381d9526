import DamaRuntime
import DamaSupport

/// How many bytes a training step takes on its device and on the host, computed from the model's configuration and the
/// step's sizes without allocating any of them.
///
/// ```swift
/// var step = PlannedStep(.cuda(0))
/// step.activations = .recompute
/// let plan = try MemoryPlan(model: "llava-1.5-7b-hf", .lora(LowRankAdapters(rank: 16, alpha: 32)), step)
/// print(plan.text)
/// ```
///
/// Weights, moments and gradients are exact. Activations are the values that the backward graphs read and the inputs of
/// these runs, exact as well. ``Part/workspace`` follows the values of a run through the graph; what the runtime's
/// allocator rounds up, and kernels' own workspaces, are not in it. docs/cuda.md compares a plan with a measurement.
public struct MemoryPlan: Sendable {
    /// What memory is for.
    public enum Part: String, CaseIterable, Sendable {
        /// Weights of the model's files that sessions read and that are not trained, in the precision.
        case weights
        /// Trained weights in the precision, as sessions read them.
        case trained = "trained weights"
        /// fp32 values of weights that are trained in another precision.
        case masters = "fp32 values"
        /// AdamW's two moments, fp32.
        case moments
        /// fp32.
        case gradients
        /// What the forward runs of all pairs of a step keep for the backward runs: β needs the gaps of all of them.
        case activations
        /// The part of it that the head keeps: logits, [response tokens, vocabulary].
        case logits
        /// The most that a run holds beside all of these: values between operators, and inputs copied to the device.
        case workspace
        /// An allowance for CUDA's context and its libraries.
        case runtime
    }

    /// Bytes.
    public struct Size: Equatable, Sendable {
        public var device = 0
        public var host = 0
    }

    public let step: PlannedStep
    public let precision: Precision
    public internal(set) var parts: [Part: Size] = [:]
    /// Tokens of a pair, padding included, and the number of pairs of each run.
    public internal(set) var tokens = 0
    public internal(set) var runs: [Int] = []
    public internal(set) var trainedCount = 0
    /// The bytes of each tensor that lives as long as the training, on the device and on the host.
    var tensors: (device: [Int], host: [Int]) = ([], [])

    init(_ step: PlannedStep, _ precision: Precision) { (self.step, self.precision) = (step, precision) }

    public subscript(part: Part) -> Size { parts[part] ?? Size() }

    /// The sum of all parts.
    public var total: Size {
        parts.values.reduce(into: Size()) { sum, size in
            sum.device += size.device
            sum.host += size.host
        }
    }

    mutating func add(_ part: Part, _ bytes: Int, onHost: Bool) throws(DamaError) {
        var size = self[part]
        let (sum, overflow) = (onHost ? size.host : size.device).addingReportingOverflow(bytes)
        guard !overflow else { throw .outOfMemory("no memory can hold the \(part.rawValue) of this training") }
        if onHost { size.host = sum } else { size.device = sum }
        parts[part] = size
    }
}

/// A training step as a plan needs to know it.
public struct PlannedStep: Equatable, Sendable {
    public var device: Device
    /// `nil` for the device's usual one.
    public var precision: Precision?
    public var activations = TrainedPolicy.Activations.keep
    public var offloads = false
    /// Pairs of a step.
    public var pairs = 16
    public var tokensPerRun = 4096
    /// Tokens of a pair before its responses, without those of images.
    public var promptTokens = 64
    /// Tokens of each response.
    public var responseTokens = 128
    /// Images of a pair; a text-only model has none.
    public var images = 1
    /// Tokens of an image; `nil` for the most that the model gives one.
    public var imageTokens: Int?
    /// Whether the reference's log-probabilities are computed with the model, whose weights then stay beside the
    /// trained ones.
    public var computesReference = false
    /// Whether NVRTC compiles the kernels for the device. Otherwise graphs are plain, and the optimizer is on the host.
    public var hasKernels = true

    public init(_ device: Device = .cuda(0)) { self.device = device }

    func check() throws(DamaError) {
        let most = 1 << 31
        for (name, value, most) in [
            ("pairs", pairs, 65536), ("tokens per run", tokensPerRun, 1 << 40), ("prompt tokens", promptTokens, most),
            ("response tokens", responseTokens, most),
        ] where !(1...most).contains(value) {
            throw .invalidArgument("the number of \(name) is \(value); a plan takes 1 to \(most)")
        }
        guard (0...1024).contains(images), (0...most).contains(imageTokens ?? 0) else {
            throw .invalidArgument(
                "\(images) images of \(imageTokens ?? 0) tokens; a plan takes 0 to 1024 images of 0 to \(most) tokens")
        }
    }
}
