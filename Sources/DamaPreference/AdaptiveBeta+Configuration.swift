import DamaSupport

extension AdaptiveBeta {
    /// The settings of ``AdaptiveBeta``. Start from a preset and change fields.
    ///
    /// The fields are independent: the ablation "no α" is ``Combination/none``, which still masks pairs unless
    /// ``filter`` is ``Filter/none`` too. The presets ``dpo``, ``d2po`` and ``mdpo`` set both.
    public struct Configuration: Equatable, Sendable {
        /// β, the base that α scales. > 0.
        public var beta = 0.1
        public var gap = Gap.reward
        /// Eq. (10): divide the gaps by the running mean if the guard allows it.
        public var normalizes = true
        /// κ: gaps are divided only if R̄ ≥ max(1e-6, κ · mean |R|), so that mean |R̃| ≤ 1/κ. ≥ 0.
        public var guardFactor = 0.25
        public var filter = Filter.nearest
        public var keep = Keep.count(12)
        public var sampleScale = SampleScale.unit
        public var responsiveness = Responsiveness.ratioOfMean
        /// a of ``Responsiveness/linear``.
        public var slope = 0.6
        public var meanSource = MeanSource.kept
        public var meanTime = MeanTime.afterStep
        public var combination = Combination.product
        /// ρ of ``Combination/weightedSum``: α = (1 − ρ) α_M + ρ α_D. In [0, 1].
        public var dataShare = 0.5
        /// The least β of a pair. ≥ 0.
        public var floor = 0.0
        /// The greatest β of a pair; infinity for no limit.
        public var ceiling = Double.infinity
        /// γ of Eq. (15). In [0, 1).
        public var momentum = 0.9
        /// The seed of the generator of ``Filter/sample`` and ``Filter/random``. Every rank needs the same seed.
        public var seed: UInt64 = 0
        public var loss = PreferenceLoss.sigmoid

        /// The preset ``paper``.
        public init() {}
    }

    /// The number of a pair that is filtered and averaged.
    public enum Gap: UInt32, CaseIterable, Sendable {
        /// R = β h, Eq. (9).
        case reward
        /// h itself.
        case logRatio
    }

    /// Chooses the K of the N pairs that take part in the loss.
    public enum Filter: UInt32, CaseIterable, Sendable {
        /// All pairs.
        case none
        /// The K nearest to the running mean, Eq. (11); "both" in Table 3.
        case nearest
        /// K drawn without replacement with weights exp(−½ ((R̃ − R̄) / s)²).
        case sample
        /// All but the N − K lowest.
        case bottom
        /// All but the N − K highest.
        case top
        /// K drawn uniformly at random: the control for the filters above.
        case random
    }

    /// K. At least one pair, at most the number of pairs with a finite gap.
    public enum Keep: Equatable, Sendable {
        case count(Int)
        /// K = int(ratio · N).
        case ratio(Double)

        /// K for a batch of `count`.
        func limit(of count: Int) -> Int {
            switch self {
            case .count(let limit): limit
            case .ratio(let ratio): max(1, Int(ratio * Double(count)))
            }
        }
    }

    /// s in the weights of ``Filter/sample``.
    public enum SampleScale: UInt32, CaseIterable, Sendable {
        case unit
        /// The running standard deviation, updated together with the running mean and with its momentum.
        case runningDeviation
    }

    /// α_M from the kept gaps and the running mean.
    public enum Responsiveness: UInt32, CaseIterable, Sendable {
        /// σ(mean of R̃) / σ(R̄), Eq. (13).
        case ratioOfMean
        /// mean of σ(R̃) / σ(R̄).
        case meanOfRatios
        /// 1 + a (mean of R̃ − R̄).
        case linear
    }

    /// The pairs whose mean updates the running mean.
    public enum MeanSource: UInt32, CaseIterable, Sendable {
        case kept
        case all
    }

    /// When a batch updates the running mean.
    public enum MeanTime: UInt32, CaseIterable, Sendable {
        /// After the step, for the next batch, Eq. (15).
        case afterStep
        /// Before its use, so that the filter and α_M see the mean that this batch has updated. Needs
        /// ``MeanSource/all``.
        case beforeUse
    }

    /// α from α_D and α_M.
    public enum Combination: UInt32, CaseIterable, Sendable {
        /// α_D · α_M, Eq. (16). Without α_D the same as ``modelOnly``.
        case product
        /// (1 − ρ) α_M + ρ α_D, the ablation of Figures 4 and 5.
        case weightedSum
        /// α_D.
        case dataOnly
        /// α_M.
        case modelOnly
        /// 1.
        case none
    }
}

// MARK: - Presets

extension AdaptiveBeta.Configuration {
    /// The paper's algorithm, with the guard on Eq. (10).
    public static let paper = Self()

    /// The authors' released trainer: no normalisation, sampling, and the mean of σ.
    public static let released: Self = {
        var it = Self()
        it.gap = .logRatio
        it.normalizes = false
        it.filter = .sample
        it.keep = .ratio(0.8)
        it.responsiveness = .meanOfRatios
        it.meanSource = .all
        it.floor = 1e-3
        return it
    }()

    /// β-DPO (Wu et al., 2024): one β for the batch, linear in the gap; no α_D.
    public static let betaDPO: Self = {
        var it = released
        it.sampleScale = .runningDeviation
        it.responsiveness = .linear
        it.meanTime = .beforeUse
        it.combination = .modelOnly
        return it
    }()

    /// Plain DPO: every pair, with the base β.
    public static let dpo: Self = {
        var it = paper
        it.filter = .none
        it.combination = .none
        return it
    }()

    /// The ablation D2PO: every pair, β scaled by data hardness alone.
    public static let d2po: Self = {
        var it = paper
        it.filter = .none
        it.combination = .dataOnly
        return it
    }()

    /// The ablation MDPO: the filter and α_M, without data hardness.
    public static let mdpo: Self = {
        var it = paper
        it.combination = .modelOnly
        return it
    }()
}

// MARK: - Checking

extension AdaptiveBeta.Configuration {
    /// - Throws: ``DamaError/Code/invalidArgument``; the message names the first field out of range.
    public func validate() throws(DamaError) {
        try require(beta.isFinite && beta > 0, "beta is \(beta); it must be positive")
        try require(guardFactor.isFinite && guardFactor >= 0, "guard is \(guardFactor); it must be 0 or more")
        switch keep {
        case .count(let count): try require(count >= 1, "keep is \(count); at least one pair is kept")
        case .ratio(let ratio): try require(ratio > 0 && ratio <= 1, "keep ratio is \(ratio); it must be in (0, 1]")
        }
        try require(slope.isFinite, "slope is \(slope); it must be finite")
        try require(
            meanTime == .afterStep || meanSource == .all,
            "the mean of the kept pairs is not known before they are filtered; with the mean moved before use, "
                + "its source must be all pairs")
        try require(dataShare >= 0 && dataShare <= 1, "rho is \(dataShare); it must be in [0, 1]")
        try require(floor.isFinite && floor >= 0, "beta floor is \(floor); it must be 0 or more")
        try require(
            ceiling > 0 && ceiling >= floor,
            "beta ceiling is \(ceiling); it must be above 0 and the floor, \(floor)")
        try require(momentum >= 0 && momentum < 1, "momentum is \(momentum); it must be in [0, 1)")
        try loss.validate()
    }

    private func require(_ condition: Bool, _ message: @autoclosure () -> String) throws(DamaError) {
        if !condition { throw .invalidArgument(message()) }
    }
}
