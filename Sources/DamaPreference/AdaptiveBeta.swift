import DamaSupport

/// Model responsiveness and adaptive β (sections 3.3 and 3.4 of the paper): computes the mask, each pair's β, the loss
/// and its gradients from the log-probabilities of a batch.
///
/// ```swift
/// var controller = try AdaptiveBeta(.paper)
/// for batch in batches {
///     let step = try controller.step(
///         policyChosen: batch.policyChosen, policyRejected: batch.policyRejected,
///         referenceChosen: batch.referenceChosen, referenceRejected: batch.referenceRejected,
///         alphaData: batch.alphaData)
///     model.backward(step.gradChosen, step.gradRejected)
///     optimizer.step()
///     try controller.commit()
/// }
/// ```
///
/// A step changes no state: the running mean and the generator advance with ``commit()``, after the optimizer's step. A
/// step whose update was skipped is not committed.
///
/// **Several ranks.** Every rank creates the same controller, passes the log-probabilities of the global batch in the
/// same order, and requests its own slice. Mask, α_M and the divisor are those of the global batch, so nothing depends
/// on the number of ranks. The gradients already contain the global divisor: add them up over the ranks. If a framework
/// averages them, multiply by the number of ranks first.
public struct AdaptiveBeta: Sendable {
    /// The committed state.
    public struct Progress: Equatable, Sendable {
        /// R̄, in units of the gap (divided by itself if Eq. (10) applies). 0 before the first commit.
        public internal(set) var runningMean = 0.0
        /// s, updated like R̄. 0 before the first commit.
        public internal(set) var runningDeviation = 0.0
        /// The number of commits.
        public internal(set) var steps: UInt64 = 0
        /// Pairs that were masked because their gap was not finite.
        public internal(set) var nonFinitePairs: UInt64 = 0
        /// Steps that sampled uniformly because the weights added up to 0 or to a number that is not finite.
        public internal(set) var uniformSamplings: UInt64 = 0
    }

    public let configuration: Configuration
    public internal(set) var progress = Progress()
    var generator: RandomGenerator
    /// The state after the last step, until it is committed.
    var pending: Pending?
    var scratch = Scratch()

    struct Pending: Sendable {
        var progress: Progress
        var generator: RandomGenerator
    }

    /// - Throws: ``DamaError/Code/invalidArgument`` for a field out of range.
    public init(_ configuration: Configuration = .paper) throws(DamaError) {
        try configuration.validate()
        self.configuration = configuration
        generator = RandomGenerator(seed: configuration.seed)
    }

    /// R̄, Eq. (15).
    public var runningMean: Double { progress.runningMean }

    /// Makes the last step's running mean and generator the current ones. Call it once the optimizer has stepped.
    ///
    /// - Throws: ``DamaError/Code/invalidArgument`` if there was no step since the last commit.
    public mutating func commit() throws(DamaError) {
        guard let pending else {
            throw .invalidArgument("nothing to commit: no step since the last commit")
        }
        progress = pending.progress
        progress.steps &+= 1
        generator = pending.generator
        self.pending = nil
    }
}
