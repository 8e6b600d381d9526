import DamaModels
import DamaSupport

/// How often something flows back through a forward run.
public enum PassUse: Sendable {
    /// Once: the gradient is written over what the run kept, and a second backward run is an error.
    case once
    /// As often as is wanted; the gradient of the logits takes memory of its own.
    case again
}

/// A forward run over some pairs, with everything kept that flows back through it. It is good until the next update:
/// what it kept belongs to the weights that it ran with.
public final class ForwardPass {
    /// log π of the responses' tokens of each pair.
    public let logProbabilities: [PairLogProbabilities]
    public let use: PassUse
    /// `nil` once it is used up.
    private var content: Content?

    /// What flows back.
    struct Content {
        var pairs: [PreparedPair]
        var decoder: DifferentiableModel.Pass
        /// The length that the sequences were padded to.
        var length: Int
        /// The logits that the log-probabilities were taken from, where that was on the host.
        var logits: TokenLogits?
        /// Where the vision part is trained: its pass, and the shape of the features that it gave for the whole run.
        var vision: (pass: DifferentiableModel.Pass, shape: [Int])?
    }

    init(_ content: Content, logProbabilities: [PairLogProbabilities], use: PassUse) {
        self.content = content
        self.logProbabilities = logProbabilities
        self.use = use
    }

    /// The content, which leaves a pass that is used once.
    ///
    /// - Throws: ``DamaError/Code/invalidArgument`` where it has left.
    func take() throws(DamaError) -> Content {
        guard let found = content else {
            throw .invalidArgument(
                "the forward run was used up by an earlier backward run; run forward again, or ask for a pass that can "
                    + "be used again")
        }
        if use == .once { content = nil }
        return found
    }
}
