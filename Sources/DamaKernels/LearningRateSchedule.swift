import DamaSupport
import Glibc

/// The learning rate over the steps of a run: warm-up from 0, then constant, linear to 0, or half a cosine to 0.
///
/// Steps are counted from 0, as in transformers' schedulers: the first update of a run with warm-up has rate 0. After
/// the last step the rate keeps its final value.
public struct LearningRateSchedule: Equatable, Sendable {
    public enum Kind: UInt32, CaseIterable, Sendable {
        case constant, linear, cosine
    }

    /// How long the rate rises to its full value.
    public enum WarmUp: Equatable, Sendable {
        case steps(UInt64)
        /// ceil(ratio · total).
        case ratio(Double)
    }

    public var kind: Kind
    /// The full rate.
    public var learningRate: Double
    public var totalSteps: UInt64
    public var warmUp: WarmUp

    /// - Throws: ``DamaError/Code/invalidArgument`` for a negative rate, no steps, or a ratio outside [0, 1].
    public init(
        _ kind: Kind, learningRate: Double, totalSteps: UInt64, warmUp: WarmUp = .steps(0)
    ) throws(DamaError) {
        guard learningRate.isFinite, learningRate >= 0 else {
            throw .invalidArgument("learning rate is \(learningRate); it must be 0 or more")
        }
        guard totalSteps >= 1 else { throw .invalidArgument("total steps is 0; a schedule has at least one step") }
        if case .ratio(let ratio) = warmUp, !(ratio >= 0 && ratio <= 1) {
            throw .invalidArgument("warm-up ratio is \(ratio); it must be in [0, 1]")
        }
        self.kind = kind
        self.learningRate = learningRate
        self.totalSteps = totalSteps
        self.warmUp = warmUp
    }

    public var warmUpSteps: Double {
        switch warmUp {
        case .steps(let steps): Double(steps)
        case .ratio(let ratio): ceil(ratio * Double(totalSteps))
        }
    }

    /// The rate of step `step`, counted from 0.
    public func rate(at step: UInt64) -> Double { learningRate * factor(Double(step)) }

    private func factor(_ step: Double) -> Double {
        let total = Double(totalSteps)
        let warmUp = warmUpSteps
        if step < warmUp { return step / max(1, warmUp) }
        let length = max(1, total - warmUp)
        switch kind {
        case .constant: return 1
        case .linear: return max(0, total - step) / length
        case .cosine: return 0.5 * (1 + cos(Double.pi * min(1, (step - warmUp) / length)))
        }
    }
}
