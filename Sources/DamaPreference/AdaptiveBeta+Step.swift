import DamaSupport
import Glibc

extension AdaptiveBeta {
    /// Computes one batch: margins, mask, α_M, β, loss and gradients. Only ``commit()`` changes the running mean.
    ///
    /// Allocates nothing after the first batch of this size. Writes nothing to `output` if it throws.
    ///
    /// - Throws: ``DamaError/Code/invalidArgument`` for an empty batch, α_D that is missing or not positive, missing
    ///   references, lengths below 1, a batch without any finite gap, or an unusable β;
    ///   ``DamaError/Code/shapeMismatch`` for a slice outside the batch.
    public mutating func step(_ batch: Batch, into output: Output) throws(DamaError) -> Summary {
        try check(batch)
        try scratch.fit(batch.count)
        var summary = Summary()
        var next = progress
        var generator = generator

        let (finite, won, meanMagnitude) = try measure(batch)
        summary.nonFinite = batch.count - finite
        summary.accuracy = Double(won) / Double(finite)
        normalize(finite, meanMagnitude, &summary)

        let (mean, deviation) = moments(finite)
        if configuration.meanTime == .beforeUse { move(&next, toward: mean, deviation) }
        summary.runningMean = next.runningMean

        let selection = select(
            batch.count, finite: finite, center: next.runningMean, deviation: next.runningDeviation,
            generator: &generator)
        summary.kept = selection.kept
        summary.sampledUniformly = selection.uniform

        respond(batch.count, center: next.runningMean, &summary)
        if configuration.meanTime == .afterStep {
            move(&next, toward: configuration.meanSource == .kept ? summary.batchGap : mean, deviation)
        }
        guard next.runningMean.isFinite else {
            throw .invalidArgument("the gaps are too large: their running mean would be \(next.runningMean)")
        }
        try combine(batch, alphaModel: summary.alphaModel)
        weigh(batch, into: output, &summary)

        next.nonFinitePairs &+= UInt64(summary.nonFinite)
        if selection.uniform { next.uniformSamplings &+= 1 }
        pending = Pending(progress: next, generator: generator)
        return summary
    }

    // MARK: Input

    private func check(_ batch: Batch) throws(DamaError) {
        guard batch.count >= 1 else { throw .invalidArgument("the batch is empty; a step needs at least one pair") }
        guard batch.count <= Int(Int32.max) else {
            throw .invalidArgument("a batch of \(batch.count) pairs is too large")
        }
        guard batch.slice.lowerBound >= 0, batch.slice.upperBound <= batch.count else {
            throw .shapeMismatch("the slice \(batch.slice) is outside the batch of \(batch.count)")
        }
        if !configuration.loss.isReferenceFree, batch.referenceChosen == nil || batch.referenceRejected == nil {
            throw .invalidArgument("reference log-probabilities are missing; only SimPO goes without them")
        }
        guard (batch.chosenLengths == nil) == (batch.rejectedLengths == nil) else {
            throw .invalidArgument("lengths are needed for both responses or for neither")
        }
        if let chosen = batch.chosenLengths, let rejected = batch.rejectedLengths {
            for index in 0..<batch.count where chosen[index] < 1 || rejected[index] < 1 {
                throw .invalidArgument(
                    "pair \(index) has lengths \(chosen[index]) and \(rejected[index]); a response has at least one "
                        + "token")
            }
        }
        if let alpha = batch.alphaData {
            for index in 0..<batch.count where !(alpha[index] > 0 && alpha[index].isFinite) {
                throw .invalidArgument("alpha_data of pair \(index) is \(alpha[index]); it must be finite and above 0")
            }
        } else if configuration.combination == .dataOnly || configuration.combination == .weightedSum {
            throw .invalidArgument("this combination reads alpha_data, and there is none")
        }
    }

    /// Computes margins h and gaps R, Eq. (9), and puts the pairs with a finite gap into `scratch.order`.
    private mutating func measure(_ batch: Batch) throws(DamaError) -> (finite: Int, won: Int, meanMagnitude: Double) {
        let scale = configuration.gap == .reward ? configuration.beta : 1
        let usesReference = !configuration.loss.isReferenceFree
        var finite = 0
        var won = 0
        var magnitude = 0.0
        for index in 0..<batch.count {
            var chosen = batch.policyChosen[index]
            var rejected = batch.policyRejected[index]
            if usesReference, let reference = batch.referenceChosen { chosen -= reference[index] }
            if usesReference, let reference = batch.referenceRejected { rejected -= reference[index] }
            if let lengths = batch.chosenLengths { chosen /= Double(lengths[index]) }
            if let lengths = batch.rejectedLengths { rejected /= Double(lengths[index]) }
            let margin = chosen - rejected
            let gap = scale * margin
            scratch.chosen[index] = chosen
            scratch.rejected[index] = rejected
            scratch.margin[index] = margin
            scratch.gap[index] = gap
            if gap.isFinite {
                scratch.order[finite] = Int32(truncatingIfNeeded: index)
                finite += 1
                if margin > 0 { won += 1 }
                magnitude += abs(gap)
            }
        }
        guard finite > 0 else {
            throw .invalidArgument("none of the \(batch.count) pairs has a finite gap; look at the log-probabilities")
        }
        return (finite, won, magnitude / Double(finite))
    }

    // MARK: Responsiveness

