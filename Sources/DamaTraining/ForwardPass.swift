import DamaModels
import DamaSupport

/// How often backward runs use a forward pass.
public enum PassUse: Sendable {
    /// Once: the gradient overwrites the logits, and a second backward run is an error.
    case once
    /// Any number of times; the gradient of the logits takes its own memory.
    case again
}

/// A forward run over some pairs, with the values that the backward run needs. It is valid until the next update, since
/// it belongs to the weights that it ran with.
public final class ForwardPass {
    /// log π of the response tokens of each pair.
    public let logProbabilities: [PairLogProbabilities]
    public let use: PassUse
    /// `nil` after its only use.
    private var content: Content?

    /// The values that the backward run needs.
    struct Content {
        var pairs: [PreparedPair]
        var decoder: DifferentiableModel.Pass
        /// The padded length of the sequences.
        var length: Int
        /// The logits, if the host computed the log-probabilities.
        var logits: TokenLogits?
        /// The pass of a trained vision part, and the shape of the features of the whole run.
        var vision: (pass: DifferentiableModel.Pass, shape: [Int])?
    }

    init(_ content: Content, logProbabilities: [PairLogProbabilities], use: PassUse) {
        self.content = content
        self.logProbabilities = logProbabilities
        self.use = use
    }

    /// Returns the content. A pass for one use releases it.
    ///
    /// - Throws: ``DamaError/Code/invalidArgument`` if the pass is used up.
    func take() throws(DamaError) -> Content {
        guard let found = content else {
            throw .invalidArgument(
                "the forward run was used up by an earlier backward run; run forward again, or request a pass that can "
                    + "be used again")
        }
        if use == .once { content = nil }
        return found
    }
}
