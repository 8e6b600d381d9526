extension PreferenceLoss {
    /// The loss without its parameter, as it is used in files and in the C ABI.
    public enum Kind: UInt32, CaseIterable, Sendable {
        case sigmoid, ipo, hinge, labelSmoothed, robust, simpo
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