    /// Eq. (10) if R̄ ≥ max(1e-6, κ · mean |R|). Taken literally it divides by 0 at the first step, and blows up
    /// whenever R̄ is small or negative compared with the gaps.
    private mutating func normalize(_ finite: Int, _ meanMagnitude: Double, _ summary: inout Summary) {
        let mean = progress.runningMean
        guard configuration.normalizes, mean >= max(1e-6, configuration.guardFactor * meanMagnitude) else { return }
        for position in 0..<finite { scratch.gap[Int(scratch.order[position])] /= mean }
        summary.normalized = true
    }

    /// Mean and standard deviation (N − 1) of all finite gaps; no deviation for a single pair.
    private func moments(_ finite: Int) -> (mean: Double, deviation: Double?) {
        var sum = 0.0
        for position in 0..<finite { sum += scratch.gap[Int(scratch.order[position])] }
        let mean = sum / Double(finite)
        guard finite > 1 else { return (mean, nil) }
        var squares = 0.0
        for position in 0..<finite {
            let distance = scratch.gap[Int(scratch.order[position])] - mean
            squares += distance * distance
        }
        return (mean, (squares / Double(finite - 1)).squareRoot())
    }

    /// Eq. (15).
    private func move(_ progress: inout Progress, toward mean: Double, _ deviation: Double?) {
        let momentum = configuration.momentum
        progress.runningMean = momentum * progress.runningMean + (1 - momentum) * mean
        if let deviation {
            progress.runningDeviation = momentum * progress.runningDeviation + (1 - momentum) * deviation
        }
    }

    /// R_B, Eq. (12), and α_M, Eq. (13). Ratios of σ are computed from logarithms, because σ may underflow.
    private func respond(_ count: Int, center: Double, _ summary: inout Summary) {
        let kept = Double(summary.kept)
        var sum = 0.0
        for index in 0..<count where scratch.kept[index] { sum += scratch.gap[index] }
        summary.batchGap = sum / kept
        switch configuration.responsiveness {
        case .ratioOfMean: summary.alphaModel = exp(logSigmoid(summary.batchGap) - logSigmoid(center))
        case .meanOfRatios:
            var ratios = 0.0
            if center > -700 {
                for index in 0..<count where scratch.kept[index] { ratios += sigmoid(scratch.gap[index]) }
                ratios /= sigmoid(center)
            } else {
                let base = logSigmoid(center)
                for index in 0..<count where scratch.kept[index] {
                    ratios += exp(logSigmoid(scratch.gap[index]) - base)
                }
            }
            summary.alphaModel = ratios / kept
        case .linear: summary.alphaModel = 1 + configuration.slope * (summary.batchGap - center)
        }
    }

    // MARK: β and loss

    /// α_i and β_i, Eqs. (16) and (17), with floor and ceiling, into `scratch.beta`.
    private mutating func combine(_ batch: Batch, alphaModel: Double) throws(DamaError) {
        let share = configuration.dataShare
        for index in 0..<batch.count {
            let alphaData = batch.alphaData?[index] ?? 1
            let alpha =
                switch configuration.combination {
                case .product: alphaData * alphaModel
                case .weightedSum: (1 - share) * alphaModel + share * alphaData
                case .dataOnly: alphaData
                case .modelOnly: alphaModel
                case .none: 1.0
                }
            let free = configuration.beta * alpha
            let beta = min(max(free, configuration.floor), configuration.ceiling)
            guard !free.isNaN, beta.isFinite else {
                throw .invalidArgument(
                    "beta of pair \(index) would be \(free): the kept gaps are too far from the running mean; "
                        + "set a ceiling")
            }
            guard beta > 0 || configuration.loss != .ipo else {
                throw .invalidArgument("beta of pair \(index) would be 0, which IPO divides by; set a floor")
            }
            scratch.beta[index] = beta
        }
    }

    /// Losses, gradients and rewards. β is a constant here: no gradient flows through α.
    private func weigh(_ batch: Batch, into output: Output, _ summary: inout Summary) {
        let divisor = Double(max(1, summary.kept))
        var total = 0.0
        var sliceTotal = 0.0
        for index in 0..<batch.count {
            let isKept = scratch.kept[index]
            let isMine = batch.slice.contains(index)
            guard isKept || isMine else { continue }
            let margin = scratch.margin[index]
            let beta = scratch.beta[index]
            let isFinite = scratch.gap[index].isFinite
            let (value, derivative) = isFinite ? configuration.loss.evaluate(margin: margin, beta: beta) : (0, 0)
            if isKept { total += value }
            guard isMine else { continue }
            if isKept {
                sliceTotal += value
                summary.keptInSlice += 1
            }
            let weight = isKept ? derivative / divisor : 0
            let place = index - batch.slice.lowerBound
            output.beta?[place] = beta
            output.mask?[place] = isKept ? 1 : 0
            output.margins?[place] = margin
            output.losses?[place] = value
            output.gradChosen?[place] = weight / Double(batch.chosenLengths?[index] ?? 1)
            output.gradRejected?[place] = -weight / Double(batch.rejectedLengths?[index] ?? 1)
            output.rewardChosen?[place] = beta * scratch.chosen[index]
            output.rewardRejected?[place] = beta * scratch.rejected[index]
            output.plainRewardChosen?[place] = configuration.beta * scratch.chosen[index]
            output.plainRewardRejected?[place] = configuration.beta * scratch.rejected[index]
        }
        summary.loss = total / divisor
        summary.sliceLoss = sliceTotal / divisor
    }
}
