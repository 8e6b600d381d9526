import DamaSupport

extension AdaptiveBeta {
    /// The log-probabilities of a global batch of N pairs, in the caller's memory.
    ///
    /// Each pointer refers to ``count`` numbers. log π(y | I, x) is summed over the response's tokens, or averaged if
    /// the caller prefers.
    public struct Batch {
        /// N ≥ 1.
        public var count: Int
        public var policyChosen: UnsafePointer<Double>
        public var policyRejected: UnsafePointer<Double>
        /// Both references, or neither if the loss is reference-free.
        public var referenceChosen: UnsafePointer<Double>?
        public var referenceRejected: UnsafePointer<Double>?
        /// α_D of each pair, finite and > 0; nil for 1.
        public var alphaData: UnsafePointer<Double>?
        /// Token counts ≥ 1, both or neither: log-probabilities are divided by them (SimPO, averaged IPO). The
        /// gradients are with respect to the sums that were passed.
        public var chosenLengths: UnsafePointer<Int64>?
        public var rejectedLengths: UnsafePointer<Int64>?
        /// The pairs of this rank.
        public var slice: Range<Int>

        public init(
            count: Int, policyChosen: UnsafePointer<Double>, policyRejected: UnsafePointer<Double>,
            referenceChosen: UnsafePointer<Double>? = nil, referenceRejected: UnsafePointer<Double>? = nil,
            alphaData: UnsafePointer<Double>? = nil, chosenLengths: UnsafePointer<Int64>? = nil,
            rejectedLengths: UnsafePointer<Int64>? = nil, slice: Range<Int>? = nil
        ) {
            self.count = count
            self.policyChosen = policyChosen
            self.policyRejected = policyRejected
            self.referenceChosen = referenceChosen
            self.referenceRejected = referenceRejected
            self.alphaData = alphaData
            self.chosenLengths = chosenLengths
            self.rejectedLengths = rejectedLengths
            self.slice = slice ?? 0..<max(0, count)
        }
    }

    /// The memory that a step writes to. Each array has room for the slice, and each may be nil.
    public struct Output {
        /// β_i, Eq. (17), after floor and ceiling.
        public var beta: UnsafeMutablePointer<Double>?
        /// M_i, 1 or 0.
        public var mask: UnsafeMutablePointer<UInt8>?
        /// h_i; not finite if the pair's log-probabilities are not.
        public var margins: UnsafeMutablePointer<Double>?
        /// ℓ_i, also for masked pairs; 0 if the margin is not finite.
        public var losses: UnsafeMutablePointer<Double>?
        /// ∂L/∂log πθ(y_w), 0 for masked pairs.
        public var gradChosen: UnsafeMutablePointer<Double>?
        /// ∂L/∂log πθ(y_l).
        public var gradRejected: UnsafeMutablePointer<Double>?
        /// β_i (log πθ(y_w) − log πref(y_w)).
        public var rewardChosen: UnsafeMutablePointer<Double>?
        public var rewardRejected: UnsafeMutablePointer<Double>?
        /// The same with the base β, which is comparable between methods and steps.
        public var plainRewardChosen: UnsafeMutablePointer<Double>?
        public var plainRewardRejected: UnsafeMutablePointer<Double>?

        public init() {}
    }

    /// The results of a step for the whole batch.
    public struct Summary: Equatable, Sendable {
        /// L = Σ M ℓ / ΣM over the global batch.
        public var loss = 0.0
        /// The slice's part of ``loss``; the parts of all ranks add up to it.
        public var sliceLoss = 0.0
        /// α_M, Eq. (13).
        public var alphaModel = 0.0
        /// R_B, Eq. (12): the mean of the kept gaps.
        public var batchGap = 0.0
        /// The R̄ that the filter and α_M used.
        public var runningMean = 0.0
        /// Share of the finite margins of the global batch that are above 0.
        public var accuracy = 0.0
        /// ΣM over the global batch.
        public var kept = 0
        /// ΣM over the slice.
        public var keptInSlice = 0
        /// Pairs of the global batch whose gap is not finite.
        public var nonFinite = 0
        /// True if Eq. (10) was applied, that is, if the guard allowed it.
        public var normalized = false
        /// True if the filter sampled uniformly because its weights were degenerate.
        public var sampledUniformly = false
    }

    /// A step's results for the slice, as arrays. See ``Output`` for what each is.
    public struct Step: Sendable {
        public var summary: Summary
        public var beta, margins, losses, gradChosen, gradRejected: [Double]
        public var rewardChosen, rewardRejected, plainRewardChosen, plainRewardRejected: [Double]
        public var mask: [Bool]

        public var loss: Double { summary.loss }
        public var alphaModel: Double { summary.alphaModel }
    }

    /// Working memory for one batch, kept from step to step so that a step allocates nothing.
    struct Scratch: Sendable {
        /// log πθ − log πref of the chosen and the rejected response.
        var chosen: [Double] = []
        var rejected: [Double] = []
        /// h.
        var margin: [Double] = []
        /// R̃, NaN if not finite.
        var gap: [Double] = []
        /// The keys by which the filter sorts.
        var key: [Double] = []
        /// The indices of the pairs with a finite gap; sorted by the filter.
        var order: [Int32] = []
        var kept: [Bool] = []
        var beta: [Double] = []

        mutating func fit(_ count: Int) throws(DamaError) {
            guard gap.count < count else { return }
            try Allocation.check(
                count, of: 6 * MemoryLayout<Double>.size + 5, for: "a step over \(count) pairs")
            let zeros = [Double](repeating: 0, count: count)
            chosen = zeros
            rejected = zeros
            margin = zeros
            gap = zeros
            key = zeros
            beta = zeros
            order = [Int32](repeating: 0, count: count)
            kept = [Bool](repeating: false, count: count)
        }
    }
}
