import DamaSupport
import Glibc

/// A loss of the margin h of one pair, with the pair's own β taken as a constant.
///
/// h is the log-ratio margin of DPO, [log πθ(y_w) − log πref(y_w)] − [log πθ(y_l) − log πref(y_l)]; for
/// ``simpo(margin:)`` it is the margin of length-normalised log-probabilities without a reference.
///
/// ```swift
/// let (value, derivative) = PreferenceLoss.sigmoid.evaluate(margin: 2, beta: 0.1)
/// ```
public enum PreferenceLoss: Equatable, Sendable {
    /// −log σ(βh): DPO (Rafailov et al., 2023), Eq. (3).
    case sigmoid
    /// (h − 1/(2β))²: IPO (Azar et al., 2023). β is the paper's τ.
    case ipo
    /// max(0, 1 − βh): SLiC (Zhao et al., 2023). The derivative at the kink is 0.
    case hinge
    /// −(1 − ε) log σ(βh) − ε log σ(−βh): conservative DPO, for labels that are flipped with probability ε < ½.
    case labelSmoothed(flipRate: Double)
    /// (−(1 − ε) log σ(βh) + ε log σ(−βh)) / (1 − 2ε): robust DPO (Chowdhury et al., 2024), unbiased under flips.
    case robust(flipRate: Double)
    /// −log σ(βh − γ): SimPO (Meng et al., 2024). γ is not scaled by β.
    case simpo(margin: Double)

    /// ℓ and ∂ℓ/∂h. Exact to rounding for margins of any size that can occur: no exponential overflows, and no small
    /// result is lost in a difference.
    ///
    /// - Parameters:
    ///   - margin: h.
    ///   - beta: β of this pair, > 0.
    @inlinable
    public func evaluate(margin: Double, beta: Double) -> (value: Double, derivative: Double) {
        switch self {
        case .sigmoid:
            let x = LogisticTerms(beta * margin)
            return (x.lossOfWin, -beta * x.lossShare)
        case .ipo:
            let distance = margin - 1 / (2 * beta)
            return (distance * distance, 2 * distance)
        case .hinge:
            let slack = 1 - beta * margin
            return slack > 0 ? (slack, -beta) : (0, 0)
        case .labelSmoothed(let flipRate):
            let x = LogisticTerms(beta * margin)
            return (
                (1 - flipRate) * x.lossOfWin + flipRate * x.lossOfLoss,
                beta * (flipRate * x.winShare - (1 - flipRate) * x.lossShare)
            )
        case .robust(let flipRate):
            let x = LogisticTerms(beta * margin)
            let scale = 1 / (1 - 2 * flipRate)
            return (
                scale * ((1 - flipRate) * x.lossOfWin - flipRate * x.lossOfLoss),
                -beta * scale * ((1 - flipRate) * x.lossShare + flipRate * x.winShare)
            )
        case .simpo(let target):
            let x = LogisticTerms(beta * margin - target)
            return (x.lossOfWin, -beta * x.lossShare)
        }
    }

    /// Whether the loss reads only the policy's log-probabilities.
    public var isReferenceFree: Bool {
        if case .simpo = self { true } else { false }
    }

    /// - Throws: ``DamaError/Code/invalidArgument`` for a parameter outside its range.
    public func validate() throws(DamaError) {
        switch self {
        case .sigmoid, .ipo, .hinge: break
        case .labelSmoothed(let rate), .robust(let rate):
            guard rate >= 0, rate < 0.5 else {
                throw .invalidArgument("label smoothing is \(rate); it must be at least 0 and below 0.5")
            }
        case .simpo(let margin):
            guard margin.isFinite else { throw .invalidArgument("SimPO's margin is \(margin); it must be finite") }
        }
    }
}

// MARK: Kinds

extension PreferenceLoss {
    /// The loss without its parameter, as it is used in files and in the C ABI.
    public enum Kind: UInt32, CaseIterable, Sendable {
        case sigmoid, ipo, hinge, labelSmoothed, robust, simpo

        /// Its name in configuration files, and of its function in Python.
        package var name: String {
            switch self {
            case .sigmoid: "sigmoid"
            case .ipo: "ipo"
            case .hinge: "hinge"
            case .labelSmoothed: "cdpo"
            case .robust: "robust"
            case .simpo: "simpo"
            }
        }
    }

    /// - Parameters:
    ///   - parameter: ε of the label-smoothed and the robust loss, γ of SimPO; the others have none.
    public init(_ kind: Kind, parameter: Double) {
        self =
            switch kind {
            case .sigmoid: .sigmoid
            case .ipo: .ipo
            case .hinge: .hinge
            case .labelSmoothed: .labelSmoothed(flipRate: parameter)
            case .robust: .robust(flipRate: parameter)
            case .simpo: .simpo(margin: parameter)
            }
    }

    public var kind: Kind {
        switch self {
        case .sigmoid: .sigmoid
        case .ipo: .ipo
        case .hinge: .hinge
        case .labelSmoothed: .labelSmoothed
        case .robust: .robust
        case .simpo: .simpo
        }
    }

    /// The parameter of the loss; 0 if it has none.
    public var parameter: Double {
        switch self {
        case .sigmoid, .ipo, .hinge: 0
        case .labelSmoothed(let rate), .robust(let rate): rate
        case .simpo(let margin): margin
        }
    }
}

// MARK: Terms

/// −log σ(x), −log σ(−x), σ(x) and σ(−x) from one exponential.
@usableFromInline
struct LogisticTerms {
    /// −log σ(x).
    @usableFromInline let lossOfWin: Double
    /// −log σ(−x).
    @usableFromInline let lossOfLoss: Double
    /// σ(x).
    @usableFromInline let winShare: Double
    /// σ(−x).
    @usableFromInline let lossShare: Double

    @inlinable
    init(_ x: Double) {
        let e = exp(-abs(x))
        let tail = log1p(e)
        let larger = 1 / (1 + e)
        let smaller = e / (1 + e)
        lossOfWin = max(-x, 0) + tail
        lossOfLoss = max(x, 0) + tail
        (winShare, lossShare) = x >= 0 ? (larger, smaller) : (smaller, larger)
    }
}
